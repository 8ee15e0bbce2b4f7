/**
 * Which slots of a row may hold a reference into the heap, and how many bytes such a slot then owns: the layout rules of `values/text.ts` and `values/numeric.ts`, for giving bytes back.
 * Called by `row-memory.ts` and `copy-column.ts`.
 */
import type { ColumnLayout, RowLayout } from '../../values/layout.ts';
import { INLINE_BYTES_MAX } from '../../values/text.ts';

export interface HeapSlot {
  /** Word offset of the slot in the row. */
  readonly offset: number;
  /** Word offset in the slot of the heap byte offset. */
  readonly reference: number;
  /** Heap bytes that the slot at word address `at` owns; 0 = the value is inline. */
  bytes(words: Int32Array, at: number): number;
}

export function heapSlots(layout: RowLayout): HeapSlot[] {
  return layout.columns.map(heapSlotOf).filter((slot) => slot !== undefined);
}

export function heapSlotOf(column: ColumnLayout): HeapSlot | undefined {
  if (column.storage === 'text') return { offset: column.offset, reference: 2, bytes: textBytes };
  if (column.storage === 'numeric') return { offset: column.offset, reference: 0, bytes: numericBytes };
  return undefined;
}

function textBytes(words: Int32Array, at: number): number {
  const length = words[at]!;
  return length > INLINE_BYTES_MAX ? length : 0;
}

function numericBytes(words: Int32Array, at: number): number {
  const word = words[at + 1]!;
  return (word & 1) === 0 ? 0 : word >>> 1;
}
