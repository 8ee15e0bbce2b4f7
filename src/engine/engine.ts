/**
 * The engine: owns the state (DESIGN 5). Steps committed upstream transactions in commit order, publishes ticks, and between ticks installs views, answers
 * reads and serves subscriptions. All dataflows step together, so reads between ticks agree on one upstream commit (I-2). Lives in the engine worker.
 */
import { must } from '../base/assert.ts';
import { millraceError, type PlainError, reasonOf } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { Logger } from '../base/logging.ts';
import { Dataflow } from '../dataflow/dataflow.ts';
import type { Evaluator } from '../dataflow/expression/contract.ts';
import { DataflowFault } from '../dataflow/fault.ts';
import type { Plan } from '../dataflow/plan/plan.ts';
import type { IngestProgress } from '../ingest/progress.ts';
import { failpoint } from '../store/failpoints.ts';
import { sameCut, type Cut } from '../store/log/transactions.ts';
import type { CatalogObject, Index, MaterializedView, ObjectId, Table } from './catalog.ts';
import type { CatalogStore } from './catalog-store.ts';
import { TickClock } from './clock.ts';
import type { CancelFlags } from './cancel-flags.ts';
import type { Batch } from './encode.ts';
import { Hydrator, type Asked, type HydrationFigures } from './hydrator.ts';
import { liveView, type LiveView } from './live-view.ts';
import { OpenSnapshots } from './open-snapshots.ts';
import { evaluated, finished, interrupter, refuseErrors } from './peeks.ts';
import { expanded, isWholeScan, objectsRead } from '../dataflow/plan/scans.ts';
import { plantWrongRow } from './plant-wrong-row.ts';
import { narrowed } from './point-lookup.ts';
import type { EngineStatus, PeekRequest, PeekResult, SubscribeRequest } from './protocol.ts';
import { tableStatus, viewStatus, type InstalledView } from './engine-status.ts';
import { Readable } from './readable.ts';
import { Recordings } from './recordings.ts';
import type { Stepper, SteppedTable } from './stepper.ts';
import { StoppedTables, takeInAgain } from './stopped-tables.ts';
import { Subscriptions, type SubscriptionOutput } from './subscriptions.ts';
import type { ReadableRows, TableRows } from './table-rows.ts';
import { ViewIndexes } from './view-indexes.ts';
import { Waiting } from './waiting.ts';

/** How long the loop sleeps when nothing comes: marks for idle subscribers, and a look at the sync. */
const IDLE_MS = 250;

export interface EngineParts {
  readonly store: CatalogStore;
  readonly rows: TableRows;
  readonly dataflow: Dataflow;
  readonly evaluator: Evaluator;
  readonly stepper: Stepper;
  readonly progress: IngestProgress;
  readonly output: SubscriptionOutput;
  readonly logger: Logger;
  readonly cancelFlags: CancelFlags;
}

interface Answer {
  readonly batches: Batch[];
  readonly values: (string | null)[][];
  readonly at: Cut;
  readonly lsn: bigint;
}

export class Engine {
  readonly #store: CatalogStore;
  readonly #rows: TableRows;
  readonly #dataflow: Dataflow;
  readonly #evaluator: Evaluator;
  readonly #stepper: Stepper;
  readonly #progress: IngestProgress;
  readonly #clock: TickClock;
  readonly #subscriptions: Subscriptions;
  readonly #recordings = new Recordings();
  readonly #cancelFlags: CancelFlags;
  readonly #waiting: Waiting;
  readonly #logger: Logger;
  readonly #views = new Map<ObjectId, InstalledView>();
  readonly #tables = new Map<ObjectId, Table>();
  readonly #indexes: ViewIndexes;
  readonly #hydrator: Hydrator;
  readonly #snapshots: OpenSnapshots;
  readonly #stopped: StoppedTables;
  readonly #readable: Readable;
  #ticks = 0;
  #running = true;
  #made = 0;

  constructor(parts: EngineParts) {
    this.#store = parts.store;
    this.#rows = parts.rows;
    this.#dataflow = parts.dataflow;
    this.#evaluator = parts.evaluator;
    this.#cancelFlags = parts.cancelFlags;
    this.#snapshots = new OpenSnapshots(parts.rows);
    this.#waiting = new Waiting(parts.cancelFlags);
    this.#indexes = new ViewIndexes(parts.dataflow);
    this.#stepper = parts.stepper;
    this.#readable = new Readable({
      views: this.#views,
      tables: this.#tables,
      dataflow: parts.dataflow,
      stepped: (id) => this.#stepped(id),
    });
    this.#hydrator = new Hydrator({
      ...parts,
      waiting: this.#waiting,
      table: (id) => this.#stepped(id),
      refuse: (plan) => this.#readable.refuseGone(plan),
    });
    this.#progress = parts.progress;
    this.#logger = parts.logger;
    this.#clock = new TickClock(parts.store.timestampCeiling, (ceiling) => parts.store.raiseTimestampCeiling(ceiling));
    this.#subscriptions = new Subscriptions(parts.output);
    this.#stopped = new StoppedTables(
      (table) =>
        [...this.#views.values()].flatMap(({ object }) => (this.#readable.tablesUnder(object.plan).includes(table) ? [object.id] : [])),
      (object, error) => this.#subscriptions.closeAllOf(object, error),
    );
    this.#stepper.onTableChanged = (table) => {
      this.#stopped.note(table);
      this.#waiting.wake();
    };
  }

  /** Rehydrates everything in the catalog at the log's end, then ticks for ever. */
  async attach(objects: readonly CatalogObject[]): Promise<void> {
    for (const object of objects) if (object.kind === 'table') this.#defineTable(object);
    const { committedOffset, committedLsn } = this.#progress.read();
    const startedMs = performance.now();
    this.#stepper.position = await this.#rows.begin(committedOffset);
    this.#stepper.lsn = committedLsn;
    this.#logger.info({ ms: Math.round(performance.now() - startedMs) }, 'log position found');
    const rows = await this.#rows.open(this.#stepper.position);
    this.#logger.info({ ms: Math.round(performance.now() - startedMs) }, 'rows open');
    try {
      for (const [oid, { stopped, ...copied }] of rows.copiedTables()) {
        this.#stepper.copied({ oid, ...copied });
        if (stopped !== undefined) this.#stepper.stopped({ oid, error: stopped });
      }
      const views = objects.filter((object) => object.kind === 'materializedView');
      this.#dataflow.announce(views.map(({ id, plan }) => ({ object: id, plan })));
      for (const view of views) this.#installAtStart(view, rows);
    } finally {
      this.#dataflow.announce([]);
      rows.close();
    }
    for (const object of objects) if (object.kind === 'index') this.#indexes.add(object);
    this.#clock.next();
    void this.#loop();
  }

  // ── ticks ──

  async #loop(): Promise<void> {
    while (this.#running) {
      const { sequence } = this.#progress;
      const { committedOffset, committedLsn, syncedOffset } = this.#progress.read();
      const more = this.#advance(committedOffset, committedLsn);
      this.#subscriptions.synced(syncedOffset);
      if (more) await new Promise<void>((resolve) => setImmediate(resolve));
      else await this.#progress.changed(sequence, IDLE_MS);
    }
  }

  /** One tick, if there is anything for it. True when there is more to do at once. */
  #advance(committedOffset: number, committedLsn: bigint): boolean {
    const stepper = this.#stepper;
    const moved =
      stepper.position.offset < committedOffset &&
      stepper.advance(committedOffset, { bytesMax: limits.tickBytesMax, msMax: limits.tickMsMax });
    const arrived = stepper.position.offset >= committedOffset || !moved;
    // Everything committed upstream before it is here, also where the upstream wrote nothing for us.
    if (arrived && stepper.lsn < committedLsn) {
      stepper.lsn = committedLsn;
      this.#waiting.wake();
    }
    if (moved) {
      this.#ticks++;
      this.#rows.pin(stepper.position);
      this.#waiting.wake();
      this.#stopped.tell();
    }
    if (moved || this.#subscriptions.size > 0) this.#subscriptions.tick(this.#clock.next(), stepper.position.offset);
    return !arrived;
  }

  // ── definitions ──

  commit(put: readonly CatalogObject[], remove: readonly ObjectId[]): void {
    this.#store.commit({ put, remove });
    failpoint('ddl');
  }

  addTables(tables: readonly Table[], alsoPut: readonly CatalogObject[]): void {
    this.commit([...alsoPut, ...tables], []);
    for (const table of tables) this.#defineTable(table);
  }

  async createMaterializedView(view: MaterializedView, asked: Asked, tablesTimeoutMs: number): Promise<HydrationFigures> {
    await this.awaitTables(this.#readable.tablesUnder(view.plan), tablesTimeoutMs, asked.queryId);
    const figures = await this.#bringIn(view.id, view.plan, asked, view.name);
    try {
      this.commit([view], []);
    } catch (error) {
      this.#dataflow.uninstall(view.id);
      throw error;
    }
    this.#views.set(view.id, { object: view, ...figures, reason: undefined });
    return figures;
  }

  /** Between ticks. Its tables are there. */
  async #bringIn(object: string, plan: Plan, asked: Asked, name = object): Promise<HydrationFigures> {
    return this.#hydrator.install({ object, plan, ...asked }).catch((error: unknown) => {
      throw error instanceof DataflowFault ? millraceError('VIEW_NOT_STARTED', { view: name, reason: error.message }, error) : error;
    });
  }

  async createIndex(index: Index, asked: Asked): Promise<void> {
    await this.#indexes.make(index, this.#hydrator, asked);
    this.commit([index], []);
  }

  async drop(ids: readonly ObjectId[]): Promise<void> {
    const [name = ''] = ids.flatMap((id) => this.#views.get(id)?.object.name ?? this.#tables.get(id)?.name ?? []);
    const gone = millraceError('OBJECT_MISSING', { kind: 'relation', name });
    await this.#hydrator.withoutReadersOf(ids, gone, () => {
      this.#store.commit({ remove: ids });
      failpoint('ddl');
      for (const id of ids) this.#remove(id);
    });
    this.#waiting.wake();
  }

  #remove(id: ObjectId): void {
    this.#indexes.drop(id);
    const view = this.#views.get(id);
    const table = this.#tables.get(id);
    const name = view?.object.name ?? table?.name;
    const kind = view === undefined ? 'table' : 'materialized view';
    if (name !== undefined) this.#subscriptions.closeAllOf(id, millraceError('OBJECT_MISSING', { kind, name }).toPlain());
    if (view !== undefined) {
      if (view.reason === undefined) this.#dataflow.uninstall(id);
      this.#views.delete(id);
    }
    if (table !== undefined) {
      this.#tables.delete(id);
      this.#stepper.removeTable(table.upstream.oid);
      this.#dataflow.removeTable(id);
    }
  }

  /** Resolves when the copies of these tables are complete; throws the first one's fault. */
  async awaitTables(ids: readonly ObjectId[], timeoutMs: number, queryId?: number): Promise<void> {
    const copying = (): string[] =>
      ids
        .filter((id) => this.#stepped(id)?.snapshotLsn === undefined && this.#stepped(id)?.fault === undefined)
        .map((id) => this.#tables.get(id)?.name ?? id);
    await this.#waiting.until(
      () => copying().length === 0,
      timeoutMs,
      () => millraceError('STILL_COPYING', { tables: copying() }),
      queryId,
    );
    this.#readable.refuseStopped(ids);
  }

  stopTables(faults: readonly { readonly oid: number; readonly error: PlainError }[]): void {
    for (const fault of faults) this.#stepper.stopped(fault);
    this.#stopped.tell();
  }

  #defineTable(table: Table): void {
    this.#tables.set(table.id, table);
    this.#dataflow.defineTable(table.id, { columns: table.columns, key: table.upstream.key });
    const { id, upstream } = table;
    this.#stepper.addTable({
      id,
      upstream,
      again: takeInAgain(table),
      snapshotLsn: undefined,
      rowsCopied: 0,
      changes: 0,
      fault: undefined,
    });
  }

  #stepped(id: ObjectId): SteppedTable | undefined {
    const table = this.#tables.get(id);
    return table === undefined ? undefined : this.#stepper.tables.get(table.upstream.oid);
  }

  /** A view that cannot be rehydrated is faulty by itself; the others start. */
  #installAtStart(view: MaterializedView, rows: ReadableRows): void {
    const startedMs = performance.now();
    let reason: string | undefined;
    try {
      this.#dataflow.install(view.id, view.plan, this.#hydrate(rows));
    } catch (error) {
      reason = reasonOf(error);
      this.#logger.error({ view: view.name, error: error instanceof Error ? error.stack : reason }, 'a view could not be hydrated');
    }
    const hydrationMs = Math.round(performance.now() - startedMs);
    this.#logger.info({ view: view.name, ms: hydrationMs }, 'view hydrated');
    // Nothing is ticked meanwhile.
    this.#views.set(view.id, { object: view, hydrationMs, longestSliceMs: 0, reason });
  }

  #hydrate(rows: ReadableRows | undefined, interrupt: () => void = () => {}): (table: string) => ReturnType<ReadableRows['read']> {
    return (table) => must(rows, 'the rows').read(must(this.#tables.get(table), `table ${table}`).upstream, interrupt);
  }

  /** Runs `work` between ticks with the rows of tables at hand, as of now; without them where the plan reads no table itself. */
  async #withRows<T>(plan: Plan, work: (rows: ReadableRows | undefined) => T): Promise<T> {
    if (!objectsRead(plan).some((object) => this.#tables.has(object))) return work(undefined);
    const rows = await this.#rows.open(this.#stepper.position);
    try {
      // The engine may have stepped on while the rows were being opened.
      rows.moveTo(this.#stepper.position);
      return work(rows);
    } finally {
      rows.close();
    }
  }

  // ── reads ──

  /** A read shows only what a restart would show again: its answer waits until its cut is synced (docs/decisions). */
  async peek(request: PeekRequest): Promise<PeekResult> {
    const { queryId, timeoutMs, atLeastLsn } = request;
    const interrupt = interrupter(timeoutMs, () => this.#cancelFlags.isCancelled(queryId));
    await this.awaitTables(this.#readable.tablesUnder(request.plan), timeoutMs, queryId);
    if (atLeastLsn !== undefined)
      await this.#waiting.until(
        () => this.#stepper.lsn >= atLeastLsn,
        timeoutMs,
        () => millraceError('RECENCY_TIMED_OUT', { timeoutMs }),
        queryId,
      );
    const snapshot = request.snapshotId === undefined ? undefined : must(this.#snapshots.get(request.snapshotId), 'snapshot');
    const answer =
      (await this.#peekNow(request, interrupt, snapshot?.position)) ??
      (await this.#peekAt(must(snapshot, 'snapshot').position, request, interrupt));
    const timestamp = snapshot?.timestamp ?? this.#clock.last;
    const isSynced = (): boolean => this.#progress.read().syncedOffset >= answer.at.offset;
    await this.#waiting.until(isSynced, timeoutMs, () => millraceError('QUERY_TIMED_OUT', {}), queryId);
    return { batches: answer.batches, values: answer.values, timestamp, lsn: answer.lsn };
  }

  /** undefined: the tick that must be read has passed, perhaps while the rows were being opened. */
  async #peekNow(request: PeekRequest, interrupt: () => void, position: Cut | undefined): Promise<Answer | undefined> {
    const passed = (): boolean => position !== undefined && !sameCut(position, this.#stepper.position);
    if (passed()) return undefined;
    this.#readable.refuseFaulty(request.plan);
    const { plan, finish, format } = request;
    const at = (): { at: Cut; lsn: bigint } => ({ at: this.#stepper.position, lsn: this.#stepper.lsn });
    if (plan.op === 'scan' && this.#dataflow.has(plan.object) && isWholeScan(plan, this.#dataflow.columns(plan.object).length)) {
      refuseErrors(this.#dataflow.errors(plan.object));
      return { ...finished(this.#dataflow.output(plan.object), finish, format, interrupt), ...at() };
    }
    const few = narrowed(plan, this.#dataflow, (object) => this.#indexes.of(object));
    if (few !== undefined) {
      for (const object of objectsRead(plan)) refuseErrors(this.#dataflow.errors(object));
      return { ...evaluated(this.#dataflow, { ...request, plan: few }, this.#hydrate(undefined), interrupt), ...at() };
    }
    return this.#withRows(plan, (rows) =>
      passed() ? undefined : { ...evaluated(this.#dataflow, request, this.#hydrate(rows, interrupt), interrupt), ...at() },
    );
  }

  /** A later statement of a transaction whose tick has passed: computed from the rows as of that tick, beside the live state. */
  async #peekAt(position: Cut, request: PeekRequest, interrupt: () => void): Promise<Answer> {
    const rows = await this.#rows.open(position);
    try {
      const beside = new Dataflow(this.#evaluator);
      for (const table of this.#tables.values()) beside.defineTable(table.id, { columns: table.columns, key: table.upstream.key });
      const plan = expanded(request.plan, (id) => this.#views.get(id)?.object.plan);
      return {
        ...evaluated(beside, { ...request, plan }, this.#hydrate(rows, interrupt), interrupt),
        at: position,
        lsn: this.#stepper.lsn,
      };
    } finally {
      rows.close();
    }
  }

  openSnapshot(snapshotId: number): number {
    this.#snapshots.open(snapshotId, this.#clock.last, this.#stepper.position);
    return this.#clock.last;
  }

  closeSnapshot(snapshotId: number): void {
    this.#snapshots.close(snapshotId);
  }

  // ── subscriptions and audits ──

  async subscribe(request: SubscribeRequest): Promise<number> {
    const { plan, subscriptionId, timeoutMs } = request;
    await this.awaitTables(this.#readable.tablesUnder(plan), timeoutMs, subscriptionId);
    this.#readable.refuseFaulty(plan);
    const object =
      plan.op === 'scan' && this.#dataflow.has(plan.object) && isWholeScan(plan, this.#dataflow.columns(plan.object).length)
        ? plan.object
        : undefined;
    if (object !== undefined) return this.#open(request, liveView(this.#dataflow, object), () => {});
    const name = `subscription ${++this.#made}`;
    await this.#bringIn(name, plan, { queryId: subscriptionId, timeoutMs });
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
    this.#subscriptions.open(request, view, release, timestamp, this.#stepper.position.offset);
    return timestamp;
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
      objects.filter((id) => this.#dataflow.has(id)).map((id) => liveView(this.#dataflow, id)),
    );
    this.#stepper.onTransaction = (commitLsn) => this.#recordings.transaction(commitLsn);
  }

  async readRecording(recordingId: number, object: ObjectId, lsn: bigint, timeoutMs: number): Promise<(string | null)[][]> {
    this.#readable.refuseFaulty({ op: 'scan', object, pick: [], columns: [] });
    await this.#waiting.until(
      () => this.#stepper.lsn >= lsn,
      timeoutMs,
      () => millraceError('RECENCY_TIMED_OUT', { timeoutMs }),
    );
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
    const arranged = new Map<string, number>();
    for (const { object, bytes } of this.#dataflow.arrangements()) arranged.set(object, (arranged.get(object) ?? 0) + bytes);
    return {
      timestamp: this.#clock.last,
      lsn: this.#stepper.lsn,
      ticks: this.#ticks,
      transactions: this.#stepper.transactions,
      changes: this.#stepper.changes,
      committedOffset: this.#progress.read().committedOffset,
      foldedOffset: this.#rows.foldedOffset,
      views: [...this.#views.values()].map((view) =>
        viewStatus(view, this.#dataflow, arranged, this.#readable.faultUnder(view.object.plan)),
      ),
      tables: [...this.#tables.keys()].map((id) => tableStatus(id, must(this.#stepped(id), 'stepped table'), arranged)),
    };
  }

  plantWrongRow(object: ObjectId): void {
    plantWrongRow(this.#dataflow.output(object));
  }

  /** The source is gone: log and rows are closed, the catalog stays. */
  async detach(): Promise<void> {
    this.#running = false;
    this.#waiting.wake();
    await this.#hydrator.close(millraceError('NO_SOURCE', { what: 'this statement' }));
    await this.#rows.close();
  }

  async close(): Promise<void> {
    await this.detach();
    await this.#store.close();
  }
}
