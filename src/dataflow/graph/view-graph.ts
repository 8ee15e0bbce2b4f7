/**
 * One view's running dataflow: its operators in topological order, its output rows and its errors.
 *
 * A *push* brings the delta of one base table (or of a view below) and runs, once each, the nodes that depend on it: a straight line, decided at install.
 * `before` runs ahead of the table's own arrangement, `run` after it; the difference matters only to a join of a table with itself.
 * *Hydration* pushes every scan's whole content, one scan occurrence after the other, last scan first: a scan not yet pushed counts as empty, so each pair of rows
 * meets exactly once, in whatever order and in whatever chunks. Scans on the right of joins come first, so left joins count their matches once.
 * A fault here (an operator's bug, memory, a deadline) is this view's alone: `dataflow.ts` marks it and never runs it again. Promises: I-1, I-7, I-8.
 */
import { rowLayout, type RowLayout } from '../../values/layout.ts';
import { Arrangement } from '../arrangement/arrangement.ts';
import { consolidator, type Consolidate } from '../arrangement/consolidate.ts';
import { DeltaBlock } from '../arrangement/delta-block.ts';
import type { Column } from '../../values/type.ts';
import type { CopyFunction } from '../expression/contract.ts';
import { compileCopy } from '../expression/rows.ts';
import type { JoinSide } from '../operators/join-side.ts';
import type { RowSource } from '../tuple-source.ts';
import { ErrorSet } from './error-set.ts';

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

/** One occurrence of a scan. */
export class Port implements Stream {
  readonly object: string;
  readonly layout: RowLayout;
  readonly ports: ReadonlySet<Port>;
  readonly tables: ReadonlySet<string>;
  /** All rows, for hydration. */
  readonly source: RowSource;
  block: DeltaBlock;
  /** The shared join side that reads it, if one does. */
  side: JoinSide | null = null;
  readonly #live: DeltaBlock;

  constructor(object: string, source: RowSource, live: DeltaBlock, tables: ReadonlySet<string>) {
    this.object = object;
    this.source = source;
    this.layout = live.layout;
    this.#live = live;
    this.block = live;
    this.tables = tables;
    this.ports = new Set([this]);
  }

  feed(block: DeltaBlock | null): void {
    this.block = block ?? this.#live;
  }
}

export interface GraphNode {
  readonly output: DeltaBlock;
  readonly ports: ReadonlySet<Port>;
  readonly tables: ReadonlySet<string>;
  /** Rows over empty inputs. */
  start?(): void;
  /** Live pushes only, before the pushed table's arrangement changes. */
  before?(): void;
  run(live: boolean): void;
  stateBytes(): number;
}

/** Whoever wants every change of a view: a subscriber, an audit. */
export class Listener {
  readonly #block: DeltaBlock;
  readonly #consolidate: Consolidate;
  readonly #close: (listener: Listener) => void;

  constructor(layout: RowLayout, close: (listener: Listener) => void) {
    this.#block = new DeltaBlock(layout);
    this.#consolidate = consolidator(layout);
    this.#close = close;
  }

  /** Everything since the last `clear`, consolidated. */
  delta(): DeltaBlock {
    this.#consolidate(this.#block);
    return this.#block;
  }

  clear(): void {
    this.#block.clear();
  }

  record(delta: DeltaBlock, copy: CopyFunction): void {
    for (let i = 0; i < delta.length; i++) copy(delta, i * delta.stride, this.#block, this.#block.push(delta.weights[i]!));
  }

  close(): void {
    this.#close(this);
  }
}

export class ViewGraph {
  readonly object: string;
  readonly columns: readonly Column[];
  readonly layout: RowLayout;
  readonly output: Arrangement;
  readonly errors = new ErrorSet();
  readonly listeners = new Set<Listener>();
  /** Why it stopped; null while it runs. */
  fault: string | null = null;
  /** Views that it reads: their errors are its errors. */
  readonly below: readonly ViewGraph[];
  readonly nodes: GraphNode[] = [];
  readonly ports: Port[] = [];
  /** Gives back what it uses of others (indexes of shared arrangements). */
  readonly releases: (() => void)[] = [];
  root!: Stream;
  readonly #consolidate: Consolidate;
  readonly #copy: CopyFunction;
  readonly #programs = new Map<string, GraphNode[]>();

  /** `key`: columns that tell its rows apart, where some do (`unique-key.ts`). */
  constructor(object: string, columns: readonly Column[], below: readonly ViewGraph[], key: readonly number[] | undefined) {
    this.object = object;
    this.columns = columns;
    this.below = below;
    this.layout = rowLayout(columns.map(({ type }) => type));
    this.output = key === undefined ? Arrangement.counted(this.layout) : Arrangement.keyed(this.layout, key);
    this.#consolidate = consolidator(this.layout);
    this.#copy = compileCopy(this.layout);
  }

  get tables(): ReadonlySet<string> {
    return this.root.tables;
  }

  /** Runs what must see the table's arrangement as it was. */
  before(table: string): void {
    for (const node of this.#program(table)) node.before?.();
  }

  run(table: string): void {
    for (const node of this.#program(table)) node.run(true);
    this.#emit();
  }

  /** Empties the blocks of a push; after all views have run, because views above read this one's. */
  clear(table: string): void {
    for (const node of this.#program(table)) node.output.clear();
  }

  /** Once, after it is built; reads `rowsMax` rows at a time. `interrupt` is asked after each piece, and throws to give up. */
  hydrate(rowsMax: number, interrupt: () => void = () => {}): void {
    for (const port of this.ports) {
      port.feed(emptyBlock(port.layout));
      if (port.side !== null) port.side.visible = false;
    }
    for (const node of this.nodes) {
      node.start?.();
      node.run(false);
    }
    this.#emit();
    for (const node of this.nodes) node.output.clear();
    for (const port of this.ports.toReversed()) this.#hydrateFrom(port, rowsMax, interrupt);
    for (const port of this.ports) port.feed(null);
  }

  listen(): Listener {
    const listener = new Listener(this.layout, (closed) => this.listeners.delete(closed));
    this.listeners.add(listener);
    return listener;
  }

  stateBytes(): number {
    let bytes = this.output.bytes() + this.errors.bytes();
    for (const node of this.nodes) bytes += node.stateBytes();
    return bytes;
  }

  dispose(): void {
    for (const release of this.releases) release();
  }

  #hydrateFrom(port: Port, rowsMax: number, interrupt: () => void): void {
    const chunk = new DeltaBlock(port.layout);
    const nodes = this.nodes.filter((node) => node.ports.has(port));
    port.feed(chunk);
    if (port.side !== null) port.side.visible = true;
    let next = 0;
    do {
      next = port.source.read(next, rowsMax, chunk);
      for (const node of nodes) node.run(false);
      if (this.root.ports.has(port)) this.#emit();
      for (const node of nodes) node.output.clear();
      chunk.clear();
      interrupt();
    } while (next !== 0);
    port.feed(emptyBlock(port.layout));
  }

  #emit(): void {
    const delta = this.root.block;
    if (delta.length === 0) return;
    if (this.root.consolidated !== true) this.#consolidate(delta);
    this.output.apply(delta);
    for (const listener of this.listeners) listener.record(delta, this.#copy);
  }

  #program(table: string): GraphNode[] {
    let program = this.#programs.get(table);
    if (program === undefined) {
      program = this.nodes.filter((node) => node.tables.has(table));
      this.#programs.set(table, program);
    }
    return program;
  }
}

function emptyBlock(layout: RowLayout): DeltaBlock {
  return new DeltaBlock(layout);
}
