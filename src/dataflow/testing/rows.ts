/** Rows as plain text values for the tests of this room: into blocks and pgoutput tuples, and out again as bags. */
import { DeltaBlock } from '../arrangement/delta-block.ts';
import type { Arrangement } from '../arrangement/arrangement.ts';
import { compileFormat, compileParse } from '../expression/rows.ts';
import type { Dataflow } from '../dataflow.ts';
import type { RowLayout } from '../../values/layout.ts';
import { storageOf, type Column, type PgType } from '../../values/type.ts';

export type Row = readonly (string | null)[];

export const C = { name: 'C', provider: 'c', locale: 'C', deterministic: true } as const;

export function type(oid: number, name: string): PgType {
  const plain = { oid, name, kind: 'base', storage: storageOf(oid), typmod: -1 } as const;
  return plain.storage === 'text' ? { ...plain, collation: C } : plain;
}

export const int4 = type(23, 'integer');
export const int8 = type(20, 'bigint');
export const text = type(25, 'text');
export const bool = type(16, 'boolean');
export const numeric = type(1700, 'numeric');

export function columns(...types: readonly PgType[]): Column[] {
  return types.map((columnType, index) => ({ name: `c${index}`, type: columnType }));
}

export function fill(block: DeltaBlock, rows: readonly (readonly [Row, number])[]): DeltaBlock {
  const parse = compileParse(block.layout);
  for (const [row, weight] of rows) parse(row, block, block.push(weight));
  return block;
}

export function blockOf(layout: RowLayout, rows: readonly (readonly [Row, number])[]): DeltaBlock {
  return fill(new DeltaBlock(layout), rows);
}

/** Row (as JSON) → weight; weights of 0 left out. */
export type Bag = Map<string, number>;

export function add(bag: Bag, row: Row, weight: number): void {
  const key = JSON.stringify(row);
  const sum = (bag.get(key) ?? 0) + weight;
  if (sum === 0) bag.delete(key);
  else bag.set(key, sum);
}

export function bagOfBlock(block: DeltaBlock): Bag {
  const format = compileFormat(block.layout);
  const bag: Bag = new Map();
  for (let i = 0; i < block.length; i++) add(bag, format(block, block.rowAddress(i)), block.weights[i]!);
  return bag;
}

export function bagOf(arrangement: Arrangement): Bag {
  const format = compileFormat(arrangement.layout);
  const bag: Bag = new Map();
  arrangement.forEach((_, row, weight) => add(bag, format(arrangement.memory, row), weight));
  return bag;
}

export function bagOfRows(rows: readonly Row[]): Bag {
  const bag: Bag = new Map();
  for (const row of rows) add(bag, row, 1);
  return bag;
}

/** What a view shows: its rows, and its errors. */
export function state(flow: Dataflow, view: string): unknown {
  const errors = flow.errors(view).map(({ sqlstate, message, count }): [string, number] => [sqlstate + message, count]);
  return { rows: sorted(bagOf(flow.output(view))), errors: sorted(new Map(errors)) };
}

export function sorted(bag: Bag): [string, number][] {
  return [...bag].sort(([a], [b]) => (a < b ? -1 : 1));
}

export const UNCHANGED = Symbol('unchanged TOAST');

/** pgoutput TupleData: Int16 columns, each n | u | t Int32 length bytes. */
export function tuple(values: readonly (string | null | typeof UNCHANGED)[]): Uint8Array {
  const parts: Buffer[] = [];
  const count = Buffer.alloc(2);
  count.writeInt16BE(values.length);
  parts.push(count);
  for (const value of values) {
    if (value === null) parts.push(Buffer.from('n'));
    else if (typeof value === 'symbol') parts.push(Buffer.from('u'));
    else {
      const bytes = Buffer.from(value);
      const head = Buffer.alloc(5);
      head.write('t');
      head.writeInt32BE(bytes.length, 1);
      parts.push(head, bytes);
    }
  }
  return Buffer.concat(parts);
}

export function batch(rows: readonly Row[]): { bytes: Uint8Array; offsets: number[] } {
  const tuples = rows.map((row) => tuple(row));
  const offsets: number[] = [];
  let at = 0;
  for (const one of tuples) {
    offsets.push(at);
    at += one.length;
  }
  return { bytes: Buffer.concat(tuples), offsets };
}
