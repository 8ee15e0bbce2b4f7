/**
 * Reads of clients: a whole view and the rows under an index's key from where they lie, anything else computed for the asking; all of one tick (I-2), whose cut is
 * synced before the answer goes (docs/decisions). A result of any size goes out in pieces (`open-results.ts`) while ticks go on. Lives in the engine worker.
 */
import { must } from '../../base/assert.ts';
import { millraceError, MillraceError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { Lsn } from '../../base/lsn.ts';
import type { Dataflow, Hydrate } from '../../dataflow/dataflow.ts';
import type { Plan } from '../../plan/plan.ts';
import { objectsRead } from '../../plan/scans.ts';
import type { IngestProgressValues } from '../../ingest/progress.ts';
import { sameCut, syncedBehind, type Cut } from '../../store/log/transactions.ts';
import { evaluatedBeside, type Begun } from './beside.ts';
import type { ObjectId, Table } from '../../catalog/catalog.ts';
import type { TickClock } from '../ticks/clock.ts';
import type { InstalledView } from '../engine-status.ts';
import { liveView } from '../views/live-view.ts';
import { OpenResults, type NextBatches, type OpenResult } from './open-results.ts';
import { OpenSnapshots } from './open-snapshots.ts';
import { computed, evaluated, refuseErrors } from './peeks.ts';
import { narrowed } from './point-lookup.ts';
import type { Finish, PeekRequest, PeekResult } from '../contract/protocol.ts';
import type { QueryWorker, QueryWorkers } from './query-workers.ts';
import { ResultRows } from './result-rows.ts';
import type { Stepper } from '../source/stepper.ts';
import type { ReadableRows, Rows } from '../source/table-rows.ts';
import type { Time } from '../ticks/time.ts';
import type { Turns } from '../ticks/turns.ts';
import { ViewCursor } from './view-cursor.ts';
import type { ViewIndexes } from '../views/view-indexes.ts';
import type { ProgressReader, Waiting } from '../ticks/waiting.ts';

export interface ReadParts {
  readonly dataflow: Dataflow;
  readonly workers: QueryWorkers;
  readonly stepper: Stepper;
  readonly progress: ProgressReader;
  readonly rows: Rows;
  readonly clock: TickClock;
  readonly waiting: Waiting;
  readonly turns: Turns;
  readonly time: Time;
  readonly indexes: ViewIndexes;
  readonly views: ReadonlyMap<ObjectId, InstalledView>;
  readonly tables: ReadonlyMap<ObjectId, Table>;
  /** Resolves when the tables under the plan are copied. */
  readonly tablesReady: (plan: Plan, timeoutMs: number, queryId: number) => Promise<void>;
  /** Throws when the rows of a table under the plan are newer than this place. */
  readonly refuseNewer: (plan: Plan, lsn: Lsn) => void;
  /** Throws when something under the plan is stopped. */
  readonly refuseFaults: (plan: Plan) => void;
}

/** A result, and the tick that it is of. */
interface Read {
  readonly result: OpenResult;
  readonly at: Cut;
  readonly lsn: bigint;
}

/** What a computed query may take of the ticks' own thread; what needs more goes to a worker, and begins anew there. */
const IN_PLACE_MS = 10;
const IN_PLACE_BYTES_MAX = 32 << 20;

class TakesLonger extends Error {}

export class Reads {
  readonly #parts: ReadParts;
  readonly #snapshots: OpenSnapshots;
  readonly #results: OpenResults;
  /** Results that wait in the worker that made them. */
  readonly #beside = new Map<number, QueryWorker>();

  constructor(parts: ReadParts) {
    this.#parts = parts;
    this.#snapshots = new OpenSnapshots(parts.rows);
    this.#results = new OpenResults(parts.turns);
  }

  async peek(request: PeekRequest): Promise<PeekResult> {
    const { waiting, stepper, clock, progress } = this.#parts;
    const { queryId, timeoutMs, atLeastLsn } = request;
    const interrupt = this.#parts.waiting.interrupter(queryId, timeoutMs);
    const deadlineMs = this.#parts.time.nowMs() + timeoutMs;
    await this.#parts.tablesReady(request.plan, timeoutMs, queryId);
    const late = (): MillraceError => millraceError('RECENCY_TIMED_OUT', { timeoutMs });
    if (atLeastLsn !== undefined) await waiting.until(() => stepper.lsn >= atLeastLsn, timeoutMs, late, queryId);
    const snapshot = request.snapshotId === undefined ? undefined : must(this.#snapshots.get(request.snapshotId), 'snapshot');
    if (snapshot !== undefined) this.#parts.refuseNewer(request.plan, snapshot.lsn);
    const begun =
      (await this.#beginNow(request, interrupt, snapshot?.position)) ??
      (await this.#beginBeside(request, snapshot?.position, interrupt, deadlineMs));
    const timestamp = snapshot?.timestamp ?? clock.last;
    const isSynced = ({ syncedOffset }: IngestProgressValues): boolean => syncedOffset >= syncedBehind(begun.at);
    try {
      await waiting.untilPublished(progress, isSynced, timeoutMs, () => millraceError('QUERY_TIMED_OUT', {}), queryId);
    } catch (error) {
      this.close(queryId);
      throw error;
    }
    const { batches, isDone } = begun.first;
    return { batches, timestamp, lsn: begun.lsn, ...(isDone ? {} : { resultId: queryId }) };
  }

  async next(resultId: number, timeoutMs: number): Promise<NextBatches> {
    const worker = this.#beside.get(resultId);
    if (worker === undefined) return this.#results.next(resultId, this.#parts.waiting.interrupter(resultId, timeoutMs));
    const next = await worker.rpc.call('nextBatches', { resultId, timeoutMs });
    if (next.isDone) this.#beside.delete(resultId);
    return next;
  }

  close(resultId: number): void {
    this.#results.close(resultId);
    const worker = this.#beside.get(resultId);
    if (worker === undefined) return;
    this.#beside.delete(resultId);
    void worker.rpc.call('close', { queryId: resultId }).catch(() => undefined);
  }

  defineTypes(types: readonly string[]): void {
    this.#parts.workers.defineTypes(types);
  }

  async closeAll(): Promise<void> {
    this.#results.closeAll();
    this.#beside.clear();
    await this.#parts.workers.close();
  }

  openSnapshot(snapshotId: number): number {
    const { clock, stepper } = this.#parts;
    this.#snapshots.open(snapshotId, { timestamp: clock.last, position: stepper.position, lsn: stepper.lsn });
    return clock.last;
  }

  closeSnapshot(snapshotId: number): void {
    this.#snapshots.close(snapshotId);
  }

  /** undefined: it takes longer than the ticks can wait, or the tick that must be read has passed, perhaps while the rows were being opened. */
  async #beginNow(request: PeekRequest, interrupt: () => void, position: Cut | undefined): Promise<Begun | undefined> {
    const { stepper, dataflow, refuseFaults } = this.#parts;
    const passed = (): boolean => position !== undefined && !sameCut(position, stepper.position);
    if (passed()) return undefined;
    refuseFaults(request.plan);
    const ofNow = (result: OpenResult): Read => ({ result, at: stepper.position, lsn: stepper.lsn });
    const view = this.#ofLiveView(request);
    // No turn in between: a result in place has its first rows, and hears of changes, from this tick on.
    if (view !== undefined) return this.#begin(request, ofNow(view), interrupt);
    try {
      const few = this.#ofFewRows(request, briefly(this.#parts.time, interrupt));
      if (few !== undefined) return await this.#begin(request, ofNow(few), interrupt);
      const read = await this.#withRows(request.plan, (rows) => {
        if (passed()) return undefined;
        const brief = briefly(this.#parts.time, interrupt);
        return ofNow(computed(evaluated(dataflow, request.plan, this.#hydrate(rows, brief), brief, IN_PLACE_BYTES_MAX), request));
      });
      return read === undefined ? undefined : await this.#begin(request, read, interrupt);
    } catch (error) {
      if (error instanceof TakesLonger || (error instanceof MillraceError && error.code === 'QUERY_TOO_LARGE')) return undefined;
      throw error;
    }
  }

  /** Some or all columns of a running view: its rows, from where they lie. */
  #ofLiveView({ plan, finish, format }: PeekRequest): OpenResult | undefined {
    const { dataflow, views } = this.#parts;
    if (plan.op !== 'scan' || !dataflow.has(plan.object)) return undefined;
    const view = liveView(dataflow, plan.object);
    refuseErrors(view.errors());
    const cursor = new ViewCursor(views.get(plan.object)?.object.name ?? plan.object, view.output, limits.readKeptBytesMax);
    return {
      rows: new ResultRows(cursor, view.output.layout, picked(finish, plan.pick), format),
      release: view.observe(cursor),
    };
  }

  /** What an index finds under the keys that the query names. */
  #ofFewRows(request: PeekRequest, interrupt: () => void): OpenResult | undefined {
    const { dataflow, indexes } = this.#parts;
    const few = narrowed(request.plan, dataflow, (object) => indexes.of(object), interrupt);
    if (few === undefined) return undefined;
    for (const object of objectsRead(request.plan)) refuseErrors(dataflow.errors(object));
    return computed(evaluated(dataflow, few, this.#hydrate(undefined), interrupt, IN_PLACE_BYTES_MAX), request);
  }

  /** In a worker: what takes long, and a later statement of a transaction whose tick has passed. */
  async #beginBeside(request: PeekRequest, position: Cut | undefined, interrupt: () => void, deadlineMs: number): Promise<Begun> {
    const { queryId } = request;
    return this.#parts.workers.run(queryId, deadlineMs, async (worker) => {
      const begun = await evaluatedBeside(worker, this.#parts, request, position, interrupt);
      if (!begun.first.isDone) this.#beside.set(queryId, worker);
      return begun;
    });
  }

  async #begin({ queryId }: PeekRequest, { result, at, lsn }: Read, interrupt: () => void): Promise<Begun> {
    return { first: await this.#results.begin(queryId, result, interrupt), at, lsn };
  }

  #hydrate(rows: ReadableRows | undefined, interrupt: () => void = () => {}): Hydrate {
    return (table) => must(rows, 'the rows').read(must(this.#parts.tables.get(table), `table ${table}`).upstream, interrupt);
  }

  /** Runs `work` between ticks with the rows of tables at hand, as of now; without them where the plan reads no table itself. */
  async #withRows<T>(plan: Plan, work: (rows: ReadableRows | undefined) => T): Promise<T> {
    if (!objectsRead(plan).some((object) => this.#parts.tables.has(object))) return work(undefined);
    const { stepper } = this.#parts;
    const rows = await this.#parts.rows.open(stepper.position);
    try {
      // The engine may have stepped on while the rows were being opened.
      rows.moveTo(stepper.position);
      this.#parts.refuseFaults(plan);
      return work(rows);
    } finally {
      rows.close();
    }
  }
}

/** The same finish over the view's own columns, of which the scan takes these. */
function picked(finish: Finish, pick: readonly number[]): Finish {
  return {
    ...finish,
    order: finish.order.map((key) => ({ ...key, column: pick[key.column]! })),
    project: finish.project.map((position) => pick[position]!),
  };
}

/** The same, but it may not take long. */
function briefly(time: Time, interrupt: () => void): () => void {
  const endMs = time.threadMs() + IN_PLACE_MS;
  return () => {
    interrupt();
    if (time.threadMs() > endMs) throw new TakesLonger();
  };
}
