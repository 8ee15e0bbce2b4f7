/**
 * Random queries over a random schema: filters, maps, inner and left joins, self-joins, unions, DISTINCT, GROUP BY with FILTER, DISTINCT and HAVING, top-k,
 * subqueries in FROM. Every query is deterministic as a multiset in Postgres, so that the two answers can be compared (top-k carries its tie-break).
 */
import { ident } from '../../src/base/ident.ts';
import type { Dice, Family, RandomTable } from './random-schema.ts';

interface Term {
  readonly sql: string;
  readonly family: Family;
}

interface Relation {
  readonly sql: string;
  readonly terms: readonly Term[];
}

export function randomQuery(dice: Dice, tables: readonly RandomTable[]): string {
  const shape = dice.below(10);
  if (shape < 2) return rowsQuery(dice, tables);
  if (shape < 6) return groupQuery(dice, tables);
  if (shape < 7) return topQuery(dice, tables);
  if (shape < 8) return `SELECT DISTINCT ${outputs(dice, from(dice, tables), 3)}`;
  if (shape < 9) return unionQuery(dice, tables);
  if (dice.chance(0.5)) return hiddenQuery(dice, tables);
  return `SELECT x, count(*) AS n FROM (${groupOf(dice, from(dice, tables), 'x')}) inside GROUP BY x`;
}

function rowsQuery(dice: Dice, tables: readonly RandomTable[]): string {
  const relation = from(dice, tables);
  return `SELECT ${outputs(dice, relation, 4)}`;
}

/** `expressions FROM relation [WHERE …]`. */
function outputs(dice: Dice, relation: Relation, most: number): string {
  const picked = Array.from({ length: 1 + dice.below(most) }, (_, i) => `${expression(dice, relation, 2).sql} AS o${i}`);
  return `${picked.join(', ')} FROM ${relation.sql}${where(dice, relation)}`;
}

function where(dice: Dice, relation: Relation): string {
  return dice.chance(0.6) ? ` WHERE ${condition(dice, relation, 2)}` : '';
}

function from(dice: Dice, tables: readonly RandomTable[]): Relation {
  const relations = 1 + dice.below(3);
  let current = aliased(dice.pick(tables), 'a');
  for (let i = 1; i < relations; i++) {
    const next = aliased(dice.pick(tables), 'abc'[i]!);
    const pair = sameFamily(dice, current, next);
    const on = pair === undefined ? `a.k = ${'abc'[i]!}.k` : joinOn(dice, pair, current, next);
    const more = dice.chance(0.25) ? ` AND ${condition(dice, { sql: '', terms: [...current.terms, ...next.terms] }, 1)}` : '';
    current = {
      sql: `${current.sql} ${dice.chance(0.6) ? 'JOIN' : 'LEFT JOIN'} ${next.sql} ON ${on}${more}`,
      terms: [...current.terms, ...next.terms],
    };
  }
  return current;
}

function aliased(table: RandomTable, alias: string): Relation {
  return {
    sql: `${table.name} ${alias}`,
    terms: table.columns.map((column) => ({ sql: `${alias}.${ident(column.name)}`, family: column.family })),
  };
}

/** The keys as they are, or written in every branch of an OR. */
function joinOn(dice: Dice, [left, right]: readonly [string, string], current: Relation, next: Relation): string {
  const equal = `${left} = ${right}`;
  if (!dice.chance(0.15)) return equal;
  return `((${equal} AND ${condition(dice, current, 0)}) OR (${condition(dice, next, 0)} AND ${equal}))`;
}

function sameFamily(dice: Dice, left: Relation, right: Relation): [string, string] | undefined {
  for (let tries = 0; tries < 4; tries++) {
    const a = dice.pick(left.terms);
    const b = dice.pick(right.terms.filter((term) => term.family === a.family));
    if (b === undefined || ['json', 'float'].includes(a.family)) continue;
    // A computed key is one that may fail, as far as the planner can know.
    if (a.family === 'int' && dice.chance(0.2)) return [`(${a.sql})::bigint + 1`, `(${b.sql})::bigint * 2 - 1`];
    if (a.family === 'text' && dice.chance(0.2)) return [`left(${a.sql}, 1)`, `substring((${b.sql})::text from 1 for 1)`];
    return [a.sql, b.sql];
  }
  return undefined;
}

const GROUPABLE: readonly Family[] = [
  'int',
  'numeric',
  'float',
  'text',
  'date',
  'timestamp',
  'boolean',
  'uuid',
  'enum',
  'interval',
  'json',
  'array',
  'bytea',
];

function groupQuery(dice: Dice, tables: readonly RandomTable[]): string {
  return groupOf(dice, from(dice, tables), undefined);
}

function groupOf(dice: Dice, relation: Relation, onlyName: string | undefined): string {
  const keys =
    onlyName !== undefined
      ? [expression(dice, relation, 1)]
      : Array.from({ length: dice.below(3) }, () => expression(dice, relation, 1)).filter((key) => GROUPABLE.includes(key.family));
  const aggregates = Array.from({ length: 1 + dice.below(4) }, () => aggregate(dice, relation));
  const having = dice.chance(0.25) ? ` HAVING count(*) > ${dice.below(3)}` : '';
  const list = [...keys.map((key, i) => `${key.sql} AS ${onlyName ?? `g${i}`}`), ...aggregates.map((sql, i) => `${sql} AS a${i}`)];
  const by = keys.length === 0 ? '' : ` GROUP BY ${keys.map((_, i) => i + 1).join(', ')}`;
  return `SELECT ${list.join(', ')} FROM ${relation.sql}${where(dice, relation)}${by}${having}`;
}

/** What prints in one way. */
const IN_ORDER: readonly Family[] = ['int', 'numeric', 'text', 'enum', 'boolean'];
const IN_NUMBERS: readonly Family[] = ['int', 'numeric'];

function aggregate(dice: Dice, relation: Relation): string {
  const filter = dice.chance(0.25) ? ` FILTER (WHERE ${condition(dice, relation, 1)})` : '';
  const distinct = dice.chance(0.2) ? 'DISTINCT ' : '';
  if (dice.chance(0.2)) return `count(*)${filter}`;
  const term = dice.pick(relation.terms);
  if (IN_ORDER.includes(term.family) && dice.chance(0.3)) {
    const fn = dice.pick(['array_agg', 'json_agg', 'jsonb_agg', 'string_agg']);
    const text = `(${term.sql})::text`;
    return `${fn}(${fn === 'string_agg' ? `${text}, ','` : term.sql} ORDER BY ${text} COLLATE "C")${filter}`;
  }
  if (term.family === 'int' && dice.chance(0.2)) return `${dice.pick(['bit_and', 'bit_or', 'bit_xor'])}(${distinct}${term.sql})${filter}`;
  if (IN_NUMBERS.includes(term.family) && dice.chance(0.2))
    return `${dice.pick(['stddev', 'stddev_pop', 'variance', 'var_pop'])}(${term.sql})${filter}`;
  switch (term.family) {
    case 'int':
    case 'numeric':
      return `${dice.pick(['sum', 'avg', 'min', 'max', 'count'])}(${distinct}${term.sql})${filter}`;
    case 'float':
      return `${dice.pick(['min', 'max', 'count'])}(${term.sql})${filter}`;
    case 'boolean':
      return `${dice.pick(['bool_and', 'bool_or'])}(${term.sql})${filter}`;
    case 'text':
    case 'date':
    case 'timestamp':
    case 'enum':
      return `${dice.pick(['min', 'max', 'count'])}(${term.sql})${filter}`;
    default:
      return `count(${distinct}${term.sql})${filter}`;
  }
}

/** Columns that are grouped or ordered by and not shown, under DISTINCT, UNION or in a subquery. */
function hiddenQuery(dice: Dice, tables: readonly RandomTable[]): string {
  const branch = (): string => {
    const relation = from(dice, tables);
    const terms = relation.terms.filter(
      ({ family }) => GROUPABLE.includes(family) && !['json', 'array', 'bytea', 'interval', 'float'].includes(family),
    );
    const keys = Array.from({ length: 2 + dice.below(2) }, () => dice.pick(terms).sql);
    const ordered = dice.chance(0.3) ? ` ORDER BY 1` : '';
    return `SELECT DISTINCT ${dice.pick([`count(*)`, `count(*) + 0`])} AS n FROM ${relation.sql}${where(dice, relation)} GROUP BY ${keys.join(', ')}${ordered}`;
  };
  switch (dice.below(3)) {
    case 0:
      return branch();
    case 1:
      return `(${branch()}) UNION ALL (${branch()})`;
    default:
      return `SELECT n, count(*) AS times FROM (${branch()}) inside GROUP BY n`;
  }
}

function topQuery(dice: Dice, tables: readonly RandomTable[]): string {
  const relation = from(dice, tables);
  const orderable = relation.terms.filter((term) => !['json', 'array', 'bytea', 'interval'].includes(term.family));
  const shown = [dice.pick(orderable), dice.pick(orderable)];
  const order = `1 ${dice.pick(['ASC', 'DESC'])} ${dice.pick(['NULLS FIRST', 'NULLS LAST'])}, 2`;
  return `SELECT ${shown.map((term, i) => `${term.sql} AS o${i}`).join(', ')} FROM ${relation.sql}${where(dice, relation)} ORDER BY ${order} LIMIT ${1 + dice.below(6)}${dice.chance(0.3) ? ` OFFSET ${dice.below(3)}` : ''}`;
}

function unionQuery(dice: Dice, tables: readonly RandomTable[]): string {
  const branch = (): string => {
    const relation = from(dice, tables);
    const number = expressionOf(dice, relation, 'int', 1);
    return `SELECT ${number.sql} AS n, ${expressionOf(dice, relation, 'text', 1).sql} AS t FROM ${relation.sql}${where(dice, relation)}`;
  };
  return `${branch()} UNION ${dice.chance(0.6) ? 'ALL ' : ''}${branch()}`;
}

function expression(dice: Dice, relation: Relation, depth: number): Term {
  const term = dice.pick(relation.terms);
  if (depth === 0 || dice.chance(0.4)) return term;
  return expressionOf(dice, relation, term.family, depth);
}

/** Only what cannot fail for the values at hand: errors have their own tests, and Postgres may or may not meet one, depending on its plan. */
function expressionOf(dice: Dice, relation: Relation, family: Family, depth: number): Term {
  const candidates = relation.terms.filter((term) => term.family === family);
  const leaf: Term = candidates.length > 0 ? dice.pick(candidates) : { sql: CONSTANTS[family], family };
  if (depth === 0) return leaf;
  const again = (): string => expressionOf(dice, relation, family, depth - 1).sql;
  const choices: (() => string)[] = [
    () => leaf.sql,
    () => `coalesce(${leaf.sql}, ${CONSTANTS[family]})`,
    () => `CASE WHEN ${condition(dice, relation, 0)} THEN ${again()} ELSE ${again()} END`,
    () => `nullif(${leaf.sql}, ${CONSTANTS[family]})`,
  ];
  if (family === 'json') choices.pop();
  switch (family) {
    case 'int':
      choices.push(
        () => `(${again()})::bigint + 1`,
        () => `(${again()})::bigint * 3 - 2`,
        () => `abs((${again()})::bigint)`,
        () => `(${again()})::bigint % 7`,
        () => `length(${expressionOf(dice, relation, 'text', 0).sql})`,
        () => `extract(year FROM ${dateLeaf(dice, relation)})::int`,
      );
      break;
    case 'numeric':
      choices.push(
        () => `(${again()}) + 1.50`,
        () => `(${again()}) * 2.5`,
        () => `round(${again()}, 2)`,
        () => `abs(${again()})`,
        () => `-(${again()})`,
        () => `(${expressionOf(dice, relation, 'int', 0).sql})::numeric / 3`,
      );
      break;
    case 'text':
      choices.push(
        () => `(${again()}) || '!'`,
        () => `left(${again()}, 3)`,
        () => `substring((${again()})::text from 2 for 3)`,
        () => `(${expressionOf(dice, relation, 'int', 0).sql})::text`,
        () => `replace(${again()}, 'a', 'bb')`,
        () => `trim(${again()})`,
        () => `md5(${again()})`,
      );
      break;
    case 'date':
      choices.push(() => `date_trunc('month', ${dateLeaf(dice, relation)})::date`);
      break;
    case 'boolean':
      choices.push(() => `(${condition(dice, relation, 1)})`);
      break;
    default:
      break;
  }
  return { sql: dice.pick(choices)(), family };
}

function dateLeaf(dice: Dice, relation: Relation): string {
  const dates = relation.terms.filter((term) => term.family === 'date');
  const column = dates.length > 0 ? dice.pick(dates).sql : CONSTANTS.date;
  // Infinity has no year before 18 and no month anywhere.
  return `CASE WHEN isfinite(${column}) THEN ${column} END`;
}

const CONSTANTS: Readonly<Record<Family, string>> = {
  int: '1',
  numeric: '1.0',
  float: '1.5::float8',
  text: `'a'`,
  date: `date '2024-02-29'`,
  timestamp: `timestamp '2024-02-29 12:34:56.789'`,
  boolean: 'true',
  uuid: `'11111111-2222-3333-4444-555555555555'::uuid`,
  enum: `'ok'::mood`,
  interval: `interval '30 days'`,
  json: `'[]'::jsonb`,
  array: `'{1,2,3}'::int[]`,
  bytea: `'\\x00ff'::bytea`,
};

function condition(dice: Dice, relation: Relation, depth: number): string {
  if (depth > 0 && dice.chance(0.3))
    return `(${condition(dice, relation, depth - 1)} ${dice.pick(['AND', 'OR'])} ${condition(dice, relation, depth - 1)})`;
  if (depth > 0 && dice.chance(0.1)) return `NOT (${condition(dice, relation, depth - 1)})`;
  const term = dice.pick(relation.terms);
  if (dice.chance(0.15)) return `${term.sql} IS ${dice.pick(['NULL', 'NOT NULL'])}`;
  if (term.family === 'boolean') return dice.pick([term.sql, `${term.sql} IS NOT TRUE`]);
  if (term.family === 'json') return `${term.sql} IS NOT NULL`;
  if (term.family === 'text' && dice.chance(0.3)) return `${term.sql} LIKE ${dice.pick([`'a%'`, `'%a%'`, `'_'`, `'%'`])}`;
  if (dice.chance(0.2)) return `${term.sql} IN (${CONSTANTS[term.family]}, ${term.sql})`;
  const other = relation.terms.filter((candidate) => candidate.family === term.family);
  const right = dice.chance(0.5) ? CONSTANTS[term.family] : dice.pick(other).sql;
  const operator = dice.pick(['=', '<>', '<', '>=', 'IS DISTINCT FROM']);
  return `${term.sql} ${operator} ${right}`;
}
