/**
 * The engine: owns the state. Steps committed upstream transactions in commit order, publishes ticks, and between ticks installs views, answers
 * reads and serves subscriptions. All dataflows step together, so reads between ticks agree on one upstream commit (I-2). Lives in the engine worker.
 */
import { must } from '../base/assert.ts';
import { millraceError, type MillraceError, type PlainError } from '../base/errors.ts';
import type { Logger } from '../base/logging.ts';
import type { Dataflow, Hydrate } from '../dataflow/dataflow.ts';
import type { Evaluator } from '../dataflow/expression/contract.ts';
import type { Plan } from '../plan/plan.ts';
import { failpoint } from '../store/failpoints.ts';
import { syncedBehind } from '../store/log/transactions.ts';
import type { CatalogObject, Index, MaterializedView, ObjectId, Table } from '../catalog/catalog.ts';
import type { DurableCatalog } from './catalog-store.ts';
import { TickClock } from './ticks/clock.ts';
import type { CancelFlags } from './contract/cancel-flags.ts';
import { Hydrator, type Asked, type HydrationBudget, type HydrationFigures } from './views/hydrator.ts';
import { installAtStart } from './views/install-at-start.ts';
import { liveView, type LiveView } from './views/live-view.ts';
import { refuseErrors } from './reads/peeks.ts';
import { isWholeScan } from '../plan/scans.ts';
import { PendingViews, pendingView } from './views/pending-views.ts';
import { plantWrongRow } from './views/plant-wrong-row.ts';
import type { EngineStatus, SubscribeRequest } from './contract/protocol.ts';
import { objectStatuses, type InstalledView, type StatusParts } from './engine-status.ts';
import { FaultLog } from './ticks/fault-log.ts';
import { Freshness } from './ticks/freshness.ts';
import { QueryWorkers, type QueryWorker } from './reads/query-workers.ts';
import { Reads } from './reads/reads.ts';
import { Readable } from './source/readable.ts';
import { Recordings } from './feeds/recordings.ts';
import type { SourceTables } from './source/source-tables.ts';
import type { Stepper } from './source/stepper.ts';
import { Subscriptions, type SubscriptionOutput } from './feeds/subscriptions.ts';
import type { Rows } from './source/table-rows.ts';
import { TickLoop } from './ticks/tick-loop.ts';
import type { Time } from './ticks/time.ts';
import { Turns } from './ticks/turns.ts';
import { ViewIndexes } from './views/view-indexes.ts';
import { Waiting, type ProgressReader } from './ticks/waiting.ts';

export interface EngineParts {
  readonly store: DurableCatalog;
  readonly rows: Rows;
  readonly dataflow: Dataflow;
  readonly evaluator: Evaluator;
  readonly stepper: Stepper;
  readonly progress: ProgressReader;
  readonly time: Time;
  readonly output: SubscriptionOutput;
  readonly logger: Logger;
  readonly cancelFlags: CancelFlags;
  /** DDL of the upstream's types. */
  readonly types: readonly string[];
  /** An operator's name as users know it. */
  describe(operator: Plan): string;
  startQueryWorker(types: readonly string[]): QueryWorker;
}

export class Engine {
  readonly #parts: EngineParts;
  readonly #dataflow: Dataflow;
  readonly #stepper: Stepper;
  readonly #clock: TickClock;
  readonly subscriptions: Subscriptions;
  readonly #recordings: Recordings;
  readonly #waiting: Waiting;
  readonly #views = new Map<ObjectId, InstalledView>();
  readonly #tables: SourceTables;
  readonly #indexes: ViewIndexes;
  readonly #hydrator: Hydrator;
  readonly #turns: Turns;
  readonly reads: Reads;
  readonly #freshness = new Freshness();
  readonly #statusParts: StatusParts;
  readonly #faultLog: FaultLog;
  readonly #pending: PendingViews;
  readonly #readable: Readable;
  readonly #loop: TickLoop;
  #made = 0;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#dataflow = parts.dataflow;
    this.#turns = new Turns(parts.time);
    this.#waiting = new Waiting(parts.cancelFlags, parts.time);
    this.#indexes = new ViewIndexes(parts.dataflow);
    this.#stepper = parts.stepper;
    this.#tables = parts.stepper.tables;
    this.#readable = new Readable({
      views: this.#views,
      tables: this.#tables,
      dataflow: parts.dataflow,
    });
    this.#hydrator = new Hydrator({
      ...parts,
      waiting: this.#waiting,
      refuse: (plan) => this.#readable.refuseGone(plan),
    });
    this.#clock = new TickClock(parts.store.timestampCeiling, (ceiling) => parts.store.raiseTimestampCeiling(ceiling), parts.time);
    this.#recordings = new Recordings(this.#turns);
    this.subscriptions = new Subscriptions({ ...parts, turns: this.#turns });
    this.reads = new Reads({
      ...parts,
      clock: this.#clock,
      waiting: this.#waiting,
      turns: this.#turns,
      workers: new QueryWorkers({ ...parts, waiting: this.#waiting }, parts.types),
      indexes: this.#indexes,
      views: this.#views,
      tables: this.#tables.byId,
      tablesReady: (plan, timeoutMs, queryId) => this.#awaitRows(plan, timeoutMs, queryId),
      refuseNewer: (plan, lsn) => this.#readable.refuseNewer(plan, lsn),
      refuseFaults: (plan) => this.#readable.refuseFaulty(plan),
    });
    this.#tables.onChanged = () => this.#waiting.wake();
    this.#statusParts = {
      dataflow: parts.dataflow,
      views: () => [...this.#views.values()].filter((view) => view.isPending !== true),
      tables: () => this.#tables.byId.values(),
      stopped: (plan) => this.#readable.faultUnder(plan),
    };
    this.#faultLog = new FaultLog(parts.logger, parts.time, this.#statusParts);
    this.#pending = new PendingViews({
      views: this.#views,
      waiting: this.#waiting,
      time: parts.time,
      isCopied: (view) => this.#isCopied(view),
      bringIn: (view, asked) => this.#bringIn(view.id, view.plan, asked, view.name),
      makeIndex: (index, asked) => this.#indexes.make(index, this.#hydrator, asked),
    });
    this.#loop = new TickLoop({
      ...parts,
      clock: this.#clock,
      subscriptions: this.subscriptions,
      moved: () => {
        this.#parts.rows.pin(this.#stepper.position);
        this.#waiting.wake();
      },
      stepped: () => this.#tellOfStopped(),
      looked: (progress) => {
        this.#freshness.observe(progress, this.#stepper.lsn);
        this.#faultLog.look(this.#clock.fault);
      },
    });
  }

  /** Rehydrates everything in the catalog at the log's end, then ticks for ever. */
  async attach(objects: readonly CatalogObject[]): Promise<void> {
    for (const object of objects) if (object.kind === 'table') this.#defineTable(object);
    const { committedOffset, committedLsn } = this.#parts.progress.read();
    const startedMs = this.#parts.time.nowMs();
    this.#stepper.position = await this.#parts.rows.begin(committedOffset);
    this.#stepper.lsn = committedLsn;
    let pending: MaterializedView[];
    const rows = await this.#parts.rows.open(this.#stepper.position);
    this.#parts.logger.debug({ ms: Math.round(this.#parts.time.nowMs() - startedMs) }, 'rows open');
    try {
      for (const [oid, { stopped, ...copied }] of rows.copiedTables()) {
        this.#tables.copied({ oid, ...copied, rows: undefined });
        if (stopped !== undefined) this.#tables.stop({ oid, error: stopped });
      }
      const all = objects.filter((object) => object.kind === 'materializedView');
      for (const view of all) this.#views.set(view.id, pendingView(view));
      const views = all.filter((view) => this.#isCopied(view));
      pending = all.filter((view) => !views.includes(view));
      this.#dataflow.announce(views.map(({ id, plan }) => ({ object: id, plan })));
      const { time, logger } = this.#parts;
      const hydrate: Hydrate = (table) => rows.read(must(this.#tables.byId.get(table), `table ${table}`).upstream, () => {});
      for (const view of views) this.#views.set(view.id, installAtStart(this.#dataflow, view, hydrate, time, logger));
    } finally {
      this.#dataflow.announce([]);
      rows.close();
    }
    const indexes = objects.filter((object) => object.kind === 'index');
    for (const index of indexes) if (!this.#pending.isPending(index.onId)) this.#indexes.add(index);
    // On a full disk time stands still, and what is here is served.
    if (this.#clock.canTick) this.#clock.next();
    void this.#loop.run();
    void this.#pending.bringIn(pending, indexes, () => this.#loop.isRunning);
  }

  #isCopied({ plan }: MaterializedView): boolean {
    return this.#readable.tablesUnder(plan).every((id) => this.#tables.isCopied(id));
  }

  // ── definitions ──

  nameOf(id: ObjectId): string | undefined {
    return this.#views.get(id)?.object.name ?? this.#tables.byId.get(id)?.name;
  }

  commit(put: readonly CatalogObject[], remove: readonly ObjectId[]): void {
    this.#parts.store.commit({ put, remove });
    failpoint('ddl');
  }

  addTables(tables: readonly Table[], alsoPut: readonly CatalogObject[], types: readonly string[]): void {
    this.commit([...alsoPut, ...tables], []);
    for (const table of tables) this.#defineTable(table);
    this.reads.defineTypes(types);
  }

  async createMaterializedView(view: MaterializedView, asked: Asked & HydrationBudget, tablesTimeoutMs: number): Promise<HydrationFigures> {
    await this.#awaitRows(view.plan, tablesTimeoutMs, asked.queryId);
    const figures = await this.#bringIn(view.id, view.plan, asked, view.name);
    try {
      this.commit([view], []);
    } catch (error) {
      this.#dataflow.uninstall(view.id);
      throw error;
    }
    this.#views.set(view.id, { object: view, ...figures, hydratedAtMs: this.#parts.time.wallMs(), reason: undefined });
    return figures;
  }

  /** Between ticks. Its tables are there. */
  async #bringIn(object: string, plan: Plan, asked: Asked & HydrationBudget, name = object): Promise<HydrationFigures> {
    return this.#hydrator.install({ object, plan, name, ...asked });
  }

  async createIndex(index: Index, asked: Asked): Promise<void> {
    await this.#indexes.make(index, this.#hydrator, asked);
    this.commit([index], []);
  }

  async drop(ids: readonly ObjectId[]): Promise<void> {
    const [name = ''] = ids.flatMap((id) => this.#views.get(id)?.object.name ?? this.#tables.byId.get(id)?.name ?? []);
    const gone = millraceError('OBJECT_MISSING', { kind: 'relation', name });
    await this.#hydrator.withoutReadersOf(ids, gone, () => {
      this.#parts.store.commit({ remove: ids });
      failpoint('ddl');
      for (const id of ids) this.#remove(id);
    });
    this.#waiting.wake();
  }

  #remove(id: ObjectId): void {
    this.#indexes.drop(id);
    const view = this.#views.get(id);
    const table = this.#tables.byId.get(id);
    const name = view?.object.name ?? table?.name;
    const kind = view === undefined ? 'table' : 'materialized view';
    if (name !== undefined) this.subscriptions.closeAllOf(id, millraceError('OBJECT_MISSING', { kind, name }).toPlain());
    if (view !== undefined) {
      if (view.reason === undefined) this.#dataflow.uninstall(id);
      this.#views.delete(id);
    }
    if (table !== undefined) {
      this.#tables.delete(table);
      this.#dataflow.removeTable(id);
    }
  }

  /** Resolves when the copies of these tables are complete; throws the first one's fault. */
  awaitTables(ids: readonly ObjectId[], timeoutMs: number, queryId?: number): Promise<void> {
    return this.#tables.untilCopied(ids, this.#waiting, timeoutMs, queryId);
  }

  /** Of the tables under it, and of views that come in when these are copied. */
  async #awaitRows(plan: Plan, timeoutMs: number, queryId: number): Promise<void> {
    await this.awaitTables(this.#readable.tablesUnder(plan), timeoutMs, queryId);
    await this.#pending.settled(plan, timeoutMs, queryId);
  }

  refuseCopies(refusals: readonly { readonly oid: number; readonly error: PlainError }[]): void {
    this.#tables.refuseCopies(refusals);
  }

  stopTables(faults: readonly { readonly oid: number; readonly error: PlainError }[]): void {
    for (const fault of faults) this.#tables.stop(fault);
    this.#tellOfStopped();
  }

  #defineTable(table: Table): void {
    this.#dataflow.defineTable(table.id, { columns: table.columns, key: table.upstream.key });
    this.#tables.define(table);
  }

  /** Whoever subscribes to something that reads a stopped table hears why nothing more comes. Between ticks: a subscription that ends takes its dataflow along. */
  #tellOfStopped(): void {
    for (const { id, fault } of this.#tables.takeStopped()) {
      if (fault === undefined) continue;
      this.subscriptions.closeAllOf(id, fault);
      for (const { object } of this.#views.values())
        if (this.#readable.tablesUnder(object.plan).includes(id)) this.subscriptions.closeAllOf(object.id, fault);
    }
  }

  // ── reads and subscriptions ──

  async subscribe(request: SubscribeRequest): Promise<number> {
    const { plan, subscriptionId, timeoutMs } = request;
    await this.#awaitRows(plan, timeoutMs, subscriptionId);
    this.#readable.refuseFaulty(plan);
    const object =
      plan.op === 'scan' && this.#dataflow.has(plan.object) && isWholeScan(plan, this.#dataflow.columns(plan.object).length)
        ? plan.object
        : undefined;
    if (object !== undefined) return this.#open(request, liveView(this.#dataflow, object), () => {});
    const name = `subscription ${++this.#made}`;
    await this.#bringIn(name, plan, { queryId: subscriptionId, timeoutMs, ...request.budget });
    try {
      return this.#open(request, liveView(this.#dataflow, name), () => this.#dataflow.uninstall(name));
    } catch (error) {
      this.#dataflow.uninstall(name);
      throw error;
    }
  }

  #open(request: SubscribeRequest, view: LiveView, release: () => void): number {
    refuseErrors(view.errors());
    const timestamp = this.#clock.next();
    this.subscriptions.open(request, view, release, timestamp, syncedBehind(this.#stepper.position));
    return timestamp;
  }

  beginRecording(recordingId: number, objects: readonly ObjectId[]): void {
    this.#recordings.begin(
      recordingId,
      objects.filter((id) => this.#dataflow.has(id)).map((id) => liveView(this.#dataflow, id)),
    );
    this.#stepper.onTransaction = (commitLsn) => this.#recordings.transaction(commitLsn);
  }

  async readRecording(recordingId: number, object: ObjectId, lsn: bigint, timeoutMs: number): Promise<(string | null)[][]> {
    this.#readable.refuseFaulty({ op: 'scan', object, pick: [], columns: [] });
    const late = (): MillraceError => millraceError('RECENCY_TIMED_OUT', { timeoutMs });
    await this.#waiting.until(() => this.#stepper.lsn >= lsn, timeoutMs, late);
    this.#readable.refuseFaulty({ op: 'scan', object, pick: [], columns: [] });
    refuseErrors(this.#dataflow.errors(object));
    return this.#recordings.contentsAt(recordingId, object, lsn);
  }

  endRecording(recordingId: number): void {
    this.#recordings.end(recordingId);
    if (!this.#recordings.active) this.#stepper.onTransaction = undefined;
  }

  // ── what is seen from outside ──

  status(): EngineStatus {
    return {
      timestamp: this.#clock.last,
      lsn: this.#stepper.lsn,
      ticks: this.#loop.ticks,
      transactions: this.#stepper.transactions,
      changes: this.#stepper.changes,
      committedOffset: this.#parts.progress.read().committedOffset,
      foldedOffset: this.#parts.rows.foldedOffset,
      storeErrors: this.#clock.fault === undefined ? [] : [this.#clock.fault.toPlain()],
      caughtUpAtMs: this.#freshness.caughtUpAtMs,
      subscriptions: this.subscriptions.statuses(),
      ...objectStatuses(this.#statusParts),
    };
  }

  plantWrongRow(object: ObjectId): void {
    plantWrongRow(this.#dataflow.output(object));
  }

  /** The source is gone: log and rows are closed, the catalog stays. */
  async detach(): Promise<void> {
    this.#loop.stop();
    this.#waiting.wake();
    await this.reads.closeAll();
    this.subscriptions.closeAll(millraceError('SOURCE_GONE', {}).toPlain());
    await this.#hydrator.close(millraceError('NO_SOURCE', { what: 'this statement' }));
    await this.#parts.rows.close();
  }

  async close(): Promise<void> {
    await this.detach();
    await this.#parts.store.close();
  }
}
