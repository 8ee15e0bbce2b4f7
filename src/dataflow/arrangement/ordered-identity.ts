/**
 * A total order of rows by what they are, not by what they mean: 0 only for identical rows (1.0 and 1.00 are two). The last tie-break of `ordered.ts`,
 * behind an order in which different rows may be equal; arbitrary, but the same at every start.
 */
import { compareText } from '../../values/text.ts';
import type { RowLayout } from '../../values/layout.ts';
import { numericHeapBytes } from '../../values/numeric.ts';
import type { RowSpace } from '../../values/space.ts';
import { STORAGE_WORDS } from '../../values/type.ts';
import type { CompareFunction } from '../expression/contract.ts';

export function identityOrder(layout: RowLayout): CompareFunction {
  const plain: number[] = [];
  const texts: number[] = [];
  const numerics: number[] = [];
  const nulls = new Set<number>();
  for (const column of layout.columns) {
    nulls.add(column.nullWord);
    if (column.storage === 'text') texts.push(column.offset);
    else if (column.storage === 'numeric') numerics.push(column.offset);
    else for (let word = 0; word < STORAGE_WORDS[column.storage]; word++) plain.push(column.offset + word);
  }
  plain.push(...nulls);
  return (a, rowA, b, rowB) => {
    for (const word of plain) {
      const difference = compareWords(a.words[rowA + word]!, b.words[rowB + word]!);
      if (difference !== 0) return difference;
    }
    for (const offset of numerics) {
      const difference = compareNumericForm(a, rowA + offset, b, rowB + offset);
      if (difference !== 0) return difference;
    }
    for (const offset of texts) {
      const difference = compareText(a.words, a.heap, rowA + offset, b.words, b.heap, rowB + offset);
      if (difference !== 0) return difference;
    }
    return 0;
  };
}

/** `order`, and where that sees no difference, identity. */
export function totalOrder(order: CompareFunction, layout: RowLayout): CompareFunction {
  const identity = identityOrder(layout);
  return (a, rowA, b, rowB) => order(a, rowA, b, rowB) || identity(a, rowA, b, rowB);
}

function compareWords(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Words of the short form; scale or length first, then the bytes of the long one. */
function compareNumericForm(a: RowSpace, atA: number, b: RowSpace, atB: number): number {
  const difference = compareWords(a.words[atA + 1]!, b.words[atB + 1]!);
  if (difference !== 0) return difference;
  const bytes = numericHeapBytes(a.words, atA);
  if (bytes === 0) return compareWords(a.words[atA]!, b.words[atB]!);
  const fromA = a.words[atA]! >>> 0;
  const fromB = b.words[atB]! >>> 0;
  for (let i = 0; i < bytes; i++) {
    const byte = a.heap[fromA + i]! - b.heap[fromB + i]!;
    if (byte !== 0) return byte;
  }
  return 0;
}
