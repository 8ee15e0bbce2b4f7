/**
 * Who hears of a view's changes: told of every delta right after the view's rows took it (`output.ids` and `output.before` are of the delta's rows). The view and its other
 * observers do not feel what is thrown here: the observer is told so (`fail`), and hears nothing more (I-8). Nor does it when the view itself stops.
 * Told by `view-graph.ts`; made by whoever reads a view as it changes.
 */
import type { RowLayout } from '../../values/layout.ts';
import type { Arrangement } from '../arrangement/arrangement.ts';
import { consolidator, type Consolidate } from '../arrangement/consolidate.ts';
import { DeltaBlock } from '../arrangement/delta-block.ts';
import type { CopyFunction } from '../expression/contract.ts';
import { compileCopy } from '../expression/rows.ts';

export interface Observer {
  changed(delta: DeltaBlock, output: Arrangement): void;
  fail(cause: unknown): void;
}

/** Whoever wants every change of a view: a subscriber, an audit. */
export class Listener implements Observer {
  /** What went wrong while it listened: its delta is not to be trusted. */
  failure: unknown;
  #block: DeltaBlock;
  readonly #consolidate: Consolidate;
  readonly #copy: CopyFunction;
  readonly #observers: Set<Observer>;

  /** From now on. */
  constructor(layout: RowLayout, observers: Set<Observer>) {
    this.#block = new DeltaBlock(layout);
    this.#consolidate = consolidator(layout);
    this.#copy = compileCopy(layout);
    this.#observers = observers;
    observers.add(this);
  }

  /** Everything since the last `clear`, consolidated. */
  delta(): DeltaBlock {
    this.#consolidate(this.#block);
    return this.#block;
  }

  clear(): void {
    this.#block.clear();
  }

  /** Instead of `clear`: the delta is the caller's to keep. */
  handOver(): DeltaBlock {
    const delta = this.#block;
    this.#block = new DeltaBlock(delta.layout);
    return delta;
  }

  changed(delta: DeltaBlock): void {
    const copy = this.#copy;
    const block = this.#block;
    for (let i = 0; i < delta.length; i++) copy(delta, i * delta.stride, block, block.push(delta.weights[i]!));
  }

  fail(cause: unknown): void {
    this.failure = cause;
    this.#block.release();
  }

  close(): void {
    this.#observers.delete(this);
  }
}
