/**
 * The room's front door: tables' changes in, views' rows out. The engine calls only this; everything is synchronous.
 *
 *     install(view)  →  insert/update/delete/truncate …  →  step()  →  output(view), errors(view), listeners
 *
 * `step` goes through the changed tables one after another (joins step relation by relation), each a push (`push.ts`). Between steps every view is exact for the changes
 * stepped so far (I-1, I-2).
 */
import { assert, must } from '../base/assert.ts';
import type { RowSpace } from '../values/space.ts';
import type { Column } from '../values/type.ts';
import type { Arrangement } from './arrangement/arrangement.ts';
import type { RowIndex } from './arrangement/row-index.ts';
import type { Evaluator } from './expression/contract.ts';
import { DataflowFault } from './fault.ts';
import { givenRows, type PackedRows } from './tables/given-rows.ts';
import { buildView } from './graph/build.ts';
import type { ViewError } from './graph/error-set.ts';
import { columnsRead, fusedNodes, fusePlan, sharedSides, type Fused, type Objects, type SharedSide } from './graph/fuse.ts';
import { piecesOf, type Pieces } from './graph/pieces.ts';
import type { Observer } from './graph/observer.ts';
import { sharedBy, type Sources, type TableSource } from './graph/sources.ts';
import { uniqueKey } from './graph/unique-key.ts';
import { ViewGraph } from './graph/view-graph.ts';
import { TableLoad, type Hydration, type RowChanges } from './hydration.ts';
import type { Plan } from '../plan/plan.ts';
import { arranged, unarranged } from './tables/table-source.ts';
import { errorsOf, runQuery, UNBOUNDED, type QueryBounds } from './query.ts';
import { pushTable, stopTable, type Table } from './push.ts';
import { TableInput, type OldTuple, type TableShape } from './tables/table.ts';
import type { TupleBatch } from './tables/tuple-source.ts';

/** So that a join's intermediate rows stay bounded however large the step or the table is; long enough for staged loops. */
const PIECE_ROWS_MAX = 8_192;
/** Where there is no join, hydration goes in longer pieces: each touched group shows its row once a piece. */
const LONG_PIECE_ROWS_MAX = 65_536;

export interface DataflowOptions {
  /** Assert weights and consolidation in front of every operator with state (tests, soak). */
  readonly validate?: boolean;
  /** A table's changes are pushed, and its rows hydrated, in pieces of about this many rows. */
  readonly pieceRowsMax?: number;
  /** An operator's name as users know it, for the reason why a view stopped. */
  readonly describe?: (operator: Plan) => string;
}

/** All current rows of a table, for an arrangement that does not exist yet. */
export type Hydrate = (tableObject: string) => Iterable<TupleBatch>;

export interface ArrangementBytes {
  readonly object: string;
  readonly kind: 'table' | 'view';
  readonly bytes: number;
  readonly rows: number;
}

interface InputUse {
  readonly table: Table;
  readonly input: TableInput;
}

interface Installed {
  readonly graph: ViewGraph;
  readonly inputs: readonly InputUse[];
}

interface Hydrating extends Installed {
  readonly hydration: Hydration;
  /** Its graph is built: pushes reach it. */
  isLive: boolean;
}

export class Dataflow implements RowChanges {
  readonly #evaluator: Evaluator;
  readonly #validate: boolean;
  readonly #describe: (operator: Plan) => string;
  readonly #pieceRowsMax: number;
  readonly #longPieceRowsMax: number;
  readonly #tables = new Map<string, Table>();
  /** In the order of installation: a view stands behind those it reads. */
  readonly #views = new Map<string, Installed>();
  readonly #hydrations = new Map<string, Hydrating>();
  readonly #dirty = new Set<string>();
  readonly #given = new Map<string, readonly PackedRows[]>();
  #readers = new Map<string, ViewGraph[]>();
  /** By table: columns that views yet to be installed read. */
  #announced = new Map<string, ReadonlySet<number>>();

  constructor(evaluator: Evaluator, options: DataflowOptions = {}) {
    this.#evaluator = evaluator;
    this.#validate = options.validate ?? false;
    this.#describe = options.describe ?? (({ op }) => op);
    this.#pieceRowsMax = options.pieceRowsMax ?? PIECE_ROWS_MAX;
    this.#longPieceRowsMax = options.pieceRowsMax ?? LONG_PIECE_ROWS_MAX;
  }

  defineTable(object: string, shape: TableShape): void {
    assert(!this.#tables.has(object), `table ${object} is defined twice`);
    this.#tables.set(object, { object, shape, inputs: [], fault: null });
  }

  /** An object whose rows are at hand: for queries asked once, never changed. */
  defineRows(object: string, columns: readonly Column[], blocks: readonly PackedRows[]): void {
    this.defineTable(object, { columns, key: [] });
    this.#given.set(object, blocks);
  }

  /** Views that read it must be uninstalled first. */
  removeTable(object: string): void {
    assert(
      this.#readersOf(object).length === 0 && ![...this.#hydrations.values()].some(({ hydration }) => hydration.reads.has(object)),
      `table ${object} is still read`,
    );
    this.#tables.delete(object);
    this.#dirty.delete(object);
  }

  insert(object: string, bytes: Uint8Array, offset: number): void {
    this.#change(object, (input) => input.insert(bytes, offset));
  }

  update(object: string, bytes: Uint8Array, old: OldTuple, oldOffset: number, newOffset: number): void {
    this.#change(object, (input) => input.update(bytes, old, oldOffset, newOffset));
  }

  delete(object: string, bytes: Uint8Array, old: OldTuple, oldOffset: number): void {
    this.#change(object, (input) => input.delete(bytes, old, oldOffset));
  }

  truncate(object: string): void {
    this.#change(object, (input) => input.truncate());
  }

  /** Applies everything since the last step. */
  step(): void {
    for (const object of this.#dirty) {
      const table = this.#tables.get(object);
      if (table !== undefined && table.fault === null) pushTable(table, this.#readersOf(object), this.#pieceRowsMax, this.#describe);
    }
    this.#dirty.clear();
  }

  /**
   * Views that are going to be installed, in this order; none any more when they are. What one of them arranges of a table has the columns of all, so that the table
   * is read and kept once. (A start; views made one by one each arrange what they need.)
   */
  announce(views: readonly { readonly object: string; readonly plan: Plan }[]): void {
    this.#announced = new Map();
    const tablesOf = new Map<string, ReadonlySet<string>>();
    for (const { object, plan } of views) {
      try {
        const under = new Set<string>();
        for (const [name, columns] of columnsRead(this.#fuse(plan, false, tablesOf))) {
          if (this.#tables.has(name)) {
            under.add(name);
            this.#announced.set(name, new Set([...columns, ...(this.#announced.get(name) ?? NONE)]));
          } else for (const table of tablesOf.get(name) ?? this.#view(name).tables) under.add(table);
        }
        tablesOf.set(object, under);
      } catch {
        // Its installation will fail, too, and say why.
      }
    }
  }

  /** Between steps, in one go. Throws what went wrong (a deadline of the evaluator, memory), and then nothing has changed. */
  install(object: string, plan: Plan, hydrate: Hydrate): void {
    const hydration = this.begin(object, plan);
    try {
      for (const load of hydration.loads) {
        load.rows(hydrate(load.object));
        load.join();
      }
      while (hydration.advance());
      hydration.finish();
    } catch (cause) {
      hydration.abandon();
      throw cause;
    }
  }

  /**
   * Between steps: the first of the turns in which a view comes in, its driver's (`hydration.ts`). Between turns tables are changed and stepped.
   * `pieces`: how much a turn takes on.
   */
  begin(object: string, plan: Plan, pieces?: Pieces): Hydration {
    assert(!this.#views.has(object) && !this.#tables.has(object) && !this.#hydrations.has(object), `${object} is installed twice`);
    this.#assertBetweenSteps();
    const fused = this.#fuse(plan, false);
    const joins = [...fusedNodes(fused)].filter((node) => node.kind === 'join');
    const sides = joins.flatMap(sharedSides);
    const below: ViewGraph[] = [];
    const graph = new ViewGraph(object, plan.columns, below, uniqueKey(fused));
    const inputs: InputUse[] = [];
    const byTable = new Map<string, TableSource>();
    const loads: TableLoad[] = [];
    const reads = columnsRead(fused);
    for (const name of reads.keys()) this.#refuseFault(name);
    for (const [name, columns] of reads) {
      const table = this.#tables.get(name);
      if (table === undefined) {
        below.push(this.#view(name));
        continue;
      }
      const known = table.inputs.find((one) => one.covers(columns));
      const input = known ?? new TableInput(table.shape, [...columns, ...(this.#announced.get(name) ?? NONE)]);
      input.users++;
      inputs.push({ table, input });
      byTable.set(name, arranged(input));
      if (known !== undefined) continue;
      const joinedBy = sides.filter((side) => side.object === name).map(({ keys }) => keys.map((key) => input.columns.indexOf(key)));
      input.arrangement.reserveIndexes(joinedBy);
      loads.push(new TableLoad(name, input, () => table.inputs.push(input)));
    }
    const installed: Installed = { graph, inputs };
    const sources: Sources = { table: (name) => byTable.get(name), view: (name) => this.#view(name) };
    const check = (): void => {
      this.#assertBetweenSteps();
      for (const name of reads.keys()) this.#refuseFault(name);
      if (graph.fault !== null) throw new DataflowFault('NOT_FOUND', graph.fault);
    };
    const turns = this.#turns(
      graph,
      fused,
      sides,
      sources,
      pieces ?? piecesOf(joins.length > 0 ? this.#pieceRowsMax : this.#longPieceRowsMax),
    );
    const hydration: Hydration = {
      loads,
      reads: new Set(reads.keys()),
      check,
      advance() {
        check();
        return turns.next().done !== true;
      },
      cost: () => ({
        pairs: graph.effort.pairs,
        bytes: graph.stateBytes(),
        busiest: () => graph.effort.most(),
        largest: () => graph.largest(),
      }),
      finish: () => {
        check();
        this.#hydrations.delete(object);
        this.#views.set(object, installed);
        this.#readers = new Map();
      },
      abandon: () => {
        this.#hydrations.delete(object);
        this.#readers = new Map();
        this.#release(installed);
      },
    };
    this.#hydrations.set(object, { ...installed, hydration, isLive: false });
    return hydration;
  }

  uninstall(object: string): void {
    const installed = must(this.#views.get(object), `view ${object}`);
    for (const { graph } of [...this.#views.values(), ...this.#hydrations.values()])
      assert(!graph.below.includes(installed.graph), `view ${object} is still read`);
    this.#views.delete(object);
    this.#release(installed);
    this.#readers = new Map();
  }

  /**
   * A query asked once: its rows now, leaving nothing behind. Tables that are arranged are read there, others row by row as they come. `bounds.interrupt` is
   * asked now and then, and throws to give up; more state than `bounds.bytesMax` is MEMORY_EXHAUSTED.
   */
  evaluate(plan: Plan, hydrate: Hydrate, bounds: QueryBounds = UNBOUNDED): { rows: Arrangement; errors: ViewError[] } {
    this.#assertBetweenSteps();
    const fused = this.#fuse(plan, true);
    const below: ViewGraph[] = [];
    const graph = new ViewGraph('query', plan.columns, below, uniqueKey(fused));
    const byTable = new Map<string, TableSource>();
    for (const [name, columns] of columnsRead(fused)) {
      this.#refuseFault(name);
      const table = this.#tables.get(name);
      const known = table?.inputs.find((input) => input.covers(columns));
      if (table === undefined) below.push(this.#view(name));
      else if (known !== undefined) byTable.set(name, arranged(known));
      else if (this.#given.has(name)) byTable.set(name, givenRows(table.shape.columns, [...columns], this.#given.get(name)!));
      else
        byTable.set(
          name,
          unarranged(table.shape, [...columns], () => hydrate(name)),
        );
    }
    const sources: Sources = { table: (name) => byTable.get(name), view: (name) => this.#view(name) };
    runQuery(graph, () => buildView(graph, fused, sources, this.#evaluator, this.#validate), this.#pieceRowsMax, bounds);
    return { rows: graph.output, errors: errorsOf(graph) };
  }

  has(object: string): boolean {
    return this.#views.has(object);
  }

  columns(object: string): readonly Column[] {
    return this.#view(object).columns;
  }

  /** The view's rows, counted. Only to be read, and not across steps. Meaningless while the view is faulty or has errors. */
  output(object: string): Arrangement {
    return this.#view(object).output;
  }

  /** Errors of its rows, and of the views below it; reading it is an error while there are any. */
  errors(object: string): ViewError[] {
    return errorsOf(this.#view(object));
  }

  /** Why a view or table stopped; null while it runs. A faulty view comes back by uninstall and install, a faulty table by removeTable and defineTable. */
  fault(object: string): string | null {
    return this.#tables.get(object)?.fault ?? this.#views.get(object)?.graph.fault ?? null;
  }

  /** Who is told of the view's changes. */
  observers(object: string): Set<Observer> {
    return this.#view(object).observers;
  }

  /** An index for lookups on a view's output; `removeIndex` of the output ends it. */
  addIndex(object: string, columns: readonly number[]): RowIndex {
    return this.#view(object).output.addIndex(columns);
  }

  /** Visits the rows whose columns of `index` are identical to those `keys` (in order) of the row at `row`, which has the layout of the view. */
  lookup(object: string, index: RowIndex, space: RowSpace, row: number, visit: (row: number, weight: number) => void): void {
    const { memory } = this.#view(object).output;
    const hash = index.hash(space, row);
    for (let head = index.table.find(hash); head !== 0; head = index.table.findNext()) {
      if (!index.same(space, row, memory, memory.address(head))) continue;
      for (let id = head; id !== 0; id = index.next(memory, id)) visit(memory.address(id), memory.weight(id));
      return;
    }
  }

  arrangements(): ArrangementBytes[] {
    const list: ArrangementBytes[] = [];
    for (const [object, { inputs }] of this.#tables) {
      for (const input of inputs) list.push({ object, kind: 'table', bytes: input.bytes(), rows: input.arrangement.count });
    }
    for (const { inputs } of this.#hydrations.values()) {
      for (const { table, input } of inputs) {
        if (!table.inputs.includes(input))
          list.push({ object: table.object, kind: 'table', bytes: input.bytes(), rows: input.arrangement.count });
      }
    }
    for (const [object, { graph }] of [...this.#views, ...this.#hydrations]) {
      list.push({ object, kind: 'view', bytes: graph.stateBytes(), rows: graph.output.count });
    }
    return list;
  }

  #view(object: string): ViewGraph {
    return must(this.#views.get(object), `view ${object}`).graph;
  }

  #change(object: string, apply: (input: TableInput) => void): void {
    const table = this.#tables.get(object);
    if (table === undefined || table.fault !== null || table.inputs.length === 0) return;
    this.#dirty.add(object);
    try {
      for (const input of table.inputs) apply(input);
    } catch (cause) {
      stopTable(table, this.#readersOf(object), cause);
    }
  }

  #readersOf(table: string): ViewGraph[] {
    let readers = this.#readers.get(table);
    if (readers === undefined) {
      // Behind all others, because none of them reads them: views that are being hydrated.
      const hydrating = [...this.#hydrations.values()].filter(({ isLive }) => isLive);
      readers = [...this.#views.values(), ...hydrating].map(({ graph }) => graph).filter(({ tables }) => tables.has(table));
      this.#readers.set(table, readers);
    }
    return readers;
  }

  /** The indexes that are not there yet, then the graph's hydration: its ports see nothing before, and live pushes reach it from then on. */
  *#turns(graph: ViewGraph, fused: Fused, sides: readonly SharedSide[], sources: Sources, pieces: Pieces): Generator<void, void> {
    for (const side of sides) {
      const { arrangement, keys } = sharedBy(side, sources);
      const index = arrangement.beginIndex(keys, pieces.movedRowsMax);
      graph.releases.push(() => arrangement.removeIndex(index));
      pieces.begin();
      while (index.limit !== Infinity && !arrangement.extendIndex(index, pieces.rowsMax)) yield;
    }
    buildView(graph, fused, sources, this.#evaluator, this.#validate);
    must(this.#hydrations.get(graph.object), 'hydration').isLive = true;
    this.#readers = new Map();
    yield* graph.hydration(pieces);
  }

  /** `announced`: the tables under views that are not installed yet. */
  #fuse(plan: Plan, once: boolean, announced?: ReadonlyMap<string, ReadonlySet<string>>): Fused {
    const fuse = (arranged: (object: string) => boolean, indexed: Objects['indexed']): Fused =>
      fusePlan(plan, {
        indexed,
        tables: (name) => (this.#tables.has(name) ? new Set([name]) : (announced?.get(name) ?? this.#view(name).tables)),
        arranged,
        isView: (name) => !this.#tables.has(name),
      });
    const fused = fuse(
      () => true,
      () => true,
    );
    if (!once) return fused;
    // What no arrangement covers is read as it comes, so it has none to share; and an index is not made of all rows for one query, in one go.
    const read = columnsRead(fused);
    const inputOf = (name: string): TableInput | undefined =>
      this.#tables.get(name)?.inputs.find((input) => input.covers(read.get(name) ?? []));
    return fuse(
      (name) => !this.#tables.has(name) || inputOf(name) !== undefined,
      (name, keys) => {
        if (!this.#tables.has(name)) return this.#view(name).output.hasIndex(keys);
        const input = inputOf(name);
        return input?.arrangement.hasIndex(keys.map((key) => input.columns.indexOf(key))) ?? false;
      },
    );
  }

  #release({ graph, inputs }: Installed): void {
    graph.dispose();
    for (const { table, input } of inputs) {
      if (--input.users === 0 && table.inputs.includes(input)) table.inputs.splice(table.inputs.indexOf(input), 1);
    }
  }

  #refuseFault(object: string): void {
    const fault = this.fault(object);
    if (fault !== null) throw new DataflowFault('NOT_FOUND', `${object} is faulty: ${fault}`);
  }

  #assertBetweenSteps(): void {
    assert(this.#dirty.size === 0, 'a view is installed between steps');
  }
}

const NONE: ReadonlySet<number> = new Set();
