/**
 * ORDER BY … LIMIT … OFFSET, a partition at a time: the rows at positions offset … offset + limit of the partition's order (`partitions.ts` says which).
 *
 *     W = sequence[offset, offset + limit)        w rows come in at position r of a sequence S, making S':   (s = max(r, offset), e = offset + limit)
 *     δW = + S'[s, min(s + w, e))  −  S'[max(s + w, e), e + w)
 *
 * and backwards when they go: what is pushed over a border of the window, and nothing else, changes.
 * Output: not consolidated within a step. Cost: O(log n + changed output) a change (I-7).
 */
import { assert } from '../../../base/assert.ts';
import { rowLayout, type RowLayout } from '../../../values/layout.ts';
import type { ErrorSink } from '../../../values/space.ts';
import type { DeltaBlock } from '../../arrangement/delta-block.ts';
import { compileBlock } from '../../expression/compile-block.ts';
import type { BlockFunction, Evaluator } from '../../expression/contract.ts';
import type { TopK } from '../../../plan/plan.ts';
import type { Operator } from '../operator.ts';
import { Partitions, type PartitionFunction } from './partitions.ts';

export class TopKOperator implements Operator, PartitionFunction {
  readonly #from: number;
  /** Infinity: no limit. */
  readonly #to: number;
  readonly #partitions: Partitions;
  readonly #project: BlockFunction;
  /** What comes into the window and goes out of it: addresses of rows, and weights. */
  #rows = new Int32Array(256);
  #weights = new Int32Array(256);
  #count = 0;
  #sign = 1;
  readonly #visit = (row: number, copies: number): void => this.#put(row, this.#sign * copies);

  constructor(plan: TopK, input: RowLayout, evaluator: Evaluator | undefined) {
    assert(plan.offset >= 0 && (plan.limit === null || plan.limit >= 0), 'OFFSET and LIMIT are not negative');
    this.#from = plan.offset;
    this.#to = plan.limit === null ? Infinity : plan.offset + plan.limit;
    this.#partitions = new Partitions(plan.partition, plan.order, input, evaluator);
    const outputs = input.columns.map(({ type }, index) => ({ kind: 'column', index, type }) as const);
    const output = rowLayout(plan.columns.map((column) => column.type));
    this.#project = compileBlock({ inputs: [this.#partitions.rows.layout], where: [], outputs, output });
  }

  step(input: DeltaBlock, output: DeltaBlock, errors: ErrorSink): void {
    this.#partitions.step(input, this, output, errors);
  }

  stateBytes(): number {
    return this.#partitions.stateBytes();
  }

  changes(sequence: number, rank: number, size: number, sign: 1 | -1): void {
    const start = Math.max(rank, this.#from);
    if (start >= this.#to) return;
    this.#sign = sign;
    this.#partitions.range(sequence, start, Math.min(start + size, this.#to), this.#visit);
    if (this.#to === Infinity) return;
    this.#sign = -sign;
    this.#partitions.range(sequence, Math.max(start + size, this.#to), this.#to + size, this.#visit);
  }

  show(output: DeltaBlock, errors: ErrorSink): void {
    const { rows } = this.#partitions;
    this.#project(rows, this.#rows, rows, this.#rows, this.#weights, this.#count, output, errors);
    this.#count = 0;
  }

  #put(row: number, weight: number): void {
    if (this.#count === this.#rows.length) {
      this.#rows = enlarged(this.#rows);
      this.#weights = enlarged(this.#weights);
    }
    this.#rows[this.#count] = row;
    this.#weights[this.#count++] = weight;
  }
}

function enlarged(list: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * list.length);
  larger.set(list);
  return larger;
}
