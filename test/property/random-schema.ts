/**
 * Random schemas, rows and transactions for the property run. Everything comes from one seeded generator, so that a failure is replayed by its seed.
 */
import { ident, literal } from '../../src/base/ident.ts';

export class Dice {
  readonly #next: () => number;

  constructor(next: () => number) {
    this.#next = next;
  }

  below(limit: number): number {
    return Math.floor(this.#next() * limit);
  }

  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

export interface RandomColumn {
  readonly name: string;
  readonly type: string;
  readonly family: Family;
  readonly nullable: boolean;
}

export type Family =
  | 'int'
  | 'numeric'
  | 'float'
  | 'text'
  | 'date'
  | 'timestamp'
  | 'boolean'
  | 'uuid'
  | 'enum'
  | 'interval'
  | 'json'
  | 'array'
  | 'bytea';

export interface RandomTable {
  readonly name: string;
  /** Stands in every row of this table and nowhere else: what of it another session receives is a leak. */
  readonly canary: string;
  readonly columns: readonly RandomColumn[];
  /** Names; empty: REPLICA IDENTITY FULL and no key. */
  readonly key: readonly string[];
}

/** Small domains, so that joins meet and groups collide; edges among them. */
const VALUES: Readonly<Record<Family, readonly string[]>> = {
  int: ['0', '1', '2', '3', '-1', '7', '100', '32767', '-32768'],
  numeric: ['0', '0.0', '1', '1.0', '1.00', '-2.5', '99.99', '0.001', '12345678901234567890.5', 'NaN', '1e10'],
  float: ['0', '-0', '1.5', '0.1', '1e300', '-1e-300', 'NaN', 'Infinity', '-Infinity', '3'],
  text: [
    '',
    'a',
    'A',
    'b',
    'ä',
    'Z',
    'zz',
    'straße',
    'naïve',
    'a b',
    "it's",
    'tab\there',
    '日本',
    '😀',
    'x'.repeat(13),
    'long '.repeat(30),
    'back\\slash',
    'a-b',
    'ab',
  ],
  date: ['2024-02-29', '1999-12-31', '2000-01-01', '0044-03-15 BC', 'infinity', '-infinity', '2024-03-01', '12000-01-01'],
  timestamp: [
    '2024-02-29 12:34:56.789',
    '1999-12-31 23:59:59.999999',
    '2000-01-01',
    'infinity',
    '2024-03-31 01:30:00',
    '0044-03-15 10:00:00 BC',
  ],
  boolean: ['true', 'false'],
  uuid: ['00000000-0000-0000-0000-000000000000', '11111111-2222-3333-4444-555555555555', 'ffffffff-ffff-ffff-ffff-ffffffffffff'],
  enum: ['sad', 'ok', 'happy'],
  interval: ['1 mon', '30 days', '720:00:00', '1 year 2 mons -3 days 04:05:06.7', '-1 day', '0'],
  json: ['{"a": 1, "b": [1, 2]}', '[]', '"text"', '{"a": 1.0}', 'null', '{"nested": {"deep": true}}'],
  array: ['{}', '{1,2,3}', '{NULL,1}', '{3,2,1}'],
  bytea: ['\\x', '\\x00ff', '\\xdeadbeef'],
};

const TYPES: readonly { readonly type: string; readonly family: Family }[] = [
  { type: 'smallint', family: 'int' },
  { type: 'integer', family: 'int' },
  { type: 'bigint', family: 'int' },
  { type: 'numeric', family: 'numeric' },
  { type: 'numeric(30,4)', family: 'numeric' },
  { type: 'real', family: 'float' },
  { type: 'double precision', family: 'float' },
  { type: 'text', family: 'text' },
  { type: 'varchar(200)', family: 'text' },
  { type: 'character(6)', family: 'text' },
  { type: 'date', family: 'date' },
  { type: 'timestamp', family: 'timestamp' },
  { type: 'timestamptz', family: 'timestamp' },
  { type: 'boolean', family: 'boolean' },
  { type: 'uuid', family: 'uuid' },
  { type: 'mood', family: 'enum' },
  { type: 'interval', family: 'interval' },
  { type: 'jsonb', family: 'json' },
  { type: 'integer[]', family: 'array' },
  { type: 'bytea', family: 'bytea' },
];

/** Around the sizes of buffers and pages. */
const LENGTHS = [1_023, 1_024, 1_025, 8_191, 8_192, 8_193, 70_000];
const COLUMNS_MANY = 300;

export function valueFor(dice: Dice, column: RandomColumn, canary: string): string {
  if (column.name === 'mark') return literal(canary);
  if (column.nullable && dice.chance(0.15)) return 'NULL';
  if (['text', 'bytea', 'jsonb'].includes(column.type) && dice.chance(0.03)) return longValue(dice, column.type, canary);
  let text = dice.pick(VALUES[column.family]);
  if (column.type === 'character(6)') text = [...text].slice(0, 6).join('');
  if (column.type === 'numeric(30,4)' && text === '1e10') text = '10000000000';
  if (column.type === 'real' && (text === '1e300' || text === '-1e-300')) text = '1e30';
  return `${literal(text)}::${column.type}`;
}

function longValue(dice: Dice, type: string, canary: string): string {
  const piece = dice.chance(0.3) ? `${canary}é日😀` : canary;
  const length = dice.pick(LENGTHS);
  const text = `left(repeat(${literal(piece)}, ${Math.ceil(length / piece.length)}), ${length})`;
  return type === 'text' ? text : type === 'bytea' ? `convert_to(${text}, 'UTF8')` : `to_jsonb(${text})`;
}

export function randomSchema(dice: Dice): RandomTable[] {
  return Array.from({ length: 2 + dice.below(2) }, (_, t) => {
    const canary = `~t${t}~`;
    const count = dice.chance(0.05) ? COLUMNS_MANY - 4 : 3 + dice.below(4);
    const columns: RandomColumn[] = Array.from({ length: count }, (_, c) => ({
      ...dice.pick(TYPES),
      name: c === 1 && dice.chance(0.2) ? `Odd "name" ${c}` : `c${c}`,
      nullable: dice.chance(0.6),
    }));
    // A column of every table that joins will meet on.
    columns.push({ name: 'k', type: 'integer', family: 'int', nullable: true });
    columns.push({ name: 'mark', type: 'text', family: 'text', nullable: false });
    if (dice.chance(0.25)) return { name: `t${t}`, canary, columns, key: [] };
    const id: RandomColumn = dice.chance(0.5)
      ? { name: 'id', type: 'integer', family: 'int', nullable: false }
      : { name: 'id', type: 'text', family: 'text', nullable: false };
    return { name: `t${t}`, canary, columns: [id, ...columns], key: dice.chance(0.3) ? ['id', 'part'] : ['id'] };
  }).map((table) =>
    table.key.includes('part')
      ? { ...table, columns: [{ name: 'part', type: 'smallint', family: 'int' as const, nullable: false }, ...table.columns] }
      : table,
  );
}

export function createTables(tables: readonly RandomTable[]): string {
  const statements = [`CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')`];
  for (const table of tables) {
    const columns = table.columns.map((column) => `${ident(column.name)} ${column.type}${column.nullable ? '' : ' NOT NULL'}`);
    if (table.key.length > 0) columns.push(`PRIMARY KEY (${table.key.map(ident).join(', ')})`);
    statements.push(`CREATE TABLE ${table.name} (${columns.join(', ')})`);
    if (table.key.length === 0) statements.push(`ALTER TABLE ${table.name} REPLICA IDENTITY FULL`);
  }
  statements.push(`CREATE PUBLICATION mz_source FOR TABLE ${tables.map((table) => table.name).join(', ')}`);
  return statements.join(';\n');
}

/** One transaction: inserts (a key that is taken is skipped), updates (keys among them), deletes, now and then a TRUNCATE; some roll back. */
export function randomTransaction(dice: Dice, tables: readonly RandomTable[], size: number): string[] {
  const statements = ['BEGIN'];
  for (let i = 0; i < size; i++) {
    const table = dice.pick(tables);
    const where = `ctid IN (SELECT ctid FROM ${table.name} OFFSET ${dice.below(8)} LIMIT ${1 + dice.below(3)})`;
    const what = dice.below(100);
    if (what < 55) {
      const values = Array.from(
        { length: 1 + dice.below(4) },
        () => `(${table.columns.map((column) => keyed(dice, table, column)).join(', ')})`,
      );
      statements.push(`INSERT INTO ${table.name} VALUES ${values.join(', ')} ON CONFLICT DO NOTHING`);
    } else if (what < 80) {
      const plain = table.columns.filter((column) => !table.key.includes(column.name) && column.name !== 'mark');
      const column = dice.pick(plain);
      statements.push(`UPDATE ${table.name} SET ${ident(column.name)} = ${valueFor(dice, column, table.canary)} WHERE ${where}`);
    } else if (what < 85 && table.key.length > 0) {
      const column = table.columns.find((candidate) => candidate.name === 'id')!;
      const fresh = column.family === 'int' ? `${1000 + dice.below(1_000_000)}` : `'moved ${dice.below(1_000_000)}'`;
      statements.push(
        `UPDATE ${table.name} SET id = ${fresh} WHERE ctid IN (SELECT ctid FROM ${table.name} OFFSET ${dice.below(5)} LIMIT 1) AND NOT EXISTS (SELECT 1 FROM ${table.name} other WHERE other.id = ${fresh})`,
      );
    } else if (what < 98) statements.push(`DELETE FROM ${table.name} WHERE ${where}`);
    else statements.push(`TRUNCATE ${table.name}`);
  }
  statements.push(dice.chance(0.1) ? 'ROLLBACK' : 'COMMIT');
  return statements;
}

function keyed(dice: Dice, table: RandomTable, column: RandomColumn): string {
  if (!table.key.includes(column.name)) return valueFor(dice, column, table.canary);
  return column.family === 'int' ? String(dice.below(40)) : literal(`${dice.pick(VALUES.text).trim()}${dice.below(12)}`);
}
