/** One row message of the upstream, as raw tuples, to whatever keeps the rows of its table: all that views read (`stepper.ts`), or one new arrangement (`replay.ts`). */
import type { RowChanges } from '../../dataflow/hydration.ts';
import { readInt32, readUint32 } from '../../wire/bytes.ts';
import { DELETE, FIRST_TUPLE_OFFSET, INSERT, NEW_TUPLE, OLD_TUPLE, relationOid, skipTuple, TRUNCATE, UPDATE } from '../../wire/pgoutput.ts';
import type { ObjectId } from '../../catalog/catalog.ts';

export interface ChangeTarget<T extends { readonly id: ObjectId }> {
  readonly to: RowChanges;
  /** The table with this OID, if it takes changes of the transaction under way. */
  takes(oid: number): T | undefined;
  /** After each change. `rows`: how many more the table has now; undefined: none are left. */
  changed(table: T, rows: number | undefined): void;
}

export function applyChange<T extends { readonly id: ObjectId }>(kind: number, bytes: Buffer, at: number, target: ChangeTarget<T>): void {
  if (kind === TRUNCATE) {
    for (let i = 0, count = readInt32(bytes, at + 1); i < count; i++) {
      const table = target.takes(readUint32(bytes, at + 6 + 4 * i));
      if (table === undefined) continue;
      target.to.truncate(table.id);
      target.changed(table, undefined);
    }
    return;
  }
  if (kind !== INSERT && kind !== UPDATE && kind !== DELETE) return;
  const table = target.takes(relationOid(bytes, at));
  if (table === undefined) return;
  const first = at + FIRST_TUPLE_OFFSET;
  const marker = bytes[first]!;
  if (kind === INSERT) target.to.insert(table.id, bytes, first + 1);
  else if (kind === DELETE) target.to.delete(table.id, bytes, marker === OLD_TUPLE ? 'row' : 'key', first + 1);
  else if (marker === NEW_TUPLE) target.to.update(table.id, bytes, 'none', 0, first + 1);
  else target.to.update(table.id, bytes, marker === OLD_TUPLE ? 'row' : 'key', first + 1, skipTuple(bytes, first + 1) + 1);
  target.changed(table, kind === INSERT ? 1 : kind === DELETE ? -1 : 0);
}
