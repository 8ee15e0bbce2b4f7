/**
 * New views come in between ticks, in slices: what it reads is arranged as of a place in the log and brought up to date from there, then its graph is fed.
 * Keeps I-6 (a tick waits for a slice, however large the tables are) and I-8 (what fails, is cancelled or runs out of time ends that view alone, and leaves nothing behind).
 * One view at a time; the others wait in the order in which they came: one a session at most. Called by the engine for CREATE MATERIALIZED VIEW, CREATE INDEX and SUBSCRIBE.
 */
import { must } from '../../base/assert.ts';
import { millraceError, type MillraceError } from '../../base/errors.ts';
import type { Arrangement } from '../../dataflow/arrangement/arrangement.ts';
import type { RowIndex } from '../../dataflow/arrangement/row-index.ts';
import type { Dataflow } from '../../dataflow/dataflow.ts';
import { DataflowFault } from '../../dataflow/fault.ts';
import type { Hydration, TableLoad } from '../../dataflow/hydration.ts';
import type { Plan } from '../../plan/plan.ts';
import { sameCut } from '../../store/log/transactions.ts';
import type { ObjectId } from '../../catalog/catalog.ts';
import { Replay } from '../source/replay.ts';
import { Slices } from '../ticks/slices.ts';
import type { Time } from '../ticks/time.ts';
import type { Stepper } from '../source/stepper.ts';
import type { Rows } from '../source/table-rows.ts';
import type { Waiting } from '../ticks/waiting.ts';

/** By whom a statement is cancelled, and how long it may take. */
export interface Asked {
  readonly queryId: number;
  readonly timeoutMs: number;
}

/** What bringing in a view may take; Infinity where nothing was asked for. */
export interface HydrationBudget {
  /** Pairs of rows that its joins put together. */
  readonly rowsMax: number;
  /** Of its own state, and of tables that are arranged for it. */
  readonly bytesMax: number;
}

export interface HydrationRequest extends Asked, HydrationBudget {
  readonly object: ObjectId;
  /** For an error. */
  readonly name: string;
  readonly plan: Plan;
}

export interface HydrationFigures {
  readonly hydrationMs: number;
  readonly longestSliceMs: number;
}

export interface HydratorParts {
  readonly dataflow: Dataflow;
  readonly rows: Rows;
  readonly stepper: Stepper;
  readonly waiting: Waiting;
  readonly time: Time;
  /** Throws where something that the plan reads is gone or has failed. */
  refuse(plan: Plan): void;
  /** An operator's name as users know it. */
  describe(operator: Plan): string;
}

interface Running {
  readonly hydration: Hydration;
  /** Why it is to end at its next turn. */
  stopped: MillraceError | undefined;
  readonly ended: Promise<void>;
}

export class Hydrator {
  readonly #parts: HydratorParts;
  /** Whose turn it is, and who waits. */
  readonly #queue: Asked[] = [];
  #running: Running | undefined;
  #closed: MillraceError | undefined;

  constructor(parts: HydratorParts) {
    this.#parts = parts;
  }

  /** Resolves when the view is in the dataflow; otherwise nothing has changed there. */
  async install(request: HydrationRequest): Promise<HydrationFigures> {
    return this.#inTurn(request, async (interrupt) => {
      const { time } = this.#parts;
      const slices = new Slices(time);
      const startedMs = time.nowMs();
      for (;;) {
        try {
          await this.#run(request, slices, interrupt);
          return { hydrationMs: Math.round(time.nowMs() - startedMs), longestSliceMs: Math.round(slices.longestMs) };
        } catch (error) {
          if (!(error instanceof DataflowFault && error.code === 'PIECE_TOO_LARGE')) throw this.#worded(error, request.name);
          slices.pieces.shrink();
          await slices.next();
        }
      }
    });
  }

  #worded(error: unknown, view: string): unknown {
    if (!(error instanceof DataflowFault)) return error;
    const { code, message: reason, operator } = error;
    const where = operator === undefined ? undefined : this.#parts.describe(operator);
    if (code === 'ROW_MEETS_TOO_MANY') return millraceError('JOIN_TOO_WIDE', { view, reason, where: where ?? 'a join' }, error);
    return millraceError('VIEW_NOT_STARTED', { view, reason: where === undefined ? reason : `${reason} in ${where}` }, error);
  }

  /** Throws when more was taken than was given. */
  #refuseOver({ name: view, rowsMax, bytesMax }: HydrationRequest, hydration: Hydration): void {
    const cost = hydration.cost();
    const named = (operator: Plan | undefined): string => (operator === undefined ? 'its rows' : this.#parts.describe(operator));
    if (cost.pairs > rowsMax) throw millraceError('HYDRATION_TOO_LARGE', { view, rowsMax, where: named(cost.busiest()) });
    const bytes = hydration.loads.reduce((sum, load) => sum + load.bytes(), cost.bytes);
    if (bytes > bytesMax) throw millraceError('VIEW_TOO_LARGE', { view, bytesMax, where: named(cost.largest()) });
  }

  /** An index of a view's rows, whole; who asked for it is one of its users. */
  async index(rows: Arrangement, columns: readonly number[], asked: Asked): Promise<RowIndex> {
    return this.#inTurn(asked, async (interrupt) => {
      const slices = new Slices(this.#parts.time);
      const index = rows.beginIndex(columns, slices.pieces.movedRowsMax);
      try {
        while (index.limit !== Infinity && !slices.pieces.timed(() => rows.extendIndex(index, slices.pieces.rowsMax))) {
          if (!slices.isOver) continue;
          await slices.next();
          interrupt();
        }
        return index;
      } catch (error) {
        rows.removeIndex(index);
        throw error;
      }
    });
  }

  /** `work` is given what it asks after every pause: throws when its client gave up, its time is over, or the engine closes. */
  async #inTurn<T>(asked: Asked, work: (interrupt: () => void) => Promise<T>): Promise<T> {
    const { timeoutMs, queryId } = asked;
    const interrupt = this.#parts.waiting.interrupter(queryId, timeoutMs);
    this.#queue.push(asked);
    try {
      const isFirst = (): boolean => this.#queue[0] === asked;
      await this.#parts.waiting.until(isFirst, timeoutMs, () => millraceError('QUERY_TIMED_OUT', {}), queryId);
      return await work(() => {
        if (this.#closed !== undefined) throw this.#closed;
        interrupt();
      });
    } finally {
      this.#queue.splice(this.#queue.indexOf(asked), 1);
      this.#parts.waiting.wake();
    }
  }

  /** These objects go away, by `remove`: what is being made of them ends first. */
  async withoutReadersOf(ids: readonly ObjectId[], error: MillraceError, remove: () => void): Promise<void> {
    for (;;) {
      const running = this.#running;
      if (running === undefined || !ids.some((id) => running.hydration.reads.has(id))) break;
      running.stopped ??= error;
      await running.ended;
    }
    // At once, before the next one begins: it asks first whether what it reads is still there.
    remove();
  }

  /** Nothing runs any more, and nothing begins. */
  async close(error: MillraceError): Promise<void> {
    this.#closed = error;
    await this.#running?.ended;
  }

  async #run(request: HydrationRequest, slices: Slices, interrupt: () => void): Promise<void> {
    const { object, plan } = request;
    const ended = Promise.withResolvers<void>();
    interrupt();
    this.#parts.refuse(plan);
    const hydration = this.#parts.dataflow.begin(object, plan, slices.pieces);
    const running: Running = { hydration, stopped: undefined, ended: ended.promise };
    this.#running = running;
    /** After every pause: also whether what it reads is gone or has failed. */
    const check = (): void => {
      if (running.stopped !== undefined) throw running.stopped;
      interrupt();
      this.#parts.refuse(plan);
      hydration.check();
      this.#refuseOver(request, hydration);
    };
    /** Within a piece nothing else can have happened. */
    slices.pieces.interrupt = () => {
      interrupt();
      this.#refuseOver(request, hydration);
    };
    try {
      for (const load of hydration.loads) await this.#load(load, slices, check);
      while (slices.pieces.timed(() => hydration.advance())) {
        if (!slices.isOver) continue;
        await slices.next();
        check();
      }
      this.#refuseOver(request, hydration);
      hydration.finish();
      slices.end();
    } catch (error) {
      hydration.abandon();
      throw error;
    } finally {
      this.#running = undefined;
      ended.resolve();
    }
  }

  /** A table's rows as of a place in the log, then its changes since: until a slice ends where the engine stands. */
  async #load(load: TableLoad, slices: Slices, check: () => void): Promise<void> {
    const { rows: tableRows, stepper } = this.#parts;
    const table = must(stepper.tables.byId.get(load.object), `table ${load.object}`);
    const rows = await slices.aside(tableRows.open(stepper.position));
    try {
      check();
      for (const batch of rows.read(table.upstream, () => {})) {
        load.rows([batch]);
        if (!slices.isOver) continue;
        await slices.next();
        check();
      }
      const replay = new Replay(rows, load, table);
      // Each slice twice as long as the one before: it arrives, however fast the changes come.
      for (let times = 2; ; times *= 2) {
        replay.advance(stepper.position, () => slices.isOver);
        if (sameCut(replay.position, stepper.position)) break;
        await slices.next(times);
        check();
      }
      load.join();
    } finally {
      rows.close();
    }
  }
}
