/**
 * How large a query tree may be that is planned here: on the thread that serves all clients, recursively, and into code that the engine compiles. What a stack
 * does not hold all the same is an error of the statement (54001). Pure. Called by the planner and by sessions.
 */
import { millraceError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { extentOf } from '../sql/statements/lexer.ts';

/** A level takes some hundred characters. */
const FLAT_CHARACTERS_MAX = limits.queryTreeLevelsMax * 50;

export function refuseLargeTree(tree: string): void {
  if (tree.length > limits.queryTreeCharactersMax)
    throw millraceError('STATEMENT_TREE_TOO_LARGE', { what: 'characters', is: tree.length, max: limits.queryTreeCharactersMax });
  if (tree.length <= FLAT_CHARACTERS_MAX) return;
  const levels = levelsOf(tree);
  if (levels > limits.queryTreeLevelsMax)
    throw millraceError('STATEMENT_TREE_TOO_LARGE', { what: 'levels', is: levels, max: limits.queryTreeLevelsMax });
}

/** Before Postgres sees it: it takes long for a list, and its stack ends in what nests. Short texts can be neither. */
export function refuseLongText(sql: string): void {
  const { statementTokensMax, queryTreeLevelsMax } = limits;
  if (sql.length <= queryTreeLevelsMax) return;
  const { tokens, levels } = extentOf(sql, statementTokensMax, queryTreeLevelsMax);
  if (levels > queryTreeLevelsMax) throw millraceError('STATEMENT_TREE_TOO_LARGE', { what: 'levels', is: levels, max: queryTreeLevelsMax });
  if (tokens > statementTokensMax) throw millraceError('STATEMENT_TREE_TOO_LARGE', { what: 'tokens', is: tokens, max: statementTokensMax });
}

/** Nodes in nodes. A bracket in a name has a backslash before it. */
export function levelsOf(tree: string): number {
  let depth = 0;
  let deepest = 0;
  for (const { index, 0: bracket } of tree.matchAll(/[{}]/g)) {
    if (tree[index - 1] === '\\') continue;
    depth += bracket === '{' ? 1 : -1;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

export function isStackOverflow(error: unknown): boolean {
  return error instanceof RangeError && error.message.includes('call stack');
}
