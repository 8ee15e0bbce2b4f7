/**
 * Changes that a join does not read: −old and +new of a shared arrangement, both wanted by the join, that agree in every column which its keys, its conditions and all above it read.
 *
 *     (−old + new) ⋈ B  =  0        seen through those columns; so neither is looked up
 *
 * A shared arrangement keeps the columns of all its views (`Dataflow.announce`), so an UPDATE of a column that one of them reads reaches the others, too. Here it ends.
 * What fails on old fails on new in the same words, so no error is lost. Not for a side that counts, which knows its rows by their ids.
 * Taken are −old and +new right behind each other, which is how an UPDATE arrives. Stateless. Cost: one comparison a replaced row. Called by joins, before they probe.
 */
import type { RowLayout } from '../../../values/layout.ts';
import type { DeltaBlock } from '../../arrangement/delta-block.ts';
import type { SameFunction } from '../../expression/contract.ts';
import { compileSame } from '../../expression/rows.ts';

export class UnreadChanges {
  readonly #same: SameFunction;
  #pass = new Uint8Array(64);

  constructor(layout: RowLayout, read: readonly number[]) {
    this.#same = compileSame(layout, read);
  }

  /** Which rows are left (null = all), given which are wanted at all (null = all). */
  leaveOut(delta: DeltaBlock, wanted: Uint8Array | null): Uint8Array | null {
    const { length, stride, weights } = delta;
    let pass: Uint8Array | null = null;
    for (let i = 1; i < length; i++) {
      const weight = weights[i]!;
      if (weight < 0 || weight + weights[i - 1]! !== 0) continue;
      if (wanted !== null && (wanted[i - 1] === 0 || wanted[i] === 0)) continue;
      if (!this.#same(delta, (i - 1) * stride, delta, i * stride)) continue;
      pass ??= this.#copyOf(wanted, length);
      pass[i - 1] = 0;
      pass[i++] = 0;
    }
    return pass ?? wanted;
  }

  #copyOf(wanted: Uint8Array | null, length: number): Uint8Array {
    if (length > this.#pass.length) this.#pass = new Uint8Array(2 * length);
    const pass = this.#pass;
    for (let i = 0; i < length; i++) pass[i] = wanted === null ? 1 : wanted[i]!;
    return pass;
  }
}
