/**
 * What an audit asks the upstream: the view's own query as Postgres prints it (`pg_get_viewdef`, every name with its schema), with the upstream's table names, the
 * views below as CTEs, and the tie-break of ORDER BY … LIMIT written out. Made from the view's text, not from the plan: so an audit also proves the planner (I-1).
 *
 * Tie-break: `Q ORDER BY k LIMIT n` becomes `SELECT c… FROM (Q with k) ORDER BY k, c… LIMIT n`, columns ascending, NULLs last, text by bytes: TopK's rule in
 * plan/plan.ts. The LIMITs of the text, inner ones first, are those of the tree, inner ones first.
 * The order inside aggregates: `aggregate-order.ts`.
 * Called by the coordinator when a materialized view has been put into the mirror.
 */
import { assert, must } from '../../base/assert.ts';
import { millraceError } from '../../base/errors.ts';
import { ident, qualified } from '../../base/ident.ts';
import type { CallOptions, CatalogClient } from '../../pglite/catalog-client.ts';
import { isSymbol, tokenize, type Token } from '../statements/lexer.ts';
import { isOrderedAggregate, withOrders } from './aggregate-order.ts';
import { closing, isWord } from './text.ts';
import { ExpressionBinder } from '../bind/bind-expression.ts';
import type { PlanContext } from '../tree/context.ts';
import { parseQueryTree, type TreeNode } from '../tree/node-tree.ts';

/** What a name of the mirror is. A view's definition is asked of the mirror. */
export type UpstreamObject = { readonly kind: 'table'; readonly schema: string; readonly name: string } | { readonly kind: 'view' };

export type ObjectNamed = (schema: string, name: string) => UpstreamObject | undefined;

interface Definition {
  readonly text: string;
  /** Queries with LIMIT or OFFSET, inner ones first. */
  readonly limited: readonly TreeNode[];
  /** Aggregates whose rows have an order, outer ones first. */
  readonly aggregates: readonly TreeNode[];
}

export async function upstreamSql(
  catalog: CatalogClient,
  context: PlanContext,
  view: { readonly schema: string; readonly name: string },
  objectNamed: ObjectNamed,
  call: CallOptions = {},
): Promise<string> {
  /** Views below in the order in which they can be written; key: schema.name in quotes. */
  const below = new Map<string, { readonly cte: string; readonly text: string }>();
  const main = await written(view.schema, view.name);
  const tables = [...below.values()].map(({ cte, text }) => `${cte} AS (${text})`);
  return tables.length === 0 ? main : `WITH ${tables.join(', ')} SELECT * FROM (${main}) AS millrace_view`;

  async function written(schema: string, name: string): Promise<string> {
    const { text, limited, aggregates } = await definitionOf(schema, name);
    const named = await withUpstreamNames(text);
    const unordered = [...aggregates];
    const ordered = withOrders(named, unordered, (node) => binderFor(node, context).typeOf(node));
    assert(unordered.length === 0, () => `every aggregate of ${name} found`);
    const waiting = [...limited];
    const rewritten = withTieBreaks(ordered, waiting, context);
    assert(waiting.length === 0, () => `every LIMIT of ${name} found`);
    return rewritten;
  }

  async function definitionOf(schema: string, name: string): Promise<Definition> {
    const { rows } = await catalog.query(
      `SELECT pg_get_viewdef(r.ev_class), r.ev_action FROM pg_rewrite r WHERE r.ev_class = to_regclass($1) AND r.rulename = '_RETURN'`,
      [qualified(schema, name)],
      { ...call, searchPath: [] },
    );
    const [text, tree] = must(rows[0], `view ${name} in the mirror`);
    return { text: text!.trim().replace(/;$/, ''), ...inPrintedOrder(parseQueryTree(tree!), context) };
  }

  /** `FROM public.orders` → what it is called upstream, under the alias that the text uses. */
  async function withUpstreamNames(text: string): Promise<string> {
    const tokens = tokenize(text);
    let result = '';
    let at = 0;
    for (let i = 0; i + 3 < tokens.length; i++) {
      const [before, schema, dot, name, after] = [tokens[i - 1], tokens[i]!, tokens[i + 1]!, tokens[i + 2]!, tokens[i + 3]!];
      if (!isName(schema) || !isSymbol(dot, '.') || !isName(name) || isSymbol(after, '.') || isSymbol(after, '(')) continue;
      if (before === undefined || !RELATION_FOLLOWS.has(before.value)) continue;
      const object = objectNamed(schema.value, name.value);
      if (object === undefined) continue;
      const aliased = after.kind === 'quoted' || (after.kind === 'word' && !ALIAS_ENDS.has(after.value));
      const own = object.kind === 'view' ? await cteOf(schema.value, name.value) : qualified(object.schema, object.name);
      const sameName = object.kind === 'table' && object.name === name.value;
      result += text.slice(at, schema.start) + own + (aliased || sameName ? '' : ` AS ${ident(name.value)}`);
      at = name.end;
      i += 2;
    }
    return result + text.slice(at);
  }

  async function cteOf(schema: string, name: string): Promise<string> {
    const key = qualified(schema, name);
    const known = below.get(key);
    if (known !== undefined) return known.cte;
    // Its own views come first.
    const text = await written(schema, name);
    const cte = `millrace_below_${below.size + 1}`;
    below.set(key, { cte, text });
    return cte;
  }
}

/** In pg_get_viewdef's text a relation stands behind one of these. */
const RELATION_FOLLOWS = new Set(['from', 'join', ',', '(', 'only']);
const ALIAS_ENDS = new Set(
  'where join left right full cross inner natural on using group order having limit offset union except intersect fetch window for tablesample'.split(
    ' ',
  ),
);

function isName({ kind }: Token): boolean {
  return kind === 'word' || kind === 'quoted';
}

/** CTEs, select list, FROM, WHERE, GROUP BY, HAVING, ORDER BY; a key of GROUP BY is printed wherever it is read. */
function inPrintedOrder(root: TreeNode, context: PlanContext): { limited: TreeNode[]; aggregates: TreeNode[] } {
  const limited: TreeNode[] = [];
  const aggregates: TreeNode[] = [];
  inQuery(root);
  return { limited, aggregates };

  function inQuery(query: TreeNode): void {
    const table = query.nodes('rtable');
    const inEntry = (entry: TreeNode): void => (entry.number('rtekind') === 1 ? inQuery(entry.node('subquery')) : undefined);
    const inItem = (item: TreeNode): void => {
      if (item.tag === 'RANGETBLREF') return inEntry(table[item.number('rtindex') - 1]!);
      inItem(item.node('larg'));
      inItem(item.node('rarg'));
      inExpression(item.maybe('quals'));
    };
    const inExpression = (node: TreeNode | null): void => {
      if (node === null) return;
      if (node.tag === 'SUBLINK') {
        inExpression(node.maybe('testexpr'));
        return inQuery(node.node('subselect'));
      }
      const group = node.tag === 'VAR' && node.number('varlevelsup') === 0 ? table[node.number('varno') - 1] : undefined;
      if (group?.number('rtekind') === GROUP_ENTRY) return inExpression(group.nodes('groupexprs')[node.number('varattno') - 1]!);
      if (isOrderedAggregate(node, context)) aggregates.push(node);
      for (const child of node.children()) inExpression(child);
    };
    const tree = query.node('jointree');
    const targets = query.nodes('targetList');
    const inReferenced = (clauses: string): void => {
      for (const clause of query.nodes(clauses)) {
        const target = targets.find((candidate) => candidate.number('ressortgroupref') === clause.number('tleSortGroupRef'));
        if (target !== undefined) inExpression(target.node('expr'));
      }
    };
    for (const cte of query.nodes('cteList')) inQuery(cte.node('ctequery'));
    for (const target of targets) if (!target.flag('resjunk')) inExpression(target.node('expr'));
    if (query.maybe('setOperations') === null) tree.nodes('fromlist').forEach(inItem);
    else table.forEach(inEntry);
    inExpression(tree.maybe('quals'));
    inReferenced('groupClause');
    inExpression(query.maybe('havingQual'));
    inReferenced('sortClause');
    const isLimited = query.maybe('limitCount') !== null || query.maybe('limitOffset') !== null;
    // EXISTS (SELECT FROM …) tells no rows apart.
    if (isLimited && targets.length > 0) limited.push(query);
  }
}

/** RTE_GROUP. */
const GROUP_ENTRY = 9;

/** The text of one query, with the queries in its brackets. `waiting`: those with a LIMIT that are still to be met. */
function withTieBreaks(text: string, waiting: TreeNode[], context: PlanContext): string {
  let rewritten = '';
  let at = 0;
  const tokens = tokenize(text);
  for (let i = 0; i < tokens.length; i++) {
    const open = tokens[i]!;
    if (!isSymbol(open, '(')) continue;
    const close = must(tokens[closing(tokens, i)], 'a closing bracket');
    const inside = text.slice(open.end, close.start);
    rewritten += text.slice(at, open.end) + (/\b(limit|offset|fetch)\b/i.test(inside) ? withTieBreaks(inside, waiting, context) : inside);
    at = close.start;
    i = tokens.indexOf(close);
  }
  rewritten += text.slice(at);
  const clauses = clausesOf(rewritten);
  return clauses === undefined ? rewritten : tieBroken(clauses, must(waiting.shift(), 'the query of a LIMIT'), context);
}

interface Clauses {
  readonly body: string;
  /** Where the select list ends in the body; undefined in a set operation, whose keys are column numbers. */
  readonly selectListEnd: number | undefined;
  readonly keys: readonly { readonly expression: string; readonly direction: string }[];
  readonly rest: string;
}

/** Taken apart at the outermost level; undefined without LIMIT and OFFSET. */
function clausesOf(text: string): Clauses | undefined {
  const outer: Token[] = [];
  let depth = 0;
  for (const token of tokenize(text)) {
    if (isSymbol(token, '(') || isSymbol(token, '[')) depth++;
    if (isSymbol(token, ')') || isSymbol(token, ']')) depth--;
    if (depth === 0 || (depth === 1 && isSymbol(token, '('))) outer.push(token);
  }
  const limit = outer.find((token) => isWord(token, 'limit', 'offset', 'fetch'));
  if (limit === undefined) return undefined;
  const order = outer.findLast((token, i) => isWord(token, 'order') && isWord(outer[i + 1]!, 'by'));
  const bodyEnd = order?.start ?? limit.start;
  const isSetOperation = outer.some((token) => isWord(token, 'union', 'intersect', 'except'));
  const select = outer.findLast((token) => isWord(token, 'select'));
  if (select !== undefined && /^\s*(FROM|WHERE|LIMIT|OFFSET)\b/i.test(text.slice(select.end))) return undefined;
  if (!isSetOperation && select === undefined) throw millraceError('FEATURE_NOT_SUPPORTED', { feature: 'an audit of VALUES with LIMIT' });
  const from = outer.find(
    (token) => select !== undefined && token.start > select.start && isWord(token, 'from', 'where', 'group', 'having', 'window'),
  );
  const keys: { expression: string; direction: string }[] = [];
  if (order !== undefined) {
    let start = outer[outer.indexOf(order) + 1]!.end;
    for (const token of outer.filter((candidate) => candidate.start >= start && candidate.start <= limit.start)) {
      if (token !== limit && !isSymbol(token, ',')) continue;
      keys.push(keyOf(text.slice(start, token.start).trim()));
      start = token.end;
    }
  }
  return {
    body: text.slice(0, bodyEnd),
    selectListEnd: isSetOperation ? undefined : Math.min(from?.start ?? bodyEnd, bodyEnd),
    keys,
    rest: text.slice(limit.start),
  };
}

function keyOf(key: string): { expression: string; direction: string } {
  const direction = /(?:\s+DESC)?(?:\s+NULLS\s+(?:FIRST|LAST))?$/i.exec(key)![0];
  return { expression: key.slice(0, key.length - direction.length), direction };
}

/** For types alone. */
function binderFor(query: TreeNode, context: PlanContext): ExpressionBinder {
  return new ExpressionBinder(context, { query, relations: new Map(), constants: new Map(), fallbacks: new Map() });
}

/** Always written in front of a column: in ORDER BY a bare name would be the output column of that name. */
const TOP = 'millrace_top';

function tieBroken({ body, selectListEnd, keys, rest }: Clauses, query: TreeNode, context: PlanContext): string {
  const binder = binderFor(query, context);
  const targets = query.nodes('targetList').filter((target) => !target.flag('resjunk'));
  const columns = targets.map((target, i) => ({
    alias: `c${i + 1}`,
    name: ident(target.text('resname') ?? '?column?'),
    type: binder.typeOf(target.node('expr')),
  }));
  const added = selectListEnd === undefined ? [] : keys;
  const inner =
    selectListEnd === undefined
      ? body
      : `${body.slice(0, selectListEnd).trimEnd()}${added.map(({ expression }) => `, ${expression}`).join('')} ${body.slice(selectListEnd)}`;
  const aliases = [...columns.map(({ alias }) => alias), ...added.map((_, i) => `k${i + 1}`)];
  const order = [
    ...keys.map(
      ({ expression, direction }, i) => `${selectListEnd === undefined ? `${TOP}.c${Number(expression)}` : `${TOP}.k${i + 1}`}${direction}`,
    ),
    ...columns.map(({ alias, type }) => {
      const byText = type.storage === 'text' && (type.base ?? type).kind !== 'enum';
      return byText ? `${TOP}.${alias}::text COLLATE "C"` : `${TOP}.${alias}`;
    }),
  ];
  const shown = columns.map(({ alias, name }) => `${TOP}.${alias} AS ${name}`).join(', ');
  return `SELECT ${shown} FROM (${inner.trim()}) AS ${TOP}(${aliases.join(', ')})${order.length === 0 ? '' : ` ORDER BY ${order.join(', ')}`} ${rest}`;
}
