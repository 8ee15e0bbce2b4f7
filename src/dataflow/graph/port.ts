/**
 * One occurrence of a scan in a view: where the rows of a table (or of a view below) come into its graph.
 *
 *     seen = { r ∈ A : id(r) < limit }        the graph stands at what its plan makes of the seen rows of all its ports
 *
 * While the view is hydrated, `read` and `pushed` move the limit on, a piece at a time, until all is seen (Infinity, the usual state). A push in between changes A by δ:
 * δ's rows that met a row below the limit change what is seen, and are pushed; the others are left out, because they will be read later, as they are then. That is
 * right wherever a row comes or goes, because a row keeps its id while it lives: a freed id below the limit that is given out again is a row that comes into sight.
 * Called by `view-graph.ts`, and by joins, which share the arrangement (`join-side.ts`).
 */
import { must } from '../../base/assert.ts';
import type { RowLayout } from '../../values/layout.ts';
import type { Arrangement } from '../arrangement/arrangement.ts';
import { DeltaBlock } from '../arrangement/delta-block.ts';
import type { CopyFunction } from '../expression/contract.ts';
import { compileCopy } from '../expression/rows.ts';
import type { Met, SharedInlet } from '../operators/join/join-side.ts';
import type { RowSource } from '../tables/tuple-source.ts';

/** Where a node's input rows are found when it runs. */
export interface Stream {
  readonly block: DeltaBlock;
  readonly layout: RowLayout;
  /** Scan occurrences, and base tables, that it depends on. */
  readonly ports: ReadonlySet<Port>;
  readonly tables: ReadonlySet<string>;
  /** Its operator puts out each row at most once, weight ≠ 0. */
  readonly consolidated?: boolean;
}

/** What a port reads. */
export interface PortSource {
  /** Holds its rows, and tells of the delta last applied which rows it met; absent for a query asked once of a table that nothing arranges. */
  readonly arrangement: Arrangement | undefined;
  /** All rows, for hydration. */
  readonly rows: RowSource;
  /** The delta of each push. */
  readonly delta: DeltaBlock;
}

/** What stands in for the source's delta until all is seen. */
interface Part {
  readonly block: DeltaBlock;
  /** Made when a delta comes meanwhile: a query asked once never sees one. */
  copy: CopyFunction | undefined;
  ids: Int32Array<ArrayBuffer>;
  before: Int32Array<ArrayBuffer>;
}

export class Port implements Stream, SharedInlet {
  readonly object: string;
  readonly layout: RowLayout;
  readonly ports: ReadonlySet<Port>;
  readonly tables: ReadonlySet<string>;
  block: DeltaBlock;
  readonly #source: PortSource;
  #limit = Infinity;
  /** Where the piece under way ends. */
  #next = 0;
  #part: Part | undefined;

  constructor(object: string, source: PortSource, tables: ReadonlySet<string>) {
    this.object = object;
    this.#source = source;
    this.layout = source.delta.layout;
    this.block = source.delta;
    this.tables = tables;
    this.ports = new Set([this]);
  }

  /** How many rows it has to bring; Infinity where only their reading tells. */
  get rowCount(): number {
    return this.#source.arrangement?.count ?? Number.MAX_SAFE_INTEGER;
  }

  get limit(): number {
    return this.#limit;
  }

  get isWhole(): boolean {
    return this.#limit === Infinity;
  }

  get met(): Met {
    return this.#part ?? must(this.#source.arrangement, 'arrangement of a port');
  }

  take(): DeltaBlock | null {
    return this.block.length === 0 ? null : this.block;
  }

  // ── hydration ──

  /** Nothing is seen. */
  begin(): void {
    const nothing = new Int32Array(0);
    this.#part = { block: new DeltaBlock(this.layout), copy: undefined, ids: nothing, before: nothing };
    this.block = this.#part.block;
    this.#limit = 0;
  }

  /** The next rows, at most so many, into `block`. */
  read(rowsMax: number): void {
    const { arrangement, rows } = this.#source;
    this.#next = rows.read(this.#limit, rowsMax, this.block);
    if (arrangement === undefined || this.#part === undefined) return;
    this.#part.ids = arrangement.ids;
    this.#part.before = arrangement.before;
  }

  /** They are seen from now on. */
  pushed(): void {
    this.clear();
    this.#limit = this.#next === 0 ? Infinity : this.#next;
    if (!this.isWhole) return;
    this.block = this.#source.delta;
    this.#part = undefined;
  }

  /** Once the delta is applied to the arrangement: what of it changes the seen rows, into `block`. */
  narrow(): void {
    const { delta, arrangement } = this.#source;
    const part = this.#part;
    if (part === undefined || arrangement === undefined || this.#limit === 0 || delta.length === 0) return;
    const copy = (part.copy ??= compileCopy(this.layout));
    part.ids = new Int32Array(delta.length);
    part.before = new Int32Array(delta.length);
    for (let i = 0; i < delta.length; i++) {
      const id = arrangement.ids[i]!;
      if (id >= this.#limit) continue;
      part.ids[part.block.length] = id;
      part.before[part.block.length] = arrangement.before[i]!;
      copy(delta, i * delta.stride, part.block, part.block.push(delta.weights[i]!));
    }
  }

  /** Empties what `read` or `narrow` filled. */
  clear(): void {
    this.#part?.block.clear();
  }
}
