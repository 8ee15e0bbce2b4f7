/**
 * One entry a distinct row, weights summed, zero left out: what every stateful operator asks of its input.
 *
 *     consolidate({(r, +1), (s, −1), (r, +2), (s, +1)}) = {(r, +3)}
 *
 * In place, stable (a row stands where it first stood). Rows are told apart by identity. Cost: one hash and one probe of a small table a row.
 * Called by operators before they touch state, and by views before they show a delta.
 */
import { multiplicity } from '../fault.ts';
import type { RowLayout } from '../../values/layout.ts';
import type { HashFunction, SameFunction } from '../expression/contract.ts';
import { compileHash, compileSame } from '../expression/rows.ts';
import type { DeltaBlock } from './delta-block.ts';

/** Above this the scratch table is given back after use. */
const KEPT_SLOTS_MAX = 1 << 16;

export type Consolidate = (block: DeltaBlock) => void;

export function consolidator(layout: RowLayout): Consolidate {
  const columns = layout.columns.map((_, index) => index);
  const hash: HashFunction = compileHash(layout, columns);
  const same: SameFunction = compileSame(layout, columns, layout, columns);
  // Slots hold 1 + the row's number; 0 = free. Cleared after use.
  let slots = new Int32Array(64);
  let hashes = new Int32Array(32);
  return (block) => {
    const n = block.length;
    if (n === 0) return;
    if (n === 1) {
      if (block.weights[0] === 0) block.length = 0;
      return;
    }
    if (n === 2) {
      // One row replaced by another, the usual small step: one comparison instead of two hashes and a table.
      if (same(block, 0, block, block.stride)) {
        block.weights[0] = multiplicity(block.weights[0]! + block.weights[1]!);
        block.weights[1] = 0;
      }
      dropZeros(block);
      return;
    }
    // Only as much of the table as this block needs: a large block must not make later small ones dear.
    let size = 4;
    while (size < 2 * n) size *= 2;
    if (size > slots.length) slots = new Int32Array(size);
    if (n > hashes.length) hashes = new Int32Array(size >> 1);
    const mask = size - 1;
    const stride = block.stride;
    const weights = block.weights;
    for (let i = 0; i < n; i++) hashes[i] = hash(block, i * stride);
    let zeros = 0;
    for (let i = 0; i < n; i++) {
      let slot = hashes[i]! & mask;
      for (;;) {
        const held = slots[slot]! - 1;
        if (held < 0) {
          slots[slot] = i + 1;
          break;
        }
        if (hashes[held] === hashes[i] && same(block, held * stride, block, i * stride)) {
          weights[held] = multiplicity(weights[held]! + weights[i]!);
          weights[i] = 0;
          break;
        }
        slot = (slot + 1) & mask;
      }
    }
    for (let i = 0; i < n; i++) if (weights[i] === 0) zeros++;
    if (size > KEPT_SLOTS_MAX) {
      slots = new Int32Array(64);
      hashes = new Int32Array(32);
    } else {
      slots.fill(0, 0, size);
    }
    if (zeros > 0) dropZeros(block);
  };
}

function dropZeros(block: DeltaBlock): void {
  const { words, weights, stride, length } = block;
  let to = 0;
  for (let i = 0; i < length; i++) {
    if (weights[i] === 0) continue;
    if (to !== i) {
      const target = to * stride;
      const source = i * stride;
      for (let k = 0; k < stride; k++) words[target + k] = words[source + k]!;
      weights[to] = weights[i]!;
    }
    to++;
  }
  block.length = to;
}
