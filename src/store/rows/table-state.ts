/**
 * What the row store knows of a table: whether its copy is complete, from which commit on the stream applies to it, and the shapes that its stored rows have.
 * Plain data, kept beside the rows as JSON; changed only by records of the log, in order. Keeps I-1: a table that contradicts the stream becomes `broken`, alone.
 */
import { formatLsn, parseLsn } from '../../base/lsn.ts';
import type { UpstreamTable } from '../../upstream/table.ts';
import type { Relation } from '../../wire/pgoutput.ts';
import type { Cut } from '../log/transactions.ts';

/** The columns of a tuple, by attnum: a stored row keeps the shape that it was written in, and is read in the table's newest one. */
export interface Shape {
  readonly columns: readonly ShapeColumn[];
}

export interface ShapeColumn {
  /** Negative for a column that a Relation message brought before the catalog told its number. */
  readonly attnum: number;
  readonly name: string;
  readonly typeOid: number;
}

export interface TableState {
  readonly table: UpstreamTable;
  /** `copying`: rows come in; changes of the stream are passed over. `catching up`: those are read again, now that the snapshot is known. */
  readonly state: 'copying' | 'catching up' | 'live' | 'broken';
  readonly reason?: string;
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

/** The stream says what the columns are now. Without the catalog's word, a column keeps its number if it kept its name, or else its place and type. */
export function withRelation(state: TableState, relation: Relation): TableState {
  const current = state.shapes[state.shape]!.columns;
  const names = relation.columns;
  if (names.length === current.length && names.every((column, i) => column.name === current[i]!.name))
    return checkedIdentity(state, relation);
  const byName = new Map(current.map((column) => [column.name, column]));
  const renamedOnly = names.length === current.length;
  let invented = Math.min(0, ...state.shapes.flatMap((shape) => shape.columns.map((column) => column.attnum)));
  const columns = names.map(({ name, typeOid }, place): ShapeColumn => {
    const same = byName.get(name);
    if (same !== undefined) return { attnum: same.attnum, name, typeOid };
    const there = current[place];
    if (renamedOnly && there !== undefined && there.typeOid === typeOid && !names.some((column) => column.name === there.name))
      return { attnum: there.attnum, name, typeOid };
    return { attnum: --invented, name, typeOid };
  });
  return checkedIdentity(reshaped(state, columns), relation);
}

/** The catalog says what the columns are now. */
export function withTable(state: TableState, table: UpstreamTable): TableState {
  // A column whose number was invented by `withRelation` gets its own in every shape.
  const told = new Map(table.columns.map((column) => [column.name, column.attnum]));
  const renumbered = new Map<number, number>();
  for (const column of state.shapes[state.shape]!.columns)
    if (column.attnum < 0 && told.has(column.name)) renumbered.set(column.attnum, told.get(column.name)!);
  const shapes = state.shapes.map((shape) => ({
    columns: shape.columns.map((column) => ({ ...column, attnum: renumbered.get(column.attnum) ?? column.attnum })),
  }));
  return reshaped({ ...state, shapes, table }, shapeOf(table).columns);
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

/** Stored keys are made of the columns in `table.key`; old rows must arrive with those. Under FULL every column arrives. */
function checkedIdentity(state: TableState, relation: Relation): TableState {
  if (relation.replicaIdentity !== 'd' && relation.replicaIdentity !== 'i') return state;
  const flags = keyFlags(state);
  const same = relation.columns.every((column, i) => column.key === (flags[i] === 1));
  return same || state.state === 'broken' ? state : broken(state, 'its replica identity changed');
}
