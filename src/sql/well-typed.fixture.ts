/** Random queries that Postgres accepts: expressions by type over the columns in scope, drawn from a list of choices (so that a failure shrinks). */

type Kind = 'int' | 'numeric' | 'text' | 'bool' | 'date' | 'mood';

interface ColumnInScope {
  readonly sql: string;
  readonly kind: Kind;
}

export const RANDOM_DDL = `
  CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
  CREATE TABLE t (id integer PRIMARY KEY, big bigint, price numeric(8,2), label text, day date, feeling mood, flag boolean);
  CREATE TABLE u (id bigint NOT NULL, t_id integer, amount numeric, label varchar(10), other text, flag boolean);
  CREATE VIEW w AS SELECT t.id, u.amount AS price, u.label::text AS label, t.flag FROM t JOIN u ON u.t_id = t.id WHERE u.amount IS NOT NULL
`;

export const RANDOM_ROWS = {
  t: [
    ['1', '10', '1.50', 'ä', '2024-01-01', 'ok', 't'],
    ['2', '10', '1.5', 'b', '2024-02-29', 'sad', 'f'],
    ['3', null, '2.00', null, null, 'happy', null],
    ['4', '9007199254740993', null, 'b', '2023-12-31', null, 't'],
    ['5', '-3', '0.00', '', '2024-01-01', 'ok', 'f'],
  ],
  u: [
    ['1', '1', '1.50', 'b', 'x', 't'],
    ['1', '1', '1.500', 'b', 'x', 't'],
    ['1', '1', '1.50', 'b', 'x', 't'],
    ['2', '2', '0', 'ä', null, null],
    ['3', null, '2', null, 'y', 'f'],
    ['10', '4', null, 'b', 'b', 'f'],
    ['5', '9', '-1', '', 'x', 't'],
  ],
} as const;

const RELATIONS: readonly { readonly name: string; readonly columns: readonly (readonly [string, Kind])[] }[] = [
  {
    name: 't',
    columns: [
      ['id', 'int'],
      ['big', 'int'],
      ['price', 'numeric'],
      ['label', 'text'],
      ['day', 'date'],
      ['feeling', 'mood'],
      ['flag', 'bool'],
    ],
  },
  {
    name: 'u',
    columns: [
      ['id', 'int'],
      ['t_id', 'int'],
      ['amount', 'numeric'],
      ['label', 'text'],
      ['other', 'text'],
      ['flag', 'bool'],
    ],
  },
  {
    name: 'w',
    columns: [
      ['id', 'int'],
      ['price', 'numeric'],
      ['label', 'text'],
      ['flag', 'bool'],
    ],
  },
];

const KINDS: readonly Kind[] = ['int', 'numeric', 'text', 'bool', 'date', 'mood'];

/** Postgres takes a number for a position, and refuses any other constant, in GROUP BY. */
const BARE_CONSTANT = /^\(*(?:'(?:[^']|'')*'|-?[\d.]+|NULL|true|false)\)*$/;

export class QueryWriter {
  readonly #choices: readonly number[];
  #at = 0;
  #aliases = 0;
  /** CTEs of the query: read anywhere, as tables are. */
  readonly #common: { readonly name: string; readonly columns: readonly (readonly [string, Kind])[] }[] = [];

  constructor(choices: readonly number[]) {
    this.#choices = choices;
  }

  /** With CTEs in front, which are read once, twice or not at all. */
  statement(): string {
    const common: string[] = [];
    for (let more = this.#pick(3); more > 0; more--) {
      const name = `q${more}`;
      const { sql, columns } = this.query(1);
      common.push(`${name} AS (${sql})`);
      this.#common.push({ name, columns: columns.map((kind, i) => [`c${i + 1}`, kind]) });
    }
    return `${common.length === 0 ? '' : `WITH ${common.join(', ')} `}${this.query().sql}`;
  }

  query(depth = 2): { sql: string; columns: readonly Kind[] } {
    const { sql, columns } = this.#select(depth, undefined);
    if (!this.#chance(6)) return { sql, columns };
    const other = this.#select(depth - 1, columns).sql;
    return { sql: `(${sql}) ${this.#one(['UNION ALL', 'UNION'])} (${other})`, columns };
  }

  #select(depth: number, wanted: readonly Kind[] | undefined): { sql: string; columns: readonly Kind[] } {
    const { from, scope } = this.#from(depth);
    const where = this.#chance(2) ? ` WHERE ${this.#bool(scope, 2)}` : '';
    if (this.#chance(3)) return this.#grouped(from + where, scope, wanted);
    const kinds = wanted ?? Array.from({ length: 1 + this.#pick(3) }, () => this.#one(KINDS));
    const list = kinds.map((kind, i) => `${this.#expression(kind, scope, 2)} AS c${i + 1}`);
    const distinct = this.#chance(5) ? 'DISTINCT ' : '';
    return {
      sql: `SELECT ${distinct}${list.join(', ')} FROM ${from}${where}${this.#limit(scope, distinct !== '', kinds.length)}`,
      columns: kinds,
    };
  }

  #grouped(rest: string, scope: readonly ColumnInScope[], wanted: readonly Kind[] | undefined): { sql: string; columns: readonly Kind[] } {
    const keys = Array.from({ length: this.#pick(3) }, () => {
      const kind = this.#one(KINDS);
      return { kind, sql: `(${this.#expression(kind, scope, 1)})` };
    });
    const inside: ColumnInScope[] = keys.filter(({ sql }) => !/^\('|^\(\d|^\(NULL/.test(sql));
    const written = keys.filter(({ sql }) => !BARE_CONSTANT.test(sql));
    for (let i = 0; i <= this.#pick(3); i++) inside.push(this.#aggregate(scope));
    const kinds = wanted ?? Array.from({ length: 1 + this.#pick(3) }, () => this.#one(inside).kind);
    const list = kinds.map((kind, i) => `${this.#expression(kind, inside, 1)} AS c${i + 1}`);
    const by = written.length === 0 ? '' : ` GROUP BY ${written.map(({ sql }) => sql).join(', ')}`;
    const having = this.#chance(4) ? ` HAVING ${this.#bool(inside, 1)}` : '';
    // What is grouped by and not shown is a hidden column.
    const distinct = this.#chance(3) ? 'DISTINCT ' : '';
    return { sql: `SELECT ${distinct}${list.join(', ')} FROM ${rest}${by}${having}`, columns: kinds };
  }

  #aggregate(scope: readonly ColumnInScope[]): ColumnInScope {
    const distinct = this.#chance(4) ? 'DISTINCT ' : '';
    const filter = this.#chance(4) ? ` FILTER (WHERE ${this.#bool(scope, 1)})` : '';
    switch (this.#pick(9)) {
      case 5:
        return { kind: 'text', sql: `(${this.#sequence(scope)}${filter})::text` };
      case 6:
        return {
          kind: 'int',
          sql: `${this.#one(['bit_and', 'bit_or', 'bit_xor'])}(${distinct}${this.#expression('int', scope, 1)})${filter}`,
        };
      case 7: {
        const fn = this.#one(['variance', 'var_pop', 'stddev', 'stddev_pop']);
        return { kind: 'numeric', sql: `${fn}(${distinct}${this.#expression(this.#one(['int', 'numeric']), scope, 1)})${filter}` };
      }
      case 8: {
        const kind = this.#one(['int', 'numeric', 'text', 'date', 'mood'] as const);
        const fn = this.#one(['mode()', 'percentile_disc(0.3)', 'percentile_disc(1)']);
        return { kind, sql: `${fn} WITHIN GROUP (ORDER BY ${this.#expression(kind, scope, 1)}${this.#one(['', ' DESC'])})${filter}` };
      }
      case 0:
        return { kind: 'int', sql: `count(*)${filter}` };
      case 1:
        return { kind: 'int', sql: `count(${distinct}${this.#expression(this.#one(KINDS), scope, 1)})${filter}` };
      case 2:
        return { kind: 'numeric', sql: `sum(${distinct}${this.#expression('numeric', scope, 1)})${filter}` };
      case 3: {
        const kind = this.#one(['int', 'numeric', 'text', 'date', 'mood'] as const);
        return { kind, sql: `${this.#one(['min', 'max'])}(${this.#expression(kind, scope, 1)})${filter}` };
      }
      default:
        return { kind: 'bool', sql: `${this.#one(['bool_and', 'bool_or'])}(${this.#bool(scope, 1)})${filter}` };
    }
  }

  /** One whose rows have an order, as text. */
  #sequence(scope: readonly ColumnInScope[]): string {
    const any = (): string => this.#expression(this.#one(KINDS), scope, 1);
    const order = this.#chance(2) ? ` ORDER BY ${any()}${this.#one(['', ' DESC', ' NULLS FIRST'])}` : '';
    switch (this.#pick(6)) {
      case 0:
        return `string_agg(${this.#expression('text', scope, 1)}, ${this.#one([`','`, `' - '`, this.#expression('text', scope, 1)])}${order})`;
      case 1:
        return `string_agg(DISTINCT ${this.#expression('text', scope, 1)}, ', ')`;
      case 2:
        return `array_agg(${any()}${order})`;
      case 3:
        return `${this.#one(['json_agg', 'jsonb_agg'])}(${any()}${order})`;
      case 4:
        return `array_agg(DISTINCT ${this.#expression(this.#one(['int', 'text', 'date', 'mood'] as const), scope, 1)})`;
      default:
        return `${this.#one(['json_object_agg', 'jsonb_object_agg'])}(coalesce(${this.#expression('text', scope, 1)}, 'none'), ${any()}${order})`;
    }
  }

  #from(depth: number): { from: string; scope: ColumnInScope[] } {
    let { from, scope } = this.#item(depth);
    for (let more = this.#pick(3); more > 0; more--) {
      const next = this.#item(depth - 1);
      const both = [...scope, ...next.scope];
      const join = this.#one(['JOIN', 'LEFT JOIN', 'RIGHT JOIN', ',']);
      if (join === ',') from = `(${from} CROSS JOIN ${next.from})`;
      else from = `(${from} ${join} ${next.from} ON ${this.#chance(4) ? this.#bool(both, 1) : this.#keys(scope, next.scope)})`;
      scope = both;
    }
    return { from, scope };
  }

  #keys(left: readonly ColumnInScope[], right: readonly ColumnInScope[]): string {
    const pairs = left.flatMap((a) => right.filter((b) => a.kind === b.kind).map((b) => [a, b] as const));
    if (pairs.length === 0) return 'true';
    const key = (): string => {
      const [a, b] = this.#one(pairs);
      return `${this.#computed(a)} = ${this.#computed(b)}`;
    };
    if (this.#chance(6)) {
      const common = key();
      const branch = (scope: readonly ColumnInScope[]): string =>
        this.#one([`(${common} AND ${this.#bool(scope, 1)})`, `(${this.#bool(scope, 1)} AND ${common})`, common]);
      return `(${branch(left)} OR ${branch(right)})`;
    }
    return this.#chance(5) ? `${key()} AND ${key()}` : key();
  }

  /** A key as people write them: the column, or something made of it, which may fail. */
  #computed({ sql, kind }: ColumnInScope): string {
    if (!this.#chance(3)) return sql;
    if (kind === 'int') return this.#one([`(${sql} + 1)`, `(${sql} % 3)`, `(7 / ${sql})`]);
    if (kind === 'numeric') return `(${sql} * 2)`;
    if (kind === 'date') return `(${sql} + 1)`;
    return kind === 'text' ? this.#one([`btrim(${sql})`, `(${sql} || '')`]) : sql;
  }

  #item(depth: number): { from: string; scope: ColumnInScope[] } {
    const alias = `x${++this.#aliases}`;
    if (depth > 0 && this.#chance(4)) {
      const { sql, columns } = this.query(depth - 1);
      return { from: `(${sql}) AS ${alias}`, scope: columns.map((kind, i) => ({ sql: `${alias}.c${i + 1}`, kind })) };
    }
    const { name, columns } = this.#common.length > 0 && this.#chance(2) ? this.#one(this.#common) : this.#one(RELATIONS);
    return { from: `${name} AS ${alias}`, scope: columns.map(([column, kind]) => ({ sql: `${alias}.${column}`, kind })) };
  }

  #limit(scope: readonly ColumnInScope[], distinct: boolean, width: number): string {
    if (!this.#chance(5)) return '';
    const kind = this.#one(KINDS);
    const key = distinct ? String(1 + this.#pick(width)) : this.#expression(kind, scope, 1);
    const order =
      /^('|\d+\.|NULL|-|date|true|false)/.test(key) || (!distinct && /^\d/.test(key))
        ? ''
        : ` ORDER BY ${key}${this.#one(['', ' DESC', ' NULLS FIRST'])}`;
    return `${order} ${this.#one(['LIMIT 3', 'LIMIT 2 OFFSET 1', 'OFFSET 2'])}`;
  }

  /** FROM and WHERE of a subquery, with its own columns; correlated by up to two equalities. */
  #inner(around: readonly ColumnInScope[]): { rest: string; scope: ColumnInScope[] } {
    const { from, scope } = this.#item(0);
    const outer = around.filter(({ sql }) => /^\(?\w+\.\w+\)?$/.test(sql));
    const pairs = scope.flatMap((a) => outer.filter((b) => a.kind === b.kind).map((b) => `${a.sql} = ${b.sql}`));
    const conditions = Array.from({ length: pairs.length === 0 ? 0 : this.#pick(3) }, () => this.#one(pairs));
    if (this.#chance(3)) conditions.push(this.#bool(scope, 1));
    return { rest: ` FROM ${from}${conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`}`, scope };
  }

  #membership(outer: readonly ColumnInScope[]): string {
    const { rest, scope } = this.#inner(outer);
    if (this.#chance(2)) return `(${this.#one(['', 'NOT '])}EXISTS (SELECT${rest}))`;
    const { sql, kind } = this.#one(scope);
    const limit = this.#chance(8) ? ` ORDER BY ${scope.map((column) => column.sql).join(', ')} LIMIT 2` : '';
    return `(${this.#expression(kind, outer, 0)} ${this.#one(['IN', 'NOT IN'])} (SELECT ${sql}${rest}${limit}))`;
  }

  #scalar(kind: Kind, outer: readonly ColumnInScope[]): string {
    const { rest, scope } = this.#inner(outer);
    const columns = scope.filter((column) => column.kind === kind);
    if (kind === 'int' && this.#chance(2)) return `(SELECT count(*)${rest})`;
    if (columns.length === 0) return this.#expression(kind, outer, 0);
    const { sql } = this.#one(columns);
    if (this.#chance(4)) return `(SELECT ${sql}${rest})`;
    if (this.#chance(4)) return `(SELECT ${sql}${rest} ORDER BY ${sql}, ${scope.map((column) => column.sql).join(', ')} LIMIT 1)`;
    return `(SELECT ${kind === 'bool' ? 'bool_or' : this.#one(['min', 'max'])}(${sql})${rest})`;
  }

  #expression(kind: Kind, scope: readonly ColumnInScope[], depth: number): string {
    if (depth > 0 && this.#chance(8)) return this.#scalar(kind, scope);
    const columns = scope.filter((column) => column.kind === kind);
    if (columns.length > 0 && (depth === 0 || this.#chance(2))) return this.#one(columns).sql;
    const sub = (of: Kind): string => this.#expression(of, scope, depth - 1);
    if (depth > 0 && this.#chance(4)) return `CASE WHEN ${this.#bool(scope, depth - 1)} THEN ${sub(kind)} ELSE ${sub(kind)} END`;
    if (depth > 0 && this.#chance(5)) return `coalesce(${sub(kind)}, ${sub(kind)})`;
    switch (kind) {
      case 'int':
        if (depth === 0) return this.#one(['1', '2', '10', 'NULL::integer']);
        return this.#one([
          () => `(${sub('int')} + ${this.#one(['1', '2'])})`,
          () => `length(${sub('text')})`,
          () => `(${sub('int')} % 3)`,
          () => `(7 / ${sub('int')})`,
        ])();
      case 'numeric':
        if (depth === 0) return this.#one(['1.5', '2.00', 'NULL::numeric', '0.0']);
        return this.#one([
          () => `(${sub('numeric')} + ${sub('numeric')})`,
          () => `(${sub('numeric')} * 2)`,
          () => `round(${sub('numeric')})`,
        ])();
      case 'text':
        if (depth === 0) return this.#one([`'b'::text`, `'x'::text`, `NULL::text`, `''::text`]);
        return this.#one([
          () => `(${sub('text')} || ${sub('text')})`,
          () => `btrim(${sub('text')})`,
          () => `substr(${sub('text')}, 1, 1)`,
          () => `(${sub('int')})::text`,
        ])();
      case 'date':
        return depth === 0 ? this.#one([`date '2024-01-01'`, `NULL::date`]) : `(${sub('date')} + ${this.#one(['1', '30'])})`;
      case 'mood':
        return depth === 0
          ? this.#one([`'ok'::mood`, `NULL::mood`])
          : this.#one([() => `greatest(${sub('mood')}, 'ok'::mood)`, () => `nullif(${sub('mood')}, 'ok'::mood)`])();
      case 'bool':
        return this.#bool(scope, depth);
    }
  }

  #bool(scope: readonly ColumnInScope[], depth: number): string {
    const columns = scope.filter(({ kind }) => kind === 'bool');
    if (depth <= 0) return columns.length > 0 && this.#chance(2) ? this.#one(columns).sql : this.#one(['true', 'false', 'NULL::boolean']);
    const kind = this.#one(KINDS);
    const sub = (): string => `(${this.#expression(kind, scope, depth - 1)})`;
    switch (this.#pick(8)) {
      case 7:
        return this.#membership(scope);
      case 0:
        return `(${this.#bool(scope, depth - 1)} ${this.#one(['AND', 'OR'])} ${this.#bool(scope, depth - 1)})`;
      case 1:
        return `(NOT ${this.#bool(scope, depth - 1)})`;
      case 2:
        return `(${sub()} IS ${this.#one(['', 'NOT '])}NULL)`;
      case 3:
        return `(${sub()} IS DISTINCT FROM ${sub()})`;
      case 4:
        return `(${this.#expression('int', scope, depth - 1)} IN (1, 2, ${this.#one(['3', 'NULL'])}))`;
      default:
        return `(${sub()} ${this.#one(['=', '<>', '<', '>='])} ${sub()})`;
    }
  }

  /** 0 … below − 1. */
  #pick(below: number): number {
    const choice = this.#choices[this.#at++ % this.#choices.length] ?? 0;
    return choice % below;
  }

  #chance(oneIn: number): boolean {
    return this.#pick(oneIn) === oneIn - 1;
  }

  #one<T>(items: readonly T[]): T {
    return items[this.#pick(items.length)]!;
  }
}
