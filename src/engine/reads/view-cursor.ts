/**
 * A view's rows as of the tick at which it began, read in pieces while ticks go on (I-2 for a reader that takes its time).
 *
 *     rows at T0 = rows at the places not visited yet and not changed since T0  +  rows visited before  +  rows kept aside when they first changed, at places not visited
 *
 * Law: each place (row id) below T0's end is shown once, with the row and weight that it had at T0, or not at all where it was free. The view tells of every delta
 * right after taking it: a row that was there (`before` > 0) stands in the delta itself, so its first change keeps it aside, as it was; whatever comes to a changed
 * or new place later is not of T0, and such places are passed by. Ids are given out upwards, so no place at or past T0's end matters.
 * State: a bit a place, and the rows that changed between two pieces, up to `keptBytesMax`; past that this reader alone ends with a reason. Cost: the view's rows,
 * and for others a bit a changed row. Made between ticks by reads, subscriptions and audits; proved by `view-cursor.test.ts`.
 */
import { millraceError, MillraceError, reasonOf } from '../../base/errors.ts';
import type { Arrangement } from '../../dataflow/arrangement/arrangement.ts';
import { DeltaBlock } from '../../dataflow/arrangement/delta-block.ts';
import type { CopyFunction } from '../../dataflow/expression/contract.ts';
import { compileCopy } from '../../dataflow/expression/rows.ts';
import { DataflowFault } from '../../dataflow/fault.ts';
import type { Observer } from '../../dataflow/graph/observer.ts';
import type { RowSpace } from '../../values/space.ts';

/** Looks at one row; false: no more in this piece. The row is not to be kept. */
export type Visit = (space: RowSpace, row: number, weight: number) => boolean;

/** Free places are passed quickly, and still take time: after a mass deletion nearly all are free. */
const PLACES_A_PIECE_MAX = 1 << 18;

export class ViewCursor implements Observer {
  readonly #view: string;
  readonly #output: Arrangement;
  readonly #keptBytesMax: number;
  readonly #end: number;
  /** The next place to visit. */
  #next = 1;
  /** A bit a place: changed since T0. Made with the first change. */
  #changed: Uint32Array | undefined;
  /** Rows of T0 that changed before they were visited; those before `#shown` were shown. */
  #kept: DeltaBlock | undefined;
  #shown = 0;
  #copy: CopyFunction | undefined;
  #failure: MillraceError | undefined;

  /** `view`: what a message calls it. */
  constructor(view: string, output: Arrangement, keptBytesMax: number) {
    this.#view = view;
    this.#output = output;
    this.#keptBytesMax = keptBytesMax;
    this.#end = output.memory.idEnd;
  }

  /** Visits rows until `visit` returns false; true when all rows of T0 were visited. Throws when the reader is to end. */
  read(visit: Visit): boolean {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#readKept(visit) && this.#readPlaces(visit);
  }

  /** Bytes held for this reader alone. */
  get keptBytes(): number {
    return (this.#kept?.usedBytes ?? 0) + (this.#changed?.byteLength ?? 0);
  }

  changed(delta: DeltaBlock, { ids, before }: Arrangement): void {
    if (this.#next >= this.#end || this.#failure !== undefined) return;
    this.#changed ??= new Uint32Array((this.#end + 31) >> 5);
    // First what left or changed: within one delta another row may already have taken its place.
    for (let i = 0; i < delta.length; i++) {
      const id = ids[i]!;
      if (before[i]! <= 0 || !this.#isOfT0(id)) continue;
      this.#mark(id);
      if (!this.#keep(delta, i, before[i]!)) return;
    }
    for (let i = 0; i < delta.length; i++) if (before[i]! <= 0) this.#mark(ids[i]!);
  }

  fail(cause: unknown): void {
    this.#failure ??= this.#asError(cause);
    this.#kept = undefined;
    this.#changed = undefined;
  }

  #asError(cause: unknown): MillraceError {
    if (cause instanceof MillraceError) return cause;
    if (cause instanceof DataflowFault && cause.code === 'MEMORY_EXHAUSTED') return this.#overtaken();
    if (cause instanceof DataflowFault) return millraceError('VIEW_FAULTY', { view: this.#view, reason: cause.message }, cause);
    return millraceError('ENGINE_FAULT', { reason: reasonOf(cause) }, cause);
  }

  #overtaken(): MillraceError {
    return millraceError('READ_OVERTAKEN', { bytesMax: this.#keptBytesMax });
  }

  #readKept(visit: Visit): boolean {
    const kept = this.#kept;
    if (kept === undefined || kept.length === 0) return true;
    while (this.#shown < kept.length) {
      const i = this.#shown++;
      if (!visit(kept, i * kept.stride, kept.weights[i]!)) return false;
    }
    kept.clear();
    this.#shown = 0;
    return true;
  }

  #readPlaces(visit: Visit): boolean {
    const { memory } = this.#output;
    const end = Math.min(this.#end, this.#next + PLACES_A_PIECE_MAX);
    while (this.#next < end) {
      const id = this.#next++;
      const weight = memory.weight(id);
      if (weight <= 0 || this.#isMarked(id)) continue;
      if (!visit(memory, memory.address(id), weight)) break;
    }
    return this.#next >= this.#end;
  }

  #isOfT0(id: number): boolean {
    return id >= this.#next && id < this.#end && !this.#isMarked(id);
  }

  #isMarked(id: number): boolean {
    return this.#changed !== undefined && (this.#changed[id >> 5]! & (1 << (id & 31))) !== 0;
  }

  #mark(id: number): void {
    if (id < this.#end) this.#changed![id >> 5]! |= 1 << (id & 31);
  }

  /** False: that was too much. */
  #keep(delta: DeltaBlock, index: number, weight: number): boolean {
    const kept = (this.#kept ??= new DeltaBlock(delta.layout));
    this.#copy ??= compileCopy(delta.layout);
    this.#copy(delta, index * delta.stride, kept, kept.push(weight));
    if (kept.usedBytes <= this.#keptBytesMax) return true;
    this.fail(this.#overtaken());
    return false;
  }
}
