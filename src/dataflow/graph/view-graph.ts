/**
 * One view's running dataflow: its operators in topological order, its output rows and its errors.
 *
 * A *push* brings the delta of one base table (or of a view below) and runs, once each, the nodes that depend on it: a straight line, decided at install.
 * `before` runs ahead of the table's own arrangement, `run` after it; the difference matters only to a join of a table with itself.
 * *Hydration* pushes every scan's whole content, one scan occurrence after the other: a row not yet pushed counts as not there, so each pair of rows
 * meets exactly once, in whatever order and in whatever chunks. Small ones come first, so that a row meets as few as it can; of equal ones the last, so that left joins
 * count their matches once, and a join of a table with itself sees its right side whole. Between two chunks the rows below may change: a push then brings what concerns the rows that were pushed before (`port.ts`), and the graph is what it would be over those alone.
 * A fault here (an operator's bug, memory, a deadline) is this view's alone: `dataflow.ts` marks it and never runs it again. Promises: I-1, I-7, I-8.
 */
import { rowLayout, type RowLayout } from '../../values/layout.ts';
import { Arrangement } from '../arrangement/arrangement.ts';
import { consolidator, type Consolidate } from '../arrangement/consolidate.ts';
import type { DeltaBlock } from '../arrangement/delta-block.ts';
import type { Column } from '../../values/type.ts';
import { Effort } from '../effort.ts';
import { FLUSH_BYTES, type Flush } from '../operators/join/flush.ts';
import type { Plan } from '../../plan/plan.ts';
import { DataflowFault } from '../fault.ts';
import { ErrorSet } from './error-set.ts';
import type { GraphNode } from './node.ts';
import type { Observer } from './observer.ts';
import type { Pieces } from './pieces.ts';
import type { Port, Stream } from './port.ts';

export class ViewGraph {
  readonly object: string;
  readonly columns: readonly Column[];
  readonly layout: RowLayout;
  readonly output: Arrangement;
  readonly errors = new ErrorSet();
  readonly effort = new Effort();
  readonly observers = new Set<Observer>();
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
  readonly #programs = new Map<string, GraphNode[]>();
  /** Whose rows have not all been pushed: none, once it is hydrated. */
  #unfinished: Port[] = [];

  /** `key`: columns that tell its rows apart, where some do (`unique-key.ts`). */
  constructor(object: string, columns: readonly Column[], below: readonly ViewGraph[], key: readonly number[] | undefined) {
    this.object = object;
    this.columns = columns;
    this.below = below;
    this.layout = rowLayout(columns.map(({ type }) => type));
    this.output = key === undefined ? Arrangement.counted(this.layout) : Arrangement.keyed(this.layout, key);
    this.#consolidate = consolidator(this.layout);
  }

  get tables(): ReadonlySet<string> {
    return this.root.tables;
  }

  /** Runs what must see the table's arrangement as it was. */
  before(table: string): void {
    for (const node of this.#program(table)) node.before?.();
  }

  run(table: string): void {
    for (const port of this.#unfinished) port.narrow();
    for (const node of this.#program(table)) node.run(true);
    this.#emit();
    this.effort.live();
    for (const port of this.#unfinished) port.clear();
  }

  /** Empties the blocks of a push; after all views have run, because views above read this one's. */
  clear(table: string): void {
    for (const node of this.#program(table)) node.output.clear();
  }

  /** Once, after it is built: each turn pushes one piece. The first turn comes at once; between the others the tables may be stepped. */
  *hydration(pieces: Pieces): Generator<void, void> {
    this.#unfinished = [...this.ports];
    for (const port of this.ports) port.begin();
    for (const node of this.nodes) if (node.join !== undefined) node.join.flush = this.#flushOf(node, pieces.flushBytes ?? FLUSH_BYTES);
    this.effort.begin(pieces, 0);
    for (const node of this.nodes) {
      node.start?.();
      node.run(false);
    }
    this.#emit();
    for (const node of this.nodes) node.output.clear();
    this.effort.live();
    for (const port of this.ports.toReversed().sort((a, b) => a.rowCount - b.rowCount)) {
      const nodes = this.nodes.filter((node) => node.ports.has(port));
      pieces.begin();
      do {
        pieces.interrupt();
        port.read(pieces.rowsMax);
        this.effort.begin(pieces, port.block.length);
        for (const node of nodes) node.run(false);
        this.#emit();
        for (const node of nodes) node.output.clear();
        port.pushed();
        this.effort.live();
        yield;
      } while (!port.isWhole);
      this.#unfinished.splice(this.#unfinished.indexOf(port), 1);
    }
    for (const node of this.nodes) if (node.join !== undefined) node.join.flush = null;
  }

  /** Runs what stands between a node's output and the view, as often as there is too much of it. One scan is pushed: what else is under way came of it, too, and goes along. */
  #flushOf(from: GraphNode, flushBytes: number): Flush {
    const filled = new Set([from.output]);
    const above = this.nodes.filter((node) => {
      const reads = node.reads.some((block) => filled.has(block));
      if (reads) filled.add(node.output);
      return reads;
    });
    const taken = new Set(above.flatMap(({ reads }) => reads));
    const now = (): void => {
      for (const node of above) node.run(false);
      for (const block of taken) block.clear();
      this.#emit();
      this.root.block.clear();
    };
    return { bytesMax: flushBytes, now };
  }

  /** A fault: its rows are not to be trusted, by nobody who reads them. */
  stop(reason: string): void {
    if (this.fault !== null) return;
    this.fault = reason;
    for (const observer of this.observers) observer.fail(new DataflowFault('NOT_FOUND', reason));
    this.observers.clear();
  }

  /** The operator whose state is the largest. */
  largest(): Plan | undefined {
    const [first] = this.nodes.toSorted((a, b) => b.stateBytes() - a.stateBytes());
    return first?.plan;
  }

  stateBytes(): number {
    let bytes = this.output.bytes() + this.errors.bytes();
    for (const node of this.nodes) bytes += node.stateBytes();
    return bytes;
  }

  dispose(): void {
    for (const release of this.releases) release();
  }

  #emit(): void {
    const delta = this.root.block;
    if (delta.length === 0) return;
    if (this.root.consolidated !== true) this.#consolidate(delta);
    this.output.apply(delta);
    for (const observer of this.observers) this.#tell(observer, delta);
  }

  #tell(observer: Observer, delta: DeltaBlock): void {
    try {
      observer.changed(delta, this.output);
    } catch (cause) {
      this.observers.delete(observer);
      observer.fail(cause);
    }
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
