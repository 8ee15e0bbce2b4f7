/**
 * Every form of DDL that a table meets in its life upstream, one function a form. Each returns the statements and the model after them, or nothing where the model has no
 * occasion for it. What of it a reader sees, and what the right answer is then, is not known here: Postgres is asked.
 */
import { ident } from '../../src/base/ident.ts';
import type { Dice } from '../property/random-schema.ts';
import { createTable, looseColumns, published, sqlName, withTable, type Column, type Model, type Table } from './model.ts';
import type { Drawn, UpstreamStep } from './steps.ts';
import { TYPES, valueOf } from './values.ts';

type Form = (dice: Dice, model: Model, table: Table) => Made | undefined;

interface Made {
  readonly sql: readonly string[];
  readonly after?: Model;
  /** Tables beside the drawn one. */
  readonly also?: readonly string[];
}

export interface DrawnDdl extends Drawn {
  readonly step: UpstreamStep;
}

export function drawDdl(dice: Dice, model: Model): DrawnDdl | undefined {
  for (let tries = 0; tries < 8; tries++) {
    const neutral = dice.chance(0.12);
    const [what, form] = dice.pick(Object.entries(neutral ? NEUTRAL : FORMS));
    const ofPartitions = what.startsWith('partition ') ? model.tables.find(({ partitioned }) => partitioned) : undefined;
    const table = ofPartitions ?? dice.pick(model.tables);
    const made = form(dice, model, table);
    if (made === undefined) continue;
    const tables = [table.name, ...(made.also ?? [])];
    const step: UpstreamStep = { do: 'upstream', what, tables, sql: made.sql, ...(neutral ? { neutral } : {}) };
    return { step, after: made.after ?? model };
  }
  return undefined;
}

/** Nothing that a SELECT could see changes, and no row: the table must go on. */
const NEUTRAL: Readonly<Record<string, Form>> = {
  comment: (_, __, table) => ({
    sql: [`COMMENT ON TABLE ${sqlName(table)} IS 'a comment'`, `COMMENT ON COLUMN ${sqlName(table)}.mark IS 'another'`],
  }),
  'create index': (_, model, table) => ({
    sql: [`CREATE INDEX ${table.name}_i${model.serial} ON ${sqlName(table)} (k)`],
    after: { ...model, serial: model.serial + 1 },
  }),
  reindex: (_, __, table) => ({ sql: [`REINDEX TABLE ${sqlName(table)}`] }),
  analyze: (_, __, table) => ({ sql: [`VACUUM ANALYZE ${sqlName(table)}`] }),
  'set default': (dice, _, table) => ({ sql: [`ALTER TABLE ${sqlName(table)} ALTER k SET DEFAULT ${dice.below(5)}`] }),
  'set statistics': (_, __, table) => ({ sql: [`ALTER TABLE ${sqlName(table)} ALTER k SET STATISTICS 50`] }),
  fillfactor: (dice, _, table) =>
    table.partitioned ? undefined : { sql: [`ALTER TABLE ${sqlName(table)} SET (fillfactor = ${50 + dice.below(50)})`] },
  grant: (_, __, table) => ({ sql: [`GRANT SELECT ON ${sqlName(table)} TO PUBLIC`, `REVOKE INSERT ON ${sqlName(table)} FROM PUBLIC`] }),
  'other table': (_, model) => ({
    sql: [`CREATE TABLE public.beside${model.serial} (id int PRIMARY KEY)`, `DROP TABLE public.beside${model.serial}`],
    after: { ...model, serial: model.serial + 1 },
  }),
};

const FORMS: Readonly<Record<string, Form>> = {
  // ── columns ──
  'add column': (dice, model, table) => added(dice, model, table, () => ''),
  'add column, constant default': (dice, model, table) =>
    added(dice, model, table, (column) => ` DEFAULT ${valueOf(dice, column.type, table.canary, model.moods)}`),
  'add column, volatile default': (dice, model, table) => {
    const column = fresh(dice, model, { type: dice.pick(['uuid', 'double precision']) });
    const sql = `ALTER TABLE ${sqlName(table)} ADD COLUMN ${column.name} ${column.type} DEFAULT ${column.type === 'uuid' ? 'gen_random_uuid()' : 'random()'}`;
    return { sql: [sql], after: grown(model, table, column) };
  },
  'drop column': (dice, model, table) => {
    const column = loose(dice, table);
    if (column === undefined) return undefined;
    return { sql: [`ALTER TABLE ${sqlName(table)} DROP COLUMN ${ident(column.name)}`], after: without(model, table, column) };
  },
  'drop column, add the same name': (dice, model, table) => {
    const column = loose(dice, table);
    if (column === undefined) return undefined;
    const again: Column = { name: column.name, type: dice.chance(0.5) ? column.type : dice.pick(TYPES) };
    const name = ident(column.name);
    return {
      sql: atOnce(dice, [
        `ALTER TABLE ${sqlName(table)} DROP COLUMN ${name}`,
        `ALTER TABLE ${sqlName(table)} ADD COLUMN ${name} ${again.type}`,
      ]),
      after: grown(without(model, table, column), table, again),
    };
  },
  'rename column': (dice, model, table) => {
    const column = loose(dice, table);
    if (column === undefined) return undefined;
    const name = `r${model.serial}`;
    return {
      sql: [`ALTER TABLE ${sqlName(table)} RENAME COLUMN ${ident(column.name)} TO ${name}`],
      after: { ...changed(model, table, column, { ...column, name }), serial: model.serial + 1 },
    };
  },
  'swap two names': (dice, model, table) => {
    const [a, b] = pair(dice, table);
    if (a === undefined || b === undefined) return undefined;
    const rename = (from: string, to: string): string => `ALTER TABLE ${sqlName(table)} RENAME COLUMN ${ident(from)} TO ${ident(to)}`;
    const columns = table.columns.map((column) => (column === a ? { ...a, name: b.name } : column === b ? { ...b, name: a.name } : column));
    return {
      sql: atOnce(dice, [rename(a.name, 'swapping'), rename(b.name, a.name), rename('swapping', b.name)]),
      after: withTable(model, { ...table, columns }),
    };
  },
  'wider type': (dice, model, table) => retyped(dice, model, table, WIDER),
  'other modifier': (dice, model, table) => retyped(dice, model, table, MODIFIERS),
  'other type, using': (dice, model, table) => {
    const column = loose(dice, table, ({ type }) => !type.endsWith('[]'));
    if (column === undefined) return undefined;
    const c = ident(column.name);
    const using = column.type === 'text' ? `upper(${c})` : `${c}::text || '${table.canary}'`;
    return {
      sql: [`ALTER TABLE ${sqlName(table)} ALTER ${c} TYPE text USING ${using}`],
      after: changed(model, table, column, { ...column, type: 'text' }),
    };
  },
  'generated column': (dice, model, table) => {
    const column = fresh(dice, model, { type: 'text', generated: true });
    const kind = dice.pick(['STORED', 'VIRTUAL']);
    // A stored one under REPLICA IDENTITY FULL would refuse the application's own UPDATEs.
    if (table.key.length === 0 || table.partitioned) return undefined;
    return {
      sql: [`ALTER TABLE ${sqlName(table)} ADD COLUMN ${column.name} text GENERATED ALWAYS AS (mark || '!') ${kind}`],
      after: grown(model, table, column),
    };
  },
  'generated no more': (dice, model, table) => {
    const column = table.columns.find(({ generated }) => generated === true);
    if (column === undefined) return undefined;
    const { name, type } = column;
    const alter = (how: string): string[] => [`ALTER TABLE ${sqlName(table)} ALTER ${name} ${how}`];
    return dice.chance(0.5)
      ? { sql: alter('DROP EXPRESSION'), after: changed(model, table, column, { name, type }) }
      : { sql: alter(`SET EXPRESSION AS (mark || '?')`) };
  },
  'set not null': (_, __, table) => ({ sql: [`ALTER TABLE ${sqlName(table)} ALTER alt SET NOT NULL`] }),

  // ── types ──
  'enum label added': (dice, model, table) => {
    const label = `m${model.serial}`;
    const where = dice.pick(['', ` BEFORE '${dice.pick(model.moods)}'`, ` AFTER '${dice.pick(model.moods)}'`]);
    return {
      sql: [`ALTER TYPE mood ADD VALUE '${label}'${where}`, ...useOfMood(model, table, label)],
      after: { ...model, moods: [...model.moods, label], serial: model.serial + 1 },
      also: withType(model, 'mood'),
    };
  },
  'enum label renamed': (dice, model) => {
    const label = dice.pick(model.moods.filter((mood) => mood !== 'sad'));
    const name = `m${model.serial}`;
    return {
      sql: [`ALTER TYPE mood RENAME VALUE '${label}' TO '${name}'`],
      after: { ...model, moods: model.moods.map((mood) => (mood === label ? name : mood)), serial: model.serial + 1 },
      also: withType(model, 'mood'),
    };
  },
  'composite attribute': (dice, model) => ({
    sql: [
      dice.chance(0.7)
        ? `ALTER TYPE pair ADD ATTRIBUTE a${model.serial} integer`
        : `ALTER TYPE pair DROP ATTRIBUTE IF EXISTS a${model.serial - 1}`,
    ],
    after: { ...model, serial: model.serial + 1 },
    also: withType(model, 'pair'),
  }),
  domain: (dice, model) => ({
    sql: [
      dice.pick([
        `ALTER DOMAIN short_text ADD CONSTRAINT c${model.serial} CHECK (length(VALUE) < 100)`,
        `ALTER DOMAIN short_text SET DEFAULT 'd'`,
      ]),
    ],
    after: { ...model, serial: model.serial + 1 },
    also: withType(model, 'short_text'),
  }),

  // ── identity ──
  'key moved': (_, model, table) => {
    if (table.key.length === 0 || table.partitioned) return undefined;
    const key = table.key[0] === 'id' ? 'alt' : 'id';
    return {
      sql: [
        'BEGIN',
        `ALTER TABLE ${sqlName(table)} DROP CONSTRAINT ${ident(`${table.name}_key`)}`,
        `ALTER TABLE ${sqlName(table)} ADD CONSTRAINT ${ident(`${table.name}_key`)} PRIMARY KEY (${key})`,
        'COMMIT',
      ],
      after: withTable(model, { ...table, key: [key] }),
    };
  },
  'replica identity': (dice, _, table) => ({
    sql: [
      `ALTER TABLE ${sqlName(table)} REPLICA IDENTITY ${dice.pick(table.key.length === 0 ? ['FULL', 'NOTHING'] : ['FULL', 'DEFAULT', 'NOTHING'])}`,
    ],
  }),
  'identity by another index': (_, model, table) => {
    if (table.partitioned) return undefined;
    const index = `u${model.serial}`;
    return {
      sql: [
        `ALTER TABLE ${sqlName(table)} ALTER alt SET NOT NULL`,
        `CREATE UNIQUE INDEX ${index} ON ${sqlName(table)} (alt)`,
        `ALTER TABLE ${sqlName(table)} REPLICA IDENTITY USING INDEX ${index}`,
      ],
      after: { ...model, serial: model.serial + 1 },
    };
  },

  // ── the table ──
  'table renamed and back': (dice, _, table) => {
    const [away, back] = [
      `ALTER TABLE ${sqlName(table)} RENAME TO away`,
      `ALTER TABLE ${ident(table.schema)}.away RENAME TO ${ident(table.name)}`,
    ];
    return { sql: dice.chance(0.5) ? [away, back] : [away, `UPDATE ${ident(table.schema)}.away SET k = 3`, back] };
  },
  'table replaced by renaming': (dice, model, table) => {
    if (table.partitioned) return undefined;
    const other = `n${model.serial}`;
    const schema = ident(table.schema);
    const made = createTable({ ...table, name: other });
    return {
      sql: [
        ...made,
        ...(dice.chance(0.5)
          ? [`INSERT INTO ${schema}.${other} (id, k, mark) SELECT id, 9, '${table.canary}new' FROM ${sqlName(table)}`]
          : []),
        'BEGIN',
        `ALTER TABLE ${sqlName(table)} RENAME TO o${model.serial}`,
        `ALTER TABLE ${schema}.${other} RENAME TO ${ident(table.name)}`,
        ...(table.key.length === 0
          ? []
          : [
              `ALTER TABLE ${schema}.o${model.serial} RENAME CONSTRAINT ${ident(`${table.name}_key`)} TO o${model.serial}_key`,
              `ALTER TABLE ${sqlName(table)} RENAME CONSTRAINT ${other}_key TO ${ident(`${table.name}_key`)}`,
            ]),
        'COMMIT',
      ],
      after: withTable({ ...model, serial: model.serial + 1 }, withoutGenerated(table)),
    };
  },
  'table dropped and made again': (dice, model, table) => ({
    sql: atOnce(dice, [
      `DROP TABLE ${sqlName(table)}`,
      ...createTable(table),
      `INSERT INTO ${sqlName(table)} (id, k, mark) VALUES (1, 1, '${table.canary}again')`,
    ]),
    after: withTable(model, withoutGenerated(table)),
  }),
  'schema moved': (_, model, table) => {
    if (table.partitioned) return undefined;
    const schema = table.schema === 'public' ? 'other' : 'public';
    return { sql: [`ALTER TABLE ${sqlName(table)} SET SCHEMA ${schema}`], after: withTable(model, { ...table, schema }) };
  },
  'schema moved and back': (_, __, table) => {
    if (table.partitioned || table.schema !== 'public') return undefined;
    return {
      sql: [
        `ALTER TABLE ${sqlName(table)} SET SCHEMA other`,
        `UPDATE other.${ident(table.name)} SET k = 4`,
        `ALTER TABLE other.${ident(table.name)} SET SCHEMA public`,
      ],
    };
  },
  'vacuum full': (_, __, table) => ({ sql: [`VACUUM FULL ${sqlName(table)}`] }),
  cluster: (_, __, table) =>
    table.key.length === 0 || table.partitioned ? undefined : { sql: [`CLUSTER ${sqlName(table)} USING ${ident(`${table.name}_key`)}`] },
  unlogged: (dice, _, table) => {
    if (table.partitioned) return undefined;
    const set = (how: string): string => `ALTER TABLE ${sqlName(table)} SET ${how}`;
    return { sql: [set('UNLOGGED'), `UPDATE ${sqlName(table)} SET k = ${dice.below(6)}`, set('LOGGED')] };
  },
  'row security': (dice, _, table) => ({ sql: [`ALTER TABLE ${sqlName(table)} ${dice.pick(['ENABLE', 'DISABLE'])} ROW LEVEL SECURITY`] }),

  // ── partitions and children ──
  'partition attached': (_, model, table) => {
    if (table.partitioned !== true) return undefined;
    const part = `${table.name}_p${model.serial}`;
    return {
      sql: [
        `ALTER TABLE ${sqlName(table)} DETACH PARTITION ${table.name}_high`,
        `DELETE FROM ${table.name}_high WHERE id > 30`,
        `INSERT INTO ${table.name}_high (id, k, mark) VALUES (${20 + (model.serial % 10)}, 1, '${table.canary}apart')`,
        `ALTER TABLE ${sqlName(table)} ATTACH PARTITION ${table.name}_high FOR VALUES FROM (20) TO (${1000 + model.serial})`,
        `CREATE TABLE ${part} PARTITION OF ${sqlName(table)} FOR VALUES FROM (${1000 + model.serial}) TO (MAXVALUE)`,
        `INSERT INTO ${sqlName(table)} (id, k, mark) VALUES (${1000 + model.serial}, 1, '${table.canary}part')`,
        `DROP TABLE ${part}`,
      ],
      after: { ...model, serial: model.serial + 1 },
    };
  },
  'partition truncated': (dice, _, table) =>
    table.partitioned ? { sql: [`TRUNCATE ${table.name}_${dice.pick(['low', 'high'])}`] } : undefined,
  'child of inheritance': (_, model, table) => {
    if (table.partitioned) return undefined;
    const child = `child${model.serial}`;
    return {
      sql: [
        `CREATE TABLE public.${child} () INHERITS (${sqlName(table)})`,
        `INSERT INTO public.${child} (id, k, mark) VALUES (${500 + model.serial}, 2, '${table.canary}child')`,
        `DROP TABLE public.${child}`,
      ],
      after: { ...model, serial: model.serial + 1 },
    };
  },

  // ── the publication ──
  'taken out of the publication': (dice, model, table) => {
    if (model.publishesAll) return undefined;
    const between = [`UPDATE ${sqlName(table)} SET k = ${dice.below(6)}`];
    return {
      sql: [
        `ALTER PUBLICATION mz_source DROP TABLE ${sqlName(table)}`,
        ...(dice.chance(0.7) ? between : []),
        `ALTER PUBLICATION mz_source ADD TABLE ${sqlName(table)}`,
      ],
    };
  },
  'publication set again': (_, model, table) => {
    if (model.publishesAll) return undefined;
    const rest = model.tables.filter((one) => one.name !== table.name).map(sqlName);
    return {
      sql: [
        `ALTER PUBLICATION mz_source SET TABLE ${rest.join(', ')}`,
        `DELETE FROM ${sqlName(table)} WHERE id % 3 = 0`,
        `ALTER PUBLICATION mz_source SET TABLE ${[...rest, sqlName(table)].join(', ')}`,
      ],
    };
  },
  'publication of inserts for a while': (dice, model, table) => ({
    sql: [
      `ALTER PUBLICATION mz_source SET (publish = 'insert')`,
      `UPDATE ${sqlName(table)} SET k = ${dice.below(6)} WHERE id % 2 = 0`,
      `ALTER PUBLICATION mz_source SET (publish = 'insert, update, delete, truncate')`,
    ],
    also: model.tables.map(({ name }) => name),
  }),
  'publication made again': (dice, model, table) => ({
    sql: [
      'DROP PUBLICATION mz_source',
      ...(dice.chance(0.6) ? [`UPDATE ${sqlName(table)} SET k = ${dice.below(6)}`] : []),
      `CREATE PUBLICATION mz_source ${published(model)}`,
    ],
    also: model.tables.map(({ name }) => name),
  }),
  'row filter for a while': (dice, model, table) => {
    if (model.publishesAll || table.partitioned) return undefined;
    const set = (more: string): string[] => [
      `ALTER PUBLICATION mz_source DROP TABLE ${sqlName(table)}`,
      `ALTER PUBLICATION mz_source ADD TABLE ${sqlName(table)}${more}`,
    ];
    return {
      sql: [
        ...set(' WHERE (id < 5)'),
        `INSERT INTO ${sqlName(table)} (id, k, mark) VALUES (${50 + dice.below(40)}, 1, '${table.canary}unseen') ON CONFLICT DO NOTHING`,
        ...set(''),
      ],
    };
  },
};

/** `FORMS` and `NEUTRAL`: what there is to draw. */
export const FORM_NAMES: readonly string[] = [...Object.keys(FORMS), ...Object.keys(NEUTRAL)];

const WIDER: Readonly<Record<string, string>> = {
  smallint: 'integer',
  integer: 'bigint',
  real: 'double precision',
  'character varying(60)': 'text',
  'character varying': 'text',
  date: 'timestamp',
  timestamp: 'timestamptz',
  json: 'jsonb',
  cidr: 'inet',
  mood: 'text',
  short_text: 'text',
};

const MODIFIERS: Readonly<Record<string, string>> = {
  'numeric(8,2)': 'numeric(9,1)',
  'character varying(60)': 'character varying(90)',
  'character(6)': 'character(8)',
  timestamp: 'timestamp(0)',
  interval: 'interval(1)',
};

function retyped(dice: Dice, model: Model, table: Table, to: Readonly<Record<string, string>>): Made | undefined {
  const column = loose(dice, table, ({ type }) => type in to);
  if (column === undefined) return undefined;
  const type = to[column.type]!;
  return {
    sql: [`ALTER TABLE ${sqlName(table)} ALTER ${ident(column.name)} TYPE ${type}`],
    // Values of the narrower type fit into a wider modifier.
    after: TYPES.includes(type) ? changed(model, table, column, { ...column, type }) : model,
  };
}

function added(dice: Dice, model: Model, table: Table, more: (column: Column) => string): Made {
  const column = fresh(dice, model, {});
  return {
    sql: [`ALTER TABLE ${sqlName(table)} ADD COLUMN ${column.name} ${column.type}${more(column)}`],
    after: grown(model, table, column),
  };
}

function fresh(dice: Dice, model: Model, given: Partial<Column>): Column {
  return { name: `a${model.serial}`, type: dice.pick(TYPES), ...given };
}

function grown(model: Model, table: Table, column: Column): Model {
  const now = model.tables.find(({ name }) => name === table.name)!;
  return { ...withTable(model, { ...now, columns: [...now.columns, column] }), serial: model.serial + 1 };
}

function without(model: Model, table: Table, column: Column): Model {
  return withTable(model, { ...table, columns: table.columns.filter((one) => one !== column) });
}

function withoutGenerated(table: Table): Table {
  return { ...table, columns: table.columns.filter(({ generated }) => generated === undefined) };
}

function changed(model: Model, table: Table, from: Column, to: Column): Model {
  return withTable(model, { ...table, columns: table.columns.map((one) => (one === from ? to : one)) });
}

function loose(dice: Dice, table: Table, fits: (column: Column) => boolean = () => true): Column | undefined {
  const candidates = looseColumns(table).filter((column) => column.generated === undefined && fits(column));
  return candidates.length === 0 ? undefined : dice.pick(candidates);
}

/** Two columns to change names: of one type where there are such, so that nothing but the names tells. */
function pair(dice: Dice, table: Table): [Column | undefined, Column | undefined] {
  const a = loose(dice, table);
  if (a === undefined) return [undefined, undefined];
  const b = loose(dice, table, (column) => column !== a && column.type === a.type) ?? loose(dice, table, (column) => column !== a);
  return [a, b];
}

function withType(model: Model, type: string): string[] {
  return model.tables.filter((table) => table.columns.some((column) => column.type === type)).map(({ name }) => name);
}

function useOfMood(model: Model, table: Table, label: string): string[] {
  const column = table.columns.find(({ type }) => type === 'mood');
  return column === undefined ? [] : [`UPDATE ${sqlName(table)} SET ${ident(column.name)} = '${label}' WHERE id % 4 = ${model.serial % 4}`];
}

function atOnce(dice: Dice, sql: readonly string[]): readonly string[] {
  return dice.chance(0.5) ? ['BEGIN', ...sql, 'COMMIT'] : sql;
}
