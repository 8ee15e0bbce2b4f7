/**
 * The upstream: a few tables as plain rows after every commit, and the messages that tell of it. What every client of the engine must have seen is computed from here
 * by the naive evaluation (`naive.ts`), which shares nothing with the engine.
 */
import { naive } from '../../src/dataflow/testing/naive.ts';
import { TABLES } from '../../src/dataflow/testing/random-changes.ts';
import type { Row } from '../../src/dataflow/testing/rows.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { objectsRead } from '../../src/plan/scans.ts';
import { begin, commit, insert, relation, remove, truncate, update, type Value } from '../../src/store/testing/stream.ts';
import type { UpstreamTable } from '../../src/upstream/table.ts';
import type { Dice } from './dice.ts';

/** Rows of the table without a key: a join of three relations stays small enough for the naive evaluation. */
const LOOSE_ROWS_MAX = 8;
const LONG = ['a text that is longer than twelve bytes', 'long '.repeat(300)];
const FIRST_OID = 16_384;

export const upstreamTables: readonly UpstreamTable[] = TABLES.map(({ object, columns, key }, index) => ({
  oid: FIRST_OID + index,
  schema: 'public',
  name: object,
  replicaIdentity: key.length === 0 ? 'f' : 'd',
  key,
  columns: columns.map(({ name, type }, place) => ({
    attnum: place + 1,
    name,
    notNull: key.includes(place),
    typeOid: type.oid,
    typmod: -1,
    typeName: type.name,
    collationOid: type.collation === undefined ? 0 : 950,
  })),
}));

/** Commit numbers begin at 1; 0 is before all. */
export function commitLsn(commitNumber: number): bigint {
  return BigInt(commitNumber) * 100n;
}

export function endLsn(commitNumber: number): bigint {
  return commitLsn(commitNumber) + 10n;
}

/** Behind this commit, before the next: where a snapshot is taken, where a keepalive says that the WAL ends. */
export function lsnBehind(commitNumber: number): bigint {
  return commitLsn(commitNumber) + 50n;
}

/** The last commit that ends at or before `lsn`. */
export function commitAt(lsn: bigint): number {
  return lsn < 10n ? 0 : Number((lsn - 10n) / 100n);
}

type Rows = readonly Row[];

export class Upstream {
  readonly #dice: Dice;
  readonly #keys: number;
  readonly #texts: readonly string[];
  /** By commit number: the frames of its transaction. */
  readonly transactions: Buffer[][] = [[]];
  /** By commit number, by table: its rows. Arrays are never changed. */
  readonly #after: Rows[][] = [upstreamTables.map(() => [])];
  readonly #versions = new Map<Rows, number>();
  readonly #memo = new Map<Plan, Map<string, Rows>>();

  constructor(dice: Dice) {
    this.#dice = dice;
    this.#keys = dice.of([3, 5, 5, 12]);
    this.#texts = ['x', 'y', '', ...LONG, ...(dice.chance(0.1) ? ['wide '.repeat(6_000)] : [])];
  }

  /** The number of the last commit. */
  get last(): number {
    return this.transactions.length - 1;
  }

  table(index: number, commitNumber: number): Rows {
    return this.#after[commitNumber]![index]!;
  }

  transaction(): void {
    const tables = [...this.#after.at(-1)!];
    const number = this.last + 1;
    const frames = [begin(commitLsn(number))];
    const told = new Set<number>();
    const count = this.#dice.of([1, 1, 2, 3, 5, 12, 40]);
    for (let i = 0; i < count; i++) {
      const index = this.#dice.below(tables.length);
      const table = upstreamTables[index]!;
      const { rows, frame } = this.#change(table, tables[index]!);
      if (frame === undefined) continue;
      if (!told.has(index)) frames.push(relation(table));
      told.add(index);
      tables[index] = rows;
      frames.push(frame);
    }
    frames.push(commit(commitLsn(number), endLsn(number)));
    this.transactions.push(frames);
    this.#after.push(tables);
  }

  #change(table: UpstreamTable, rows: Rows): { rows: Rows; frame?: Buffer } {
    const dice = this.#dice;
    const { oid, key, columns } = table;
    if (dice.chance(0.02)) return { rows: [], frame: truncate(oid) };
    const values = columns.map((column, place) => this.#value(column.typeOid, key.includes(place)));
    const at = key.length === 0 ? dice.below(Math.max(1, rows.length)) : rows.findIndex(([id]) => id === values[0]);
    const old = rows[at];
    if (old === undefined || (key.length === 0 && rows.length < LOOSE_ROWS_MAX && dice.chance(0.5)))
      return { rows: [...rows, values], frame: insert(oid, values) };
    const keyOnly = (row: Row): Value[] => row.map((value, place) => (key.includes(place) ? value : null));
    const before = (row: Row): readonly ['K' | 'O', readonly Value[]] => (key.length === 0 ? ['O', row] : ['K', keyOnly(row)]);
    if (dice.chance(0.35)) return { rows: rows.filter((_, i) => i !== at), frame: remove(oid, before(old)) };
    const target = String(dice.below(this.#keys));
    const moves = key.length > 0 && dice.chance(0.2) && !rows.some(([id]) => id === target);
    if (moves) values[0] = target;
    const row: Row = dice.chance(0.3) ? [...values.slice(0, -1), old.at(-1)!] : values;
    // A long value that did not change is not sent.
    const isUnsent = (old.at(-1)?.length ?? 0) > 100 && row.at(-1) === old.at(-1) && key.length > 0;
    const sent: Value[] = isUnsent ? [...row.slice(0, -1), undefined] : [...row];
    return { rows: rows.with(at, row), frame: update(oid, key.length === 0 || moves ? before(old) : undefined, sent) };
  }

  #value(typeOid: number, isKey: boolean): string | null {
    const dice = this.#dice;
    if (isKey) return String(dice.below(this.#keys));
    if (dice.chance(0.15)) return null;
    if (typeOid === 25) return dice.of(this.#texts);
    return typeOid === 1700 ? dice.of(['1', '1.0', '2.50', '2.5', '3']) : String(dice.below(4));
  }

  /** The rows of a plan at a commit, as often as they occur. `planOf`: of views that it reads; `tableOf`: the table behind an object. */
  rows(plan: Plan, commitNumber: number, planOf: (object: string) => Plan | undefined, tableOf: (object: string) => number): Rows {
    const under = (one: Plan): number[] =>
      objectsRead(one).flatMap((object) => {
        const below = planOf(object);
        return below === undefined ? [tableOf(object)] : under(below);
      });
    const state = under(plan)
      .map((index) => this.#version(index, commitNumber))
      .join();
    const known = this.#memo.get(plan) ?? new Map<string, Rows>();
    this.#memo.set(plan, known);
    let rows = known.get(state);
    if (rows === undefined) {
      rows = naive(plan, (object) => {
        const below = planOf(object);
        return below === undefined ? this.table(tableOf(object), commitNumber) : this.rows(below, commitNumber, planOf, tableOf);
      });
      known.set(state, rows);
    }
    return rows;
  }

  #version(index: number, commitNumber: number): number {
    const rows = this.table(index, commitNumber);
    let version = this.#versions.get(rows);
    if (version === undefined) this.#versions.set(rows, (version = this.#versions.size));
    return version;
  }
}
