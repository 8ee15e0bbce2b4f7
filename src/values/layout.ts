/**
 * Where the columns of a packed row lie. Generated code (`dataflow/expression`) and every operator address rows through this and nothing else.
 *
 * A row is `words` consecutive 32-bit words at an even word address `row`: first the slots of even width (8-byte aligned, so that a float64
 * slot is `doubles[(row + offset) >> 1]`), then the one-word slots, then the NULL bitmap (bit set = NULL; a NULL slot is zeroed).
 * Because NULL slots are zeroed and unused inline bytes are zero, two rows of one layout are identical iff their words are,
 * save for `text`/`numeric` slots that reference the heap: those compare by heap bytes.
 */
import { STORAGE_WORDS, type PgType, type Storage } from './type.ts';

export interface ColumnLayout {
  readonly type: PgType;
  readonly storage: Storage;
  /** Word offset of the slot from the start of the row. */
  readonly offset: number;
  /** Word offset of the bitmap word, and the bit in it. */
  readonly nullWord: number;
  readonly nullBit: number;
}

export interface RowLayout {
  readonly columns: readonly ColumnLayout[];
  /** Even. */
  readonly words: number;
  /** True when a slot may reference the heap. */
  readonly usesHeap: boolean;
}

export function rowLayout(types: readonly PgType[]): RowLayout {
  const columns: ColumnLayout[] = Array.from({ length: types.length });
  let offset = 0;
  for (const wide of [true, false]) {
    types.forEach((type, index) => {
      const words = STORAGE_WORDS[type.storage];
      if (words > 1 !== wide) return;
      columns[index] = { type, storage: type.storage, offset, nullWord: 0, nullBit: 0 };
      offset += words;
    });
  }
  const nullStart = offset;
  columns.forEach((column, index) => {
    columns[index] = { ...column, nullWord: nullStart + (index >> 5), nullBit: 1 << (index & 31) };
  });
  offset += (types.length + 31) >> 5;
  return {
    columns,
    words: Math.max(2, (offset + 1) & ~1),
    usesHeap: types.some((type) => type.storage === 'text' || type.storage === 'numeric'),
  };
}
