/**
 * What the row store knows of a table: whether its copy is complete, from which commit on the stream applies to it, and the shapes that its stored rows have.
 * Plain data, kept beside the rows as JSON; changed only by records of the log, in order. Keeps I-1: a table that contradicts the stream becomes `broken`, alone.
 */
import { formatLsn, parseLsn } from '../../base/lsn.ts';
import type { PlainError } from '../../base/errors.ts';
import type { UpstreamTable } from '../../upstream/table.ts';
import type { Cut } from '../log/transactions.ts';

/** The columns of a tuple, by attnum: a stored row keeps the shape that it was written in, and is read in the table's newest one. */
export interface Shape {
  readonly columns: readonly ShapeColumn[];
}

export interface ShapeColumn {
  readonly attnum: number;
  readonly name: string;
  readonly typeOid: number;
}

export interface TableState {
  readonly table: UpstreamTable;
  /** `copying`: rows come in; changes of the stream are passed over. `catching up`: those are read again, now that the snapshot is known. */
  readonly state: 'copying' | 'catching up' | 'live' | 'broken';
  readonly reason?: string;
  /** Why nothing more is read of it, where ingest has said so. */
  readonly stopped?: PlainError;
  /** `16/B374D848` */
  readonly snapshotLsn?: string;
  /** Log offset of its `table` record. */
  readonly enteredAt: number;
  /** While copying, changes came from here on, and the shape they came in: what catching up reads again, and what the log keeps until then. */
  readonly passedOver?: { readonly since: CutJson; readonly shape: number };
  readonly shapes: readonly Shape[];
  /** The shape of what the stream brings now. */
  readonly shape: number;
}

export interface CutJson {
  readonly offset: number;
  readonly skip: number;
  readonly commitLsn?: string;
  readonly timestampMicros?: string;
}

export function cutToJson(cut: Cut): CutJson {
  const { offset, skip, transaction } = cut;
  if (transaction === undefined) return { offset, skip };
  return { offset, skip, commitLsn: formatLsn(transaction.commitLsn), timestampMicros: String(transaction.timestampMicros) };
}

export function cutFromJson(json: CutJson): Cut {
  const { offset, skip, commitLsn, timestampMicros } = json;
  if (commitLsn === undefined) return { offset, skip };
  return { offset, skip, transaction: { commitLsn: parseLsn(commitLsn), timestampMicros: BigInt(timestampMicros ?? 0) } };
}

export function entered(table: UpstreamTable, enteredAt: number): TableState {
  return { table, state: 'copying', enteredAt, shapes: [shapeOf(table)], shape: 0 };
}

export function isKeyed(state: TableState): boolean {
  return state.table.key.length > 0;
}

/** One flag a column of the current shape: part of the identity. */
export function keyFlags(state: TableState): Uint8Array {
  const keyAttnums = new Set(state.table.key.map((position) => state.table.columns[position]!.attnum));
  return Uint8Array.from(state.shapes[state.shape]!.columns, (column) => (keyAttnums.has(column.attnum) ? 1 : 0));
}

/** For each column of shape `to`, its place in shape `from`; −1 where it has none. */
export function shapeMap(state: TableState, from: number, to: number): number[] {
  const places = new Map(state.shapes[from]!.columns.map((column, place) => [column.attnum, place]));
  return state.shapes[to]!.columns.map((column) => places.get(column.attnum) ?? -1);
}

export function broken(state: TableState, reason: string): TableState {
  return { ...state, state: 'broken', reason };
}

/** The catalog says what the columns are now; what follows is in that shape. */
export function withTable(state: TableState, table: UpstreamTable): TableState {
  return reshaped({ ...state, table }, shapeOf(table).columns);
}

function shapeOf(table: UpstreamTable): Shape {
  return { columns: table.columns.map(({ attnum, name, typeOid }) => ({ attnum, name, typeOid })) };
}

/** Finds or adds the shape, and makes it the current one. */
function reshaped(state: TableState, columns: readonly ShapeColumn[]): TableState {
  const found = state.shapes.findIndex(
    (shape) => shape.columns.length === columns.length && shape.columns.every((column, i) => column.attnum === columns[i]!.attnum),
  );
  if (found >= 0) {
    // The same columns, perhaps under new names.
    const shapes = state.shapes.map((shape, i) => (i === found ? { columns } : shape));
    return { ...state, shapes, shape: found };
  }
  const next = { ...state, shapes: [...state.shapes, { columns }], shape: state.shapes.length };
  if (!isKeyed(state)) return broken(next, 'its columns changed, and without a key its stored rows cannot be matched with the new ones');
  return next;
}
