/**
 * One column of a row into a row of the same layout whose slot is zero: words, NULL bit and heap bytes. For the rare column (unchanged TOAST);
 * whole rows are copied by generated code. Called by `table.ts`.
 */
import type { ColumnLayout } from '../../values/layout.ts';
import type { RowSpace } from '../../values/space.ts';
import { STORAGE_WORDS } from '../../values/type.ts';
import { heapSlotOf } from './heap-slot.ts';

export function copyColumn(column: ColumnLayout, from: RowSpace, rowFrom: number, to: RowSpace, rowTo: number): void {
  if ((from.words[rowFrom + column.nullWord]! & column.nullBit) !== 0) {
    to.words[rowTo + column.nullWord]! |= column.nullBit;
    return;
  }
  const source = rowFrom + column.offset;
  const target = rowTo + column.offset;
  for (let i = 0; i < STORAGE_WORDS[column.storage]; i++) to.words[target + i] = from.words[source + i]!;
  const slot = heapSlotOf(column);
  const bytes = slot?.bytes(from.words, source) ?? 0;
  if (slot === undefined || bytes === 0) return;
  const offset = to.allocateHeap(bytes);
  const old = from.words[source + slot.reference]! >>> 0;
  for (let i = 0; i < bytes; i++) to.heap[offset + i] = from.heap[old + i]!;
  to.words[target + slot.reference] = offset;
}
