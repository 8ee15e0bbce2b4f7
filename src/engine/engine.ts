/**
 * The engine: owns the state (DESIGN 5). Steps committed upstream transactions in commit order, publishes ticks, and between ticks installs views, answers
 * reads and serves subscriptions. All dataflows step together, so reads between ticks agree on one upstream commit (I-2). Lives in the engine worker.
 */
import { assert, must } from '../base/assert.ts';
import { millraceError, MillraceError, type PlainError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { Logger } from '../base/logging.ts';
import type { Evaluator } from '../dataflow/expression/contract.ts';
import { Dataflow } from '../dataflow/graph/dataflow.ts';
import type { ViewGraph } from '../dataflow/graph/view-graph.ts';
import type { Plan } from '../dataflow/plan/plan.ts';
import { IngestProgress } from '../ingest/progress.ts';
import { failpoint } from '../store/failpoints.ts';
import type { CatalogObject, Index, MaterializedView, ObjectId, Table } from './catalog.ts';
import type { CatalogStore } from './catalog-store.ts';
import { TickClock } from './clock.ts';
import { finished, interrupter, refuseErrors } from './peeks.ts';
import type { EngineStatus, PeekRequest, PeekResult, SubscribeRequest, ViewStatus } from './protocol.ts';
import { Recordings } from './recordings.ts';
import { Stepper } from './stepper.ts';
import { Subscriptions, type SubscriptionOutput } from './subscriptions.ts';
import type { ReadableRows, TableRows } from './table-rows.ts';

/** How long the loop sleeps when nothing comes: marks for idle subscribers, and a look at the sync. */
const IDLE_MS = 250;

/** Postgres's own functions under a view's captured settings. */
interface ViewEvaluators {
  for(settings: Readonly<Record<string, string>>): Evaluator;
}

interface InstalledView {
  readonly object: MaterializedView;
  hydrationMs: number;
}

export class Engine {
  readonly #store: CatalogStore;
  readonly #rows: TableRows;
  readonly #dataflow: Dataflow;
  readonly #evaluators: ViewEvaluators;
  readonly #stepper: Stepper;
  readonly #progress: IngestProgress;
  readonly #clock: TickClock;
  readonly #subscriptions: Subscriptions;
  readonly #recordings = new Recordings();
  readonly #logger: Logger;
  readonly #views = new Map<ObjectId, InstalledView>();
  readonly #tables = new Map<ObjectId, Table>();
  readonly #indexes = new Map<ObjectId, Index>();
  readonly #snapshots = new Map<number, { readonly timestamp: number; readonly position: Stepper['position'] }>();
  readonly #cancelled = new Set<number>();
  /** Resolved after every tick and every change of a table's state: whoever waits looks again. */
  #changed = Promise.withResolvers<void>();
  #ticks = 0;
  #running = true;
  #adHoc = 0;

  constructor(parts: {
    store: CatalogStore;
    rows: TableRows;
    evaluators: ViewEvaluators;
    stepper: Stepper;
    dataflow: Dataflow;
    progress: IngestProgress;
    output: SubscriptionOutput;
    logger: Logger;
  }) {
    this.#store = parts.store;
    this.#rows = parts.rows;
    this.#evaluators = parts.evaluators;
    this.#stepper = parts.stepper;
    this.#dataflow = parts.dataflow;
    this.#progress = parts.progress;
    this.#logger = parts.logger;
    this.#clock = new TickClock(parts.store.timestampCeiling, (ceiling) => parts.store.raiseTimestampCeiling(ceiling));
    this.#subscriptions = new Subscriptions(parts.output);
    this.#stepper.onTableChanged = () => this.#wake();
  }

  get progress(): IngestProgress {
    return this.#progress;
  }

  /** Rehydrates everything in the catalog at the log's end, then ticks for ever. */
  async attach(objects: readonly CatalogObject[]): Promise<void> {
    for (const object of objects) if (object.kind === 'table') this.#defineTable(object);
    this.#stepper.position = await this.#rows.begin(this.#progress.read().committedOffset);
    this.#stepper.lsn = this.#progress.read().committedLsn;
    for (const [oid, copied] of await this.#rows.copiedTables()) this.#stepper.copied({ oid, ...copied });
    const views = objects.filter((object) => object.kind === 'materializedView');
    if (views.length > 0) {
      const rows = await this.#rows.open(this.#stepper.position);
      try {
        for (const view of views) this.#installAfresh(view, rows);
      } finally {
        rows.close();
      }
    }
    for (const object of objects) if (object.kind === 'index') this.#addIndex(object);
    this.#clock.next();
    void this.#loop();
  }

  // ── ticks ──

  async #loop(): Promise<void> {
    while (this.#running) {
      const { sequence } = this.#progress;
      const { committedOffset, committedLsn, syncedOffset } = this.#progress.read();
      let worked = false;
      try {
        worked = this.#advance(committedOffset, committedLsn);
      } catch (error) {
        // What was received is safe in the log; nothing further is applied until a restart.
        this.#logger.error({ error: error instanceof Error ? error.stack : String(error) }, 'the engine stopped stepping');
        this.#running = false;
        throw error;
      }
      this.#subscriptions.synced(syncedOffset);
      if (worked) await new Promise<void>((resolve) => setImmediate(resolve));
      else await this.#progress.changed(sequence, IDLE_MS);
    }
  }

  #advance(committedOffset: number, committedLsn: bigint): boolean {
    const stepper = this.#stepper;
    const moved =
      stepper.position.offset < committedOffset &&
      stepper.advance(committedOffset, { bytesMax: limits.tickBytesMax, msMax: limits.tickMsMax });
    if (stepper.position.offset >= committedOffset && stepper.lsn < committedLsn) {
      stepper.lsn = committedLsn;
      this.#wake();
    }
    if (!moved) {
      if (this.#subscriptions.size > 0) this.#subscriptions.tick(this.#clock.next(), stepper.position.offset);
      return false;
    }
    this.#ticks++;
    this.#rows.pin(stepper.position);
    this.#subscriptions.tick(this.#clock.next(), stepper.position.offset);
    this.#wake();
    return stepper.position.offset < committedOffset;
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  /** Waits until `ready` is true, looking after every tick; throws what `late` makes when the time is over. */
  async #until(ready: () => boolean, timeoutMs: number, late: () => MillraceError, queryId?: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!ready()) {
      if (queryId !== undefined && this.#cancelled.delete(queryId)) throw millraceError('QUERY_CANCELLED', {});
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw late();
      const timer = Promise.withResolvers<void>();
      const handle = setTimeout(timer.resolve, Math.min(leftMs, 100));
      await Promise.race([this.#changed.promise, timer.promise]);
      clearTimeout(handle);
    }
  }

  // ── definitions ──

  commit(put: readonly CatalogObject[], remove: readonly ObjectId[]): void {
    this.#store.commit({ put, remove });
    failpoint('ddl');
  }

  addTables(tables: readonly Table[], alsoPut: readonly CatalogObject[]): void {
    for (const table of tables) this.#defineTable(table);
    this.commit([...alsoPut, ...tables], []);
  }

  async createMaterializedView(view: MaterializedView, timeoutMs: number): Promise<number> {
    await this.awaitTables(this.#tablesUnder(view.plan), timeoutMs);
    const rows = await this.#rows.open(this.#stepper.position);
    try {
      this.#install(view, rows);
      try {
        this.commit([view], []);
      } catch (error) {
        this.#uninstall(view.id);
        throw error;
      }
    } finally {
      rows.close();
    }
    return must(this.#views.get(view.id), 'view').hydrationMs;
  }

  createIndex(index: Index): void {
    this.#addIndex(index);
    this.commit([index], []);
  }

  drop(ids: readonly ObjectId[]): void {
    this.#store.commit({ remove: ids });
    failpoint('ddl');
    for (const id of ids) {
      if (this.#views.has(id)) this.#uninstall(id);
      const table = this.#tables.get(id);
      if (table !== undefined) {
        this.#tables.delete(id);
        this.#stepper.removeTable(table.upstream.oid);
        this.#dataflow.removeTable(id);
      }
      this.#indexes.delete(id);
    }
    this.#wake();
  }

  async awaitTables(ids: readonly ObjectId[], timeoutMs: number): Promise<void> {
    const waiting = (): string[] =>
      ids
        .filter((id) => this.#tableState(id)?.snapshotLsn === undefined && this.#tableState(id)?.fault === undefined)
        .map((id) => this.#tables.get(id)?.name ?? id);
    await this.#until(
      () => waiting().length === 0,
      timeoutMs,
      () => millraceError('STILL_COPYING', { tables: waiting() }),
    );
    for (const id of ids) {
      const fault = this.#tableState(id)?.fault;
      if (fault !== undefined) throw MillraceError.fromPlain(fault);
    }
  }

  #defineTable(table: Table): void {
    this.#tables.set(table.id, table);
    this.#dataflow.defineTable(table.id, { columns: table.columns, key: table.upstream.key });
    this.#stepper.addTable({ id: table.id, upstream: table.upstream, snapshotLsn: undefined, rowsCopied: 0, changes: 0, fault: undefined });
  }

  #tableState(id: ObjectId): ReturnType<Stepper['tables']['get']> {
    const table = this.#tables.get(id);
    return table === undefined ? undefined : this.#stepper.tables.get(table.upstream.oid);
  }

  #addIndex(index: Index): void {
    this.#indexes.set(index.id, index);
    if (this.#views.has(index.onId)) this.#dataflow.addIndex(index.onId, index.columns);
  }

  #installAfresh(view: MaterializedView, rows: ReadableRows): void {
    try {
      this.#install(view, rows);
    } catch (error) {
      // A view that cannot be rehydrated is faulty by itself; the others start.
      this.#logger.error({ view: view.name, error: error instanceof Error ? error.stack : String(error) }, 'a view could not be hydrated');
      this.#faults.set(view.id, { object: view, reason: error instanceof Error ? error.message : String(error) });
    }
  }

  /** Views of the catalog that could not be installed at start. */
  readonly #faults = new Map<ObjectId, { readonly object: MaterializedView; readonly reason: string }>();

  #install(view: MaterializedView, rows: ReadableRows): void {
    const startedMs = performance.now();
    this.#dataflow.install(
      view.id,
      view.plan,
      (table) => rows.read(must(this.#tables.get(table), `table ${table}`).upstream.oid),
      this.#evaluators.for(view.settings),
    );
    this.#views.set(view.id, { object: view, hydrationMs: Math.round(performance.now() - startedMs) });
  }

  #uninstall(id: ObjectId): void {
    this.#subscriptions.closeAllOf(
      id,
      millraceError('OBJECT_MISSING', { kind: 'materialized view', name: this.#views.get(id)?.object.name ?? id }).toPlain(),
    );
    this.#dataflow.uninstall(id);
    this.#views.delete(id);
    this.#faults.delete(id);
  }

  #tablesUnder(plan: Plan): ObjectId[] {
    const found = new Set<ObjectId>();
    const visit = (node: Plan): void => {
      if (node.op === 'scan') {
        if (this.#tables.has(node.object)) found.add(node.object);
        const view = this.#views.get(node.object) ?? this.#faults.get(node.object);
        if (view !== undefined) visit(view.object.plan);
      } else if (node.op === 'join') {
        visit(node.left);
        visit(node.right);
      } else if (node.op === 'union') node.inputs.forEach(visit);
      else if (node.op !== 'values') visit(node.input);
    };
    visit(plan);
    return [...found];
  }

  // ── reads ──

  /** A read may show only what a restart shows again: its answer waits until its cut is synced (docs/decisions). */
  async peek(request: PeekRequest): Promise<PeekResult> {
    const interrupt = interrupter(request.timeoutMs, () => this.#cancelled.delete(request.queryId));
    await this.awaitTables(this.#tablesUnder(request.plan), request.timeoutMs);
    const { atLeastLsn } = request;
    if (atLeastLsn !== undefined)
      await this.#until(
        () => this.#stepper.lsn >= atLeastLsn,
        request.timeoutMs,
        () => millraceError('RECENCY_TIMED_OUT', { timeoutMs: request.timeoutMs }),
        request.queryId,
      );
    const snapshot = request.snapshotId === undefined ? undefined : must(this.#snapshots.get(request.snapshotId), 'snapshot');
    const result =
      snapshot === undefined || snapshot.position === this.#stepper.position
        ? await this.#peekNow(request, interrupt)
        : await this.#peekAt(snapshot.position, request, interrupt);
    const timestamp = snapshot?.timestamp ?? this.#clock.last;
    await this.#until(
      () => this.#progress.read().syncedOffset >= result.offset,
      request.timeoutMs,
      () => millraceError('QUERY_TIMED_OUT', {}),
      request.queryId,
    );
    this.#cancelled.delete(request.queryId);
    return { batches: result.batches, values: result.values, timestamp, lsn: result.lsn };
  }

  cancel(queryId: number): void {
    this.#cancelled.add(queryId);
    this.#wake();
  }

  async #peekNow(request: PeekRequest, interrupt: () => void): Promise<Omit<PeekResult, 'timestamp'> & { offset: number }> {
    this.#refuseFaults(request.plan);
    const direct =
      request.plan.op === 'scan' && this.#views.has(request.plan.object) ? this.#dataflow.view(request.plan.object) : undefined;
    const whole =
      direct !== undefined &&
      request.plan.op === 'scan' &&
      request.plan.pick.length === direct.columns.length &&
      request.plan.pick.every((position, i) => position === i);
    const at = (): { offset: number; lsn: bigint } => ({ offset: this.#stepper.position.offset, lsn: this.#stepper.lsn });
    if (direct !== undefined && whole) {
      refuseErrors(errorsOf(direct));
      return { ...finished(direct.output, request.finish, request.format, interrupt), ...at() };
    }
    const rows = await this.#rows.open(this.#stepper.position);
    try {
      // The position may have moved while the rows were opened: they are read as of now.
      rows.moveTo(this.#stepper.position);
      return { ...this.#evaluated(this.#dataflow, request, rows, interrupt), ...at() };
    } finally {
      rows.close();
    }
  }

  /** A later statement of a transaction whose tick has passed: computed from the rows as of that tick, beside the live state. */
  async #peekAt(
    position: Stepper['position'],
    request: PeekRequest,
    interrupt: () => void,
  ): Promise<Omit<PeekResult, 'timestamp'> & { offset: number }> {
    const rows = await this.#rows.open(position);
    try {
      const beside = new Dataflow(this.#evaluators.for(request.settings), { validate: false });
      for (const table of this.#tables.values()) beside.defineTable(table.id, { columns: table.columns, key: table.upstream.key });
      return {
        ...this.#evaluated(beside, { ...request, plan: this.#expanded(request.plan) }, rows, interrupt),
        offset: position.offset,
        lsn: this.#stepper.lsn,
      };
    } finally {
      rows.close();
    }
  }

  #evaluated(
    dataflow: Dataflow,
    request: PeekRequest,
    rows: ReadableRows,
    interrupt: () => void,
  ): { batches: PeekResult['batches']; values: (string | null)[][] } {
    const name = `q${++this.#adHoc}`;
    dataflow.install(
      name,
      request.plan,
      (table) => rows.read(must(this.#tables.get(table), `table ${table}`).upstream.oid),
      this.#evaluators.for(request.settings),
      interrupt,
    );
    try {
      const view = dataflow.view(name);
      refuseErrors(errorsOf(view));
      return finished(view.output, request.finish, request.format, interrupt);
    } finally {
      dataflow.uninstall(name);
    }
  }

  /** The plan over tables alone: materialized views replaced by their own plans. */
  #expanded(plan: Plan): Plan {
    switch (plan.op) {
      case 'scan': {
        const view = this.#views.get(plan.object);
        if (view === undefined) return plan;
        const input = this.#expanded(view.object.plan);
        const expressions = plan.pick.map((position) => ({
          kind: 'column' as const,
          index: position,
          type: input.columns[position]!.type,
        }));
        return { op: 'map', input, expressions, columns: plan.columns };
      }
      case 'values':
        return plan;
      case 'join':
        return { ...plan, left: this.#expanded(plan.left), right: this.#expanded(plan.right) };
      case 'union':
        return { ...plan, inputs: plan.inputs.map((input) => this.#expanded(input)) };
      default:
        return { ...plan, input: this.#expanded(plan.input) };
    }
  }

  #refuseFaults(plan: Plan): void {
    const visit = (node: Plan): void => {
      if (node.op === 'scan') {
        const broken = this.#faults.get(node.object);
        if (broken !== undefined) throw millraceError('VIEW_FAULTY', { view: broken.object.name, reason: broken.reason });
        const installed = this.#views.get(node.object);
        if (installed !== undefined) {
          const { fault } = this.#dataflow.view(node.object);
          if (fault !== null) throw millraceError('VIEW_FAULTY', { view: installed.object.name, reason: fault });
          visit(installed.object.plan);
        }
        const fault = this.#tableState(node.object)?.fault;
        if (fault !== undefined) throw MillraceError.fromPlain(fault);
      } else if (node.op === 'join') {
        visit(node.left);
        visit(node.right);
      } else if (node.op === 'union') node.inputs.forEach(visit);
      else if (node.op !== 'values') visit(node.input);
    };
    visit(plan);
  }

  openSnapshot(snapshotId: number): number {
    this.#snapshots.set(snapshotId, { timestamp: this.#clock.last, position: this.#stepper.position });
    this.#rows.pinSnapshots([...this.#snapshots.values()].map((snapshot) => snapshot.position));
    return this.#clock.last;
  }

  closeSnapshot(snapshotId: number): void {
    this.#snapshots.delete(snapshotId);
    this.#rows.pinSnapshots([...this.#snapshots.values()].map((snapshot) => snapshot.position));
  }

  // ── subscriptions and audits ──

  async subscribe(request: SubscribeRequest): Promise<number> {
    await this.awaitTables(this.#tablesUnder(request.plan), limits.statementTimeoutMsDefault);
    this.#refuseFaults(request.plan);
    const rows = await this.#rows.open(this.#stepper.position);
    try {
      rows.moveTo(this.#stepper.position);
      const name = `s${++this.#adHoc}`;
      this.#dataflow.install(
        name,
        request.plan,
        (table) => rows.read(must(this.#tables.get(table), `table ${table}`).upstream.oid),
        this.#evaluators.for(request.settings),
      );
      const view = this.#dataflow.view(name);
      try {
        refuseErrors(errorsOf(view));
      } catch (error) {
        this.#dataflow.uninstall(name);
        throw error;
      }
      const timestamp = this.#clock.next();
      this.#subscriptions.open(request, view, () => this.#dataflow.uninstall(name), timestamp, this.#stepper.position.offset);
      return timestamp;
    } finally {
      rows.close();
    }
  }

  unsubscribe(subscriptionId: number): void {
    this.#subscriptions.close(subscriptionId);
  }

  taken(subscriptionId: number, bytes: number): void {
    this.#subscriptions.taken(subscriptionId, bytes);
  }

  beginRecording(recordingId: number, objects: readonly ObjectId[]): void {
    this.#recordings.begin(
      recordingId,
      objects.map((id) => this.#dataflow.view(id)),
    );
    this.#stepper.onTransaction = (commitLsn) => this.#recordings.transaction(commitLsn);
  }

  async readRecording(recordingId: number, object: ObjectId, lsn: bigint, timeoutMs: number): Promise<(string | null)[][]> {
    await this.#until(
      () => this.#stepper.lsn >= lsn,
      timeoutMs,
      () => millraceError('RECENCY_TIMED_OUT', { timeoutMs }),
    );
    const view = this.#dataflow.view(object);
    if (view.fault !== null) throw millraceError('VIEW_FAULTY', { view: object, reason: view.fault });
    refuseErrors(errorsOf(view));
    return this.#recordings.contentsAt(recordingId, object, lsn);
  }

  endRecording(recordingId: number): void {
    this.#recordings.end(recordingId);
    if (!this.#recordings.active) this.#stepper.onTransaction = undefined;
  }

  // ── what is seen from outside ──

  status(): EngineStatus {
    const { committedOffset } = this.#progress.read();
    return {
      timestamp: this.#clock.last,
      lsn: this.#stepper.lsn,
      ticks: this.#ticks,
      transactions: this.#stepper.transactions,
      changes: this.#stepper.changes,
      committedOffset,
      foldedOffset: this.#rows.foldedOffset,
      views: [
        ...[...this.#views.values()].map((view) => this.#viewStatus(view)),
        ...[...this.#faults.values()].map(({ object, reason }) => faultyStatus(object.id, reason)),
      ],
      tables: [...this.#tables.values()].map((table) => {
        const stepped = must(this.#stepper.tables.get(table.upstream.oid), 'stepped table');
        return {
          id: table.id,
          state: stepped.fault !== undefined ? 'faulty' : stepped.snapshotLsn === undefined ? 'copying' : 'live',
          error: stepped.fault ?? null,
          arrangedBytes: this.#dataflow.tableBytes(table.id),
          changes: stepped.changes,
          rowsCopied: stepped.rowsCopied,
          snapshotLsn: stepped.snapshotLsn ?? null,
        };
      }),
    };
  }

  #viewStatus({ object, hydrationMs }: InstalledView): ViewStatus {
    const view = this.#dataflow.view(object.id);
    const errors = errorsOf(view);
    return {
      id: object.id,
      state: view.fault === null ? 'live' : 'faulty',
      rows: view.output.count,
      errors: errors.reduce((sum, error) => sum + error.count, 0),
      error:
        view.fault !== null
          ? millraceError('VIEW_FAULTY', { view: object.name, reason: view.fault }).toPlain()
          : errors[0] === undefined
            ? null
            : { code: 'EVALUATION_ERROR', sqlstate: errors[0].sqlstate, message: errors[0].message },
      stateBytes: view.stateBytes(),
      hydrationMs,
    };
  }

  plantWrongRow(object: ObjectId): void {
    assert(process.env['MILLRACE_TEST_FAULTS'] === '1', 'only for tests');
    const { output } = this.#dataflow.view(object);
    let done = false;
    output.forEach((id) => {
      if (!done) output.memory.setWeight(id, output.memory.weight(id) + 1);
      done = true;
    });
  }

  async close(): Promise<void> {
    this.#running = false;
    this.#wake();
    await this.#rows.close();
    await this.#store.close();
  }
}

function errorsOf(view: ViewGraph): ReturnType<ViewGraph['errors']['list']> {
  return [...view.errors.list(), ...view.below.flatMap((below) => errorsOf(below))];
}

function faultyStatus(id: ObjectId, reason: string): ViewStatus {
  const error: PlainError = millraceError('VIEW_FAULTY', { view: id, reason }).toPlain();
  return { id, state: 'faulty', rows: 0, errors: 0, error, stateBytes: 0, hydrationMs: 0 };
}
