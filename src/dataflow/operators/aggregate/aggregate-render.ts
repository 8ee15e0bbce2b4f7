/**
 * A group's row as the view shows it: keys, then the value of each aggregate. Called by `aggregate.ts`, for what a group showed before a step and for what it shows after.
 */
import { ValueFailure } from '../../../values/failure.ts';
import type { RowLayout } from '../../../values/layout.ts';
import type { DeltaBlock } from '../../arrangement/delta-block.ts';
import type { RowMemory } from '../../arrangement/row-memory.ts';
import type { Result } from './functions/accumulator.ts';
import { copySlot } from './functions/slot.ts';

export class GroupRenderer {
  readonly #groups: RowMemory;
  readonly #results: readonly Result[];
  readonly #keys: number;
  readonly #output: RowLayout;

  /** `keys`: how many; they are the first columns of the group's row and of the output. */
  constructor(groups: RowMemory, results: readonly Result[], keys: number, output: RowLayout) {
    this.#groups = groups;
    this.#results = results;
    this.#keys = keys;
    this.#output = output;
  }

  /** Appends the group's row; nothing where an aggregate has no value but an error. */
  render(id: number, into: DeltaBlock, weight = 1): ValueFailure | undefined {
    const groups = this.#groups;
    const { columns } = this.#output;
    const row = into.push(weight);
    const address = groups.address(id);
    for (let i = 0; i < this.#keys; i++) copySlot(groups, address, groups.layout.columns[i]!, into, row, columns[i]!);
    try {
      const header = groups.header(id);
      for (let i = 0; i < this.#results.length; i++) this.#results[i]!(groups, header, into, row, columns[this.#keys + i]!);
    } catch (thrown) {
      if (!(thrown instanceof ValueFailure)) throw thrown;
      into.pop();
      return thrown;
    }
    return undefined;
  }
}
