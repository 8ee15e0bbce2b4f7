/**
 * Copies one value between rows of different layouts: words, and heap bytes where it has them. Called where a value is kept apart from its row.
 */
import type { ColumnLayout } from '../../../../values/layout.ts';
import { copyNumeric } from '../../../../values/numeric.ts';
import type { RowSpace } from '../../../../values/space.ts';
import { copyText } from '../../../../values/text.ts';
import { STORAGE_WORDS } from '../../../../values/type.ts';

/** Into a zeroed slot of the same storage; `to` may not share memory with `from`. May replace the views of `to`. */
export function copySlot(
  from: RowSpace,
  fromRow: number,
  fromColumn: ColumnLayout,
  to: RowSpace,
  toRow: number,
  toColumn: ColumnLayout,
): void {
  if ((from.words[fromRow + fromColumn.nullWord]! & fromColumn.nullBit) !== 0) {
    to.words[toRow + toColumn.nullWord]! |= toColumn.nullBit;
    return;
  }
  const source = fromRow + fromColumn.offset;
  const target = toRow + toColumn.offset;
  if (fromColumn.storage === 'text') copyText(from.words, from.heap, source, to, target);
  else if (fromColumn.storage === 'numeric') copyNumeric(from.words, from.heap, source, to, target);
  else for (let word = 0; word < STORAGE_WORDS[fromColumn.storage]; word++) to.words[target + word] = from.words[source + word]!;
}
