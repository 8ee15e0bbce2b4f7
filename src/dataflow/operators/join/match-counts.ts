/**
 * How the rows of one side of a join stand towards the other side, and what is shown of them for it.
 *
 *     m(r) = Σ weights of the other side's rows that match r        u(r) = the same of those of which nobody knows: ON is NULL (mark joins only)
 *     standing(r) = matched where m(r) ≠ 0, else unknown where u(r) ≠ 0, else alone
 *     shown = { shows[standing(r)](r) : r ∈ side }                  δ: of its own delta's rows as they stand; of a row whose standing changes −shows[was] +shows[is]
 *
 * Kept by row id, with the arrangement's ids: a delta's own counts are noted under them when it is applied (`settle`).
 * State: 5 bytes a row (9 of a mark join). Cost: the matches, and the rows of which something else is shown (I-7). Called by `join.ts`.
 */
import { multiplicity } from '../../fault.ts';
import type { ErrorSink } from '../../../values/space.ts';
import type { DeltaBlock } from '../../arrangement/delta-block.ts';
import type { Probe } from '../../arrangement/probe.ts';
import type { RowMemory } from '../../arrangement/row-memory.ts';
import type { BlockFunction } from '../../expression/contract.ts';
import type { Met } from './join-side.ts';

export const ALONE = 0;
export const UNKNOWN = 1;
export const MATCHED = 2;
/** By standing; null: nothing is shown. */
export type Shows = readonly [alone: BlockFunction | null, unknown: BlockFunction | null, matched: BlockFunction | null];

/** In place of u where ON is never asked for NULL. */
const NEVER = new Int32Array(0);

export class MatchCounts {
  readonly #shows: Shows;
  readonly #knowsUnknown: boolean;
  /** By row id. */
  #m = new Int32Array(64);
  #u: Int32Array<ArrayBuffer>;
  #isTouched = new Uint8Array(64);
  /** Rows that the other side's delta met since something was shown last, and how they stood before. */
  #touched = new Int32Array(64);
  #was = new Uint8Array(64);
  #touchedCount = 0;
  /** m and u of each row of the own delta stepped last. */
  #deltaM = new Int32Array(64);
  #deltaU: Int32Array<ArrayBuffer>;
  /** What is being shown. */
  #rows = new Int32Array(64);
  #weights = new Int32Array(64);

  constructor(shows: Shows) {
    this.#shows = shows;
    this.#knowsUnknown = shows[UNKNOWN] !== null;
    this.#u = this.#knowsUnknown ? new Int32Array(64) : NEVER;
    this.#deltaU = this.#u.slice();
  }

  // ── a delta of its own side ──

  begin(rows: number): void {
    if (rows > this.#deltaM.length) {
      this.#deltaM = new Int32Array(2 * rows);
      if (this.#knowsUnknown) this.#deltaU = new Int32Array(2 * rows);
    }
    this.#deltaM.fill(0, 0, rows);
    this.#deltaU.fill(0, 0, rows);
  }

  /** Its rows meet rows of the other side: pairs 0 … n − 1 of the probe, of which those with isMeant[k] ≠ 0 count (null = all). */
  deltaMeets(probe: Probe, n: number, isUnknown: boolean, isMeant: Uint8Array | null): void {
    const { memory } = probe.arrangement;
    const counts = isUnknown ? this.#deltaU : this.#deltaM;
    for (let k = 0; k < n; k++) {
      if (isMeant !== null && isMeant[k] === 0) continue;
      const i = probe.delta[k]!;
      counts[i] = multiplicity(counts[i]! + memory.weight(probe.ids[k]!));
    }
  }

  /** Only rows with pass[i] ≠ 0 are in the join at all (null = all). */
  showDelta(delta: DeltaBlock, pass: Uint8Array | null, output: DeltaBlock, errors: ErrorSink): void {
    const { length, stride, weights } = delta;
    this.#hold(length);
    for (let standing = ALONE; standing <= MATCHED; standing++) {
      const show = this.#shows[standing] ?? null;
      if (show === null) continue;
      let n = 0;
      for (let i = 0; i < length; i++) {
        if (standingOf(this.#deltaM, this.#deltaU, i) !== standing || (pass !== null && pass[i] === 0)) continue;
        this.#rows[n] = i * stride;
        this.#weights[n++] = weights[i]!;
      }
      if (n > 0) show(delta, this.#rows, delta, this.#rows, this.#weights, n, output, errors);
    }
  }

  /** It has been applied, where its rows met these. */
  settle({ length, weights }: DeltaBlock, { ids, before }: Met, idEnd: number): void {
    this.#grow(idEnd);
    for (let i = 0; i < length; i++) {
      if (before[i]! + weights[i]! <= 0) continue;
      this.#m[ids[i]!] = this.#deltaM[i]!;
      if (this.#knowsUnknown) this.#u[ids[i]!] = this.#deltaU[i]!;
    }
  }

  // ── a delta of the other side ──

  beginOther(idEnd: number): void {
    this.#grow(idEnd);
  }

  /** Its rows, of these weights, meet rows of this side: as in `deltaMeets`. */
  rowsMeet(probe: Probe, n: number, deltaWeights: Int32Array, isUnknown: boolean, isMeant: Uint8Array | null): void {
    const counts = isUnknown ? this.#u : this.#m;
    for (let k = 0; k < n; k++) {
      if (isMeant !== null && isMeant[k] === 0) continue;
      const id = probe.ids[k]!;
      if (this.#isTouched[id] === 0) this.#touch(id);
      counts[id] = multiplicity(counts[id]! + deltaWeights[probe.delta[k]!]!);
    }
  }

  /** Of the rows that it met, those that stand otherwise now. */
  showChanged(memory: RowMemory, output: DeltaBlock, errors: ErrorSink): void {
    this.#hold(this.#touchedCount);
    for (let standing = ALONE; standing <= MATCHED; standing++) {
      const show = this.#shows[standing] ?? null;
      if (show === null) continue;
      let n = 0;
      for (let t = 0; t < this.#touchedCount; t++) {
        const id = this.#touched[t]!;
        const was = this.#was[t] === standing;
        if (was === (standingOf(this.#m, this.#u, id) === standing)) continue;
        this.#rows[n] = memory.address(id);
        this.#weights[n++] = was ? -memory.weight(id) : memory.weight(id);
      }
      if (n > 0) show(memory, this.#rows, memory, this.#rows, this.#weights, n, output, errors);
    }
    for (let t = 0; t < this.#touchedCount; t++) this.#isTouched[this.#touched[t]!] = 0;
    this.#touchedCount = 0;
  }

  stateBytes(): number {
    return this.#m.byteLength + this.#u.byteLength + this.#isTouched.byteLength;
  }

  #hold(rows: number): void {
    if (rows <= this.#rows.length) return;
    this.#rows = new Int32Array(2 * rows);
    this.#weights = new Int32Array(2 * rows);
  }

  #touch(id: number): void {
    this.#isTouched[id] = 1;
    if (this.#touchedCount === this.#touched.length) {
      this.#touched = grown(this.#touched, 2 * this.#touchedCount);
      const was = new Uint8Array(this.#touched.length);
      was.set(this.#was);
      this.#was = was;
    }
    this.#was[this.#touchedCount] = standingOf(this.#m, this.#u, id);
    this.#touched[this.#touchedCount++] = id;
  }

  #grow(idEnd: number): void {
    if (idEnd <= this.#m.length) return;
    this.#m = grown(this.#m, idEnd);
    if (this.#knowsUnknown) this.#u = grown(this.#u, idEnd);
    const isTouched = new Uint8Array(this.#m.length);
    isTouched.set(this.#isTouched);
    this.#isTouched = isTouched;
  }
}

function standingOf(m: Int32Array, u: Int32Array, at: number): number {
  if (m[at] !== 0) return MATCHED;
  return u.length > 0 && u[at] !== 0 ? UNKNOWN : ALONE;
}

function grown(list: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(length, 2 * list.length));
  larger.set(list);
  return larger;
}
