/**
 * The clients, and what each of them must have seen. The laws, for every view and table:
 *
 *     a read             =  the upstream at one commit, none older than what anybody was shown before it was asked
 *     a transaction's reads = the upstream at one commit
 *     a subscription's sum behind each of its ticks, and at each mark  =  the upstream at one commit, ever later ones
 *     an audit's record of an LSN  =  the upstream at that LSN
 *     what was read or marked is never taken back, by no kill
 *
 * An error is right where something explains it: a cancel, a drop, a stopped table, a full disk, time.
 */
import { MillraceError, type PlainError } from '../../src/base/errors.ts';
import type { CatalogObject, Index, MaterializedView, ObjectId, Table } from '../../src/catalog/catalog.ts';
import { TABLES } from '../../src/dataflow/testing/random-changes.ts';
import { Choices, randomPlan } from '../../src/dataflow/testing/random-plan.ts';
import { add, bagOfRows, type Bag, type Row } from '../../src/dataflow/testing/rows.ts';
import type { Finish, RowFormat } from '../../src/engine/contract/protocol.ts';
import { PLAN_VERSION, type Plan } from '../../src/plan/plan.ts';
import { objectsRead } from '../../src/plan/scans.ts';
import type { Column } from '../../src/values/type.ts';
import { rowsIn } from '../../src/wire/data-row.ts';
import type { Batch } from '../../src/engine/feeds/encode.ts';
import type { Dice } from './dice.ts';
import type { Life } from './life.ts';
import { commitAt, commitLsn, lsnBehind, upstreamTables, type Upstream } from './upstream.ts';

const TEXT: RowFormat = { kind: 'dataRow', formats: [] };
const VIEWS_MAX = 6;
const SUBSCRIPTIONS_MAX = 4;

export class Difference extends Error {}

/** A client that began with one of these states: what it saw since, added, is the upstream at `commit`, or at a later one. */
interface Candidate {
  readonly base: number | undefined;
  commit: number;
}

interface Subscription {
  readonly id: number;
  readonly plan: Plan;
  readonly progress: boolean;
  readonly sum: Bag;
  candidates: Candidate[];
  /** Of the last row; more of it may come. */
  timestamp: number;
  marked: number;
  /** Ticks that are there, and the commits that they show. */
  readonly settled: { readonly timestamp: number; readonly commit: number }[];
  isEnded: boolean;
  isStalled: boolean;
  untakenBytes: number;
}

export interface ClientsParts {
  readonly dice: Dice;
  readonly upstream: Upstream;
  /** A difference ends the simulation. */
  differs(error: unknown): void;
}

export class Clients {
  readonly #parts: ClientsParts;
  #life!: Life;
  /** Commits that somebody has seen in this life, and that a kill may not take back. */
  #shown = 0;
  #kept = 0;
  #lastId = 0;
  /** Of queries, subscriptions, snapshots, recordings. */
  #lastNumber = 0;
  #tables = new Map<ObjectId, Table>();
  #views = new Map<ObjectId, MaterializedView>();
  #indexes = new Map<ObjectId, Index>();
  /** Never forgotten: an answer about it may be on its way. */
  readonly #plans = new Map<ObjectId, Plan>();
  readonly #tableOf = new Map<ObjectId, number>();
  readonly #gone = new Set<ObjectId>();
  readonly #stopped = new Set<ObjectId>();
  #defined: Promise<void> = Promise.resolve();
  readonly #open = new Map<number, Subscription>();
  /** Queries under way. */
  readonly #asked = new Set<number>();
  readonly #cancelled = new Set<number>();
  /** The catalog's disk was full in this life. */
  wasFull = false;
  comparisons = 0;

  constructor(parts: ClientsParts) {
    this.#parts = parts;
  }

  /** A source with its tables, as CREATE SOURCE leaves it. */
  firstTables(): Table[] {
    return upstreamTables.map((_, index) => this.#makeTable(index));
  }

  begin(life: Life, objects: readonly CatalogObject[]): void {
    this.#life = life;
    this.#shown = this.#kept;
    this.wasFull = false;
    this.#tables = new Map(objects.flatMap((object) => (object.kind === 'table' ? [[object.id, object]] : [])));
    this.#views = new Map(objects.flatMap((object) => (object.kind === 'materializedView' ? [[object.id, object]] : [])));
    this.#indexes = new Map(objects.flatMap((object) => (object.kind === 'index' ? [[object.id, object]] : [])));
    for (const id of [...this.#plans.keys(), ...this.#tableOf.keys()]) {
      if (this.#views.has(id) || this.#tables.has(id)) this.#gone.delete(id);
      else this.#gone.add(id);
    }
    this.#open.clear();
    this.#asked.clear();
    this.#defined = Promise.resolve();
  }

  get isBusy(): boolean {
    return this.#asked.size > 0;
  }

  // ── definitions: one after another, as the main thread has them ──

  createView(): void {
    this.#define(async (queryId, timeoutMs) => {
      const { dice } = this.#parts;
      if (this.#views.size >= VIEWS_MAX) return;
      const plan = this.#randomPlan(2);
      const view: MaterializedView = {
        ...this.#named('materializedView'),
        sql: '',
        columns: plan.columns,
        dependsOn: objectsRead(plan),
        settings: {},
        plan,
        planVersion: PLAN_VERSION,
        upstreamSql: '',
        exactness: 'exact',
        exactnessReasons: [],
      };
      this.#plans.set(view.id, plan);
      const isSmall = dice.chance(0.1);
      const budget = isSmall ? { rowsMax: 3, bytesMax: 1_000 } : { rowsMax: Infinity, bytesMax: Infinity };
      const codes = isSmall ? ['HYDRATION_TOO_LARGE', 'VIEW_TOO_LARGE'] : [];
      await this.#guarded([plan], codes, queryId, async () => {
        await this.#life.ask((engine) => engine.createMaterializedView(view, { queryId, timeoutMs, ...budget }, timeoutMs));
        this.#views.set(view.id, view);
      });
    });
  }

  createIndex(): void {
    this.#define(async (queryId, timeoutMs) => {
      const view = this.#aView();
      if (view === undefined) return;
      const columns = [this.#parts.dice.below(view.columns.length)];
      const index: Index = { ...this.#named('index'), onId: view.id, columns };
      await this.#guarded([this.#scan(view.id, view.columns)], [], queryId, async () => {
        await this.#life.ask((engine) => engine.createIndex(index, { queryId, timeoutMs }));
        this.#indexes.set(index.id, index);
      });
    });
  }

  /** With everything on it. */
  drop(): void {
    this.#define(async (queryId) => {
      const { dice } = this.#parts;
      const all = [...this.#views.keys(), ...this.#indexes.keys(), ...(dice.chance(0.3) ? this.#tables.keys() : [])];
      if (all.length === 0) return;
      const id = dice.of(all);
      const ids = this.#withDependents(id);
      const table = this.#tables.get(id);
      // From now on a reader may hear that they are gone, or still read them.
      for (const one of ids) this.#gone.add(one);
      await this.#guarded([], [], queryId, async () => {
        await this.#life.ask((engine) => engine.drop(ids));
        for (const one of ids) {
          this.#views.delete(one);
          this.#indexes.delete(one);
          this.#tables.delete(one);
        }
        if (table !== undefined) this.#life.ingest.remove(table.upstream.oid);
      });
    });
  }

  addTable(): void {
    this.#define(async (queryId) => {
      const missing = upstreamTables.findIndex(({ oid }) => ![...this.#tables.values()].some(({ upstream }) => upstream.oid === oid));
      if (missing < 0) return;
      const table = this.#makeTable(missing);
      await this.#guarded([], [], queryId, async () => {
        await this.#life.ask((engine) => engine.addTables([table], [], []));
        this.#tables.set(table.id, table);
        this.#life.ingest.copy(table.upstream.oid);
      });
    });
  }

  #define(work: (queryId: number, timeoutMs: number) => Promise<void>): void {
    const life = this.#life;
    const queryId = ++this.#lastNumber;
    const timeoutMs = this.#parts.dice.of([50, 2_000, 60_000]);
    this.#asked.add(queryId);
    this.#defined = this.#defined.then(async () => {
      if (this.#life !== life) return;
      await work(queryId, timeoutMs);
      if (this.#life === life) this.#asked.delete(queryId);
    });
  }

  /** The upstream's table has become another: ingest says so in the log, and whoever reads it hears it. */
  stopTable(): void {
    const [table] = this.#tables.values();
    if (table === undefined) return;
    this.#stopped.add(table.id);
    this.#life.ingest.stop(table.upstream.oid, {
      code: 'TABLE_CHANGED',
      sqlstate: '55000',
      message: 'the table is another one upstream',
    });
  }

  // ── reads ──

  read(): void {
    const { dice, upstream } = this.#parts;
    const view = this.#aView();
    const plan = view !== undefined && dice.chance(0.6) ? this.#scan(view.id, view.columns) : this.#randomPlan(dice.below(3));
    this.#read(plan, dice.chance(0.1) ? commitLsn(upstream.last) : undefined);
  }

  #read(plan: Plan, atLeastLsn?: bigint, exactly?: number): void {
    const shown = this.#shown;
    void this.#query(plan, [], async (queryId, timeoutMs) => {
      const read = await this.#rows(queryId, plan, timeoutMs, atLeastLsn === undefined ? {} : { atLeastLsn });
      if (read === undefined) return;
      const tables = this.#tablesUnder(plan);
      // Of no table: the same at all times.
      if (tables.length === 0) return;
      // Before anything is streamed behind the first copies there is no LSN but theirs.
      const ofCopies = tables.map((table) => this.#life.ingest.snapshotOf(table.upstream.oid));
      const commit = read.lsn === 0n ? Math.max(...ofCopies) : commitAt(read.lsn);
      if (commit < shown)
        throw new Difference(`a read is of commit ${commit} (LSN ${read.lsn}), ${shown} was shown before: ${JSON.stringify(plan)}`);
      if (exactly !== undefined && commit !== exactly)
        throw new Difference(`everything came to rest, and a read is of commit ${commit} of ${exactly}`);
      this.#expect(read.rows, plan, commit, `a read of commit ${commit}`);
      this.#keep(commit);
    });
  }

  /** Several reads of one transaction, while ticks go on. */
  readTransaction(): void {
    const { dice, upstream } = this.#parts;
    const shown = this.#shown;
    const snapshotId = ++this.#lastNumber;
    const plans = Array.from({ length: 2 + dice.below(3) }, () => this.#randomPlan(dice.below(2)));
    const life = this.#life;
    void (async () => {
      await this.#guarded([], [], undefined, () => life.ask((engine) => engine.reads.openSnapshot(snapshotId)));
      // A table whose copy comes later than the tick has no rows as of it.
      let commits = Array.from({ length: upstream.last + 1 - shown }, (_, i) => shown + i);
      for (const plan of plans) {
        await this.#query(plan, ['TABLE_NOT_READABLE'], async (queryId, timeoutMs) => {
          const read = await this.#rows(queryId, plan, timeoutMs, { snapshotId });
          if (read === undefined) return;
          const bag = bagOfRows(read.rows);
          const of = commits.filter((commit) => same(bag, this.#model(plan, commit)));
          this.comparisons++;
          if (of.length === 0) throw new Difference(`a transaction's read is of none of the commits ${commits.join()}: ${show(bag)}`);
          commits = of;
        });
      }
      await this.#guarded([], [], undefined, () => life.ask((engine) => engine.reads.closeSnapshot(snapshotId)));
    })();
  }

  /** Asks for a result, piece by piece; undefined: the client lost interest. */
  async #rows(
    queryId: number,
    plan: Plan,
    timeoutMs: number,
    more: { readonly atLeastLsn?: bigint; readonly snapshotId?: number },
  ): Promise<{ rows: Row[]; lsn: bigint } | undefined> {
    const finish: Finish = { order: [], limit: null, offset: 0, project: plan.columns.map((_, index) => index) };
    const life = this.#life;
    const { batches, resultId, lsn } = await life.ask((engine) =>
      engine.reads.peek({ queryId, plan, finish, format: TEXT, timeoutMs, ...more }),
    );
    const rows = rowsOf(batches);
    for (let isDone = resultId === undefined; !isDone;) {
      if (this.#parts.dice.chance(0.1)) {
        await life.ask((engine) => engine.reads.close(queryId));
        return undefined;
      }
      const next = await life.ask((engine) => engine.reads.next(queryId, timeoutMs));
      rows.push(...rowsOf(next.batches));
      ({ isDone } = next);
    }
    return { rows, lsn };
  }

  cancel(): void {
    const [queryId] = this.#asked;
    if (queryId === undefined) return;
    this.#cancelled.add(queryId);
    this.#life.flags.cancel(queryId);
  }

  status(): void {
    void this.#guarded([], [], undefined, () => this.#life.ask((engine) => engine.status()));
  }

  /** What an audit does: records, asks the upstream where it is, and reads as of there. */
  audit(): void {
    const view = this.#aView();
    if (view === undefined) return;
    const recordingId = ++this.#lastNumber;
    const life = this.#life;
    const plan = this.#scan(view.id, view.columns);
    // Of a view that still waits for its tables there is nothing to compare.
    void this.#query(plan, ['VIEW_FAULTY'], async (_, timeoutMs) => {
      try {
        await life.ask((engine) => engine.beginRecording(recordingId, [view.id]));
        const commit = this.#parts.upstream.last;
        const values = await life.ask((engine) => engine.readRecording(recordingId, view.id, lsnBehind(commit), timeoutMs));
        this.#expect(values, plan, commit, `an audit at commit ${commit}`);
      } finally {
        await life.ask((engine) => engine.endRecording(recordingId));
      }
    });
  }

  // ── subscriptions ──

  subscribe(): void {
    const { dice, upstream } = this.#parts;
    if (this.#open.size >= SUBSCRIPTIONS_MAX) return;
    const view = this.#aView();
    const plan = view !== undefined && dice.chance(0.6) ? this.#scan(view.id, view.columns) : this.#randomPlan(1);
    const snapshot = dice.chance(0.8);
    const progress = dice.chance(0.7);
    const shown = this.#shown;
    void this.#query(plan, [], async (subscriptionId, timeoutMs) => {
      // Rows come before the answer.
      this.#open.set(subscriptionId, {
        id: subscriptionId,
        plan,
        progress,
        sum: new Map(),
        candidates: snapshot ? [{ base: undefined, commit: shown }] : [],
        timestamp: 0,
        marked: 0,
        settled: [],
        isEnded: false,
        isStalled: false,
        untakenBytes: 0,
      });
      const budget = { rowsMax: Infinity, bytesMax: Infinity };
      const request = { subscriptionId, plan, snapshot, progress, timeoutMs, budget, format: TEXT };
      try {
        const { last } = upstream;
        await this.#life.ask((engine) => engine.subscribe(request));
        const subscription = this.#open.get(subscriptionId);
        if (subscription !== undefined && !snapshot)
          for (let base = shown; base <= Math.max(last, upstream.last); base++) subscription.candidates.push({ base, commit: base });
      } catch (error) {
        this.#open.delete(subscriptionId);
        throw error;
      }
    });
  }

  unsubscribe(): void {
    const [subscription] = this.#open.values();
    if (subscription === undefined || this.#asked.has(subscription.id)) return;
    subscription.isEnded = true;
    void this.#guarded([], [], undefined, () => this.#life.ask((engine) => engine.subscriptions.close(subscription.id)));
  }

  /** One stops reading, or goes on. */
  stall(): void {
    if (this.#open.size === 0) return;
    const subscription = this.#parts.dice.of([...this.#open.values()]);
    subscription.isStalled = !subscription.isStalled;
    if (!subscription.isStalled) this.#take(subscription);
  }

  received(subscriptionId: number, { bytes }: Batch): void {
    const subscription = this.#open.get(subscriptionId);
    if (subscription === undefined) return;
    try {
      for (const row of rowsOf([{ bytes }])) this.#receivedRow(subscription, row);
    } catch (error) {
      this.#parts.differs(error);
    }
    subscription.untakenBytes += bytes.length;
    if (!subscription.isStalled) this.#take(subscription);
  }

  ended(subscriptionId: number, error: PlainError | null): void {
    const subscription = this.#open.get(subscriptionId);
    this.#open.delete(subscriptionId);
    if (subscription === undefined || (error === null && subscription.isEnded)) return;
    if (error === null) this.#parts.differs(new Difference('a subscription ended that nobody ended'));
    else this.#explain(MillraceError.fromPlain(error), [subscription.plan], ['SUBSCRIBER_TOO_SLOW'], undefined);
  }

  #take(subscription: Subscription): void {
    const { id, untakenBytes } = subscription;
    subscription.untakenBytes = 0;
    if (untakenBytes > 0) this.#life.toEngine.post(() => this.#life.engine.subscriptions.taken(id, untakenBytes));
  }

  #receivedRow(subscription: Subscription, row: Row): void {
    const timestamp = Number(row[0]);
    const { progress, plan } = subscription;
    if (progress && row[1] === 't') return this.#receivedMark(subscription, timestamp);
    if (timestamp < Math.max(subscription.timestamp, subscription.marked))
      throw new Difference(`a row of ${timestamp} came behind one of ${subscription.timestamp} and a mark of ${subscription.marked}`);
    // Everything before it is there now: whole ticks.
    if (timestamp > subscription.timestamp) this.#settleTick(subscription);
    subscription.timestamp = timestamp;
    const values = row.slice(progress ? 3 : 2);
    if (values.length !== plan.columns.length) throw new Difference('a row of another width');
    add(subscription.sum, values, Number(row[progress ? 2 : 1]));
  }

  /** Nothing before it is still to come, and what was told before it is never taken back. It may lag behind the rows: it waits for our own sync. */
  #receivedMark(subscription: Subscription, timestamp: number): void {
    if (timestamp < subscription.marked) throw new Difference(`a mark of ${timestamp} came behind one of ${subscription.marked}`);
    subscription.marked = timestamp;
    if (timestamp > subscription.timestamp) this.#settleTick(subscription);
    const before = subscription.settled.findLast((one) => one.timestamp < timestamp);
    if (before !== undefined) this.#keep(before.commit);
  }

  /** The sum is the upstream's answer at one commit, not before the last one that it was at. `exactly`: at this one. */
  #settleTick(subscription: Subscription, exactly?: number): void {
    const { plan, sum, timestamp, candidates, settled } = subscription;
    const last = exactly ?? this.#parts.upstream.last;
    if (timestamp === 0 && exactly === undefined) return;
    const left: Candidate[] = [];
    for (const { base, commit: from } of candidates) {
      const total = new Map(base === undefined ? [] : this.#model(plan, base));
      for (const [row, weight] of sum) {
        const both = (total.get(row) ?? 0) + weight;
        if (both === 0) total.delete(row);
        else total.set(row, both);
      }
      let commit = exactly ?? from;
      while (commit <= last && !same(total, this.#model(plan, commit))) commit++;
      if (commit <= last) left.push({ base, commit });
    }
    this.comparisons++;
    subscription.candidates = left;
    if (candidates.length === 0) return;
    if (left.length === 0) {
      const from = Math.min(...candidates.map(({ commit }) => commit));
      const [before, after] = [show(this.#model(plan, from)), show(this.#model(plan, last))];
      throw new Difference(
        `a subscription's sum is of no commit from ${exactly ?? from} to ${last}: ${show(sum)}; at ${from} ${before}, at ${last} ${after}`,
      );
    }
    const commit = Math.min(...left.map((candidate) => candidate.commit));
    settled.push({ timestamp, commit });
    this.#shown = Math.max(this.#shown, commit);
  }

  // ── the end ──

  /** Nothing moves any more: everybody has all that there is. */
  settleSubscriptions(): void {
    for (const subscription of this.#open.values()) {
      subscription.isStalled = false;
      this.#take(subscription);
    }
  }

  checkSubscriptions(): void {
    for (const subscription of this.#open.values())
      if (!this.#asked.has(subscription.id) && !subscription.isEnded) this.#settleTick(subscription, this.#parts.upstream.last);
  }

  /** `exactly`: everything is at this commit. */
  readAll(exactly?: number): void {
    for (const { id, columns } of [...this.#views.values(), ...this.#tables.values()])
      this.#read(this.#scan(id, columns), undefined, exactly);
  }

  // ── inner ──

  #named<K extends string>(kind: K): { kind: K; id: ObjectId; schema: string; name: string; createSql: string } {
    const id = `u${++this.#lastId}`;
    return { kind, id, schema: 'public', name: id, createSql: '' };
  }

  #makeTable(index: number): Table {
    const table: Table = { ...this.#named('table'), sourceId: 's', upstream: upstreamTables[index]!, columns: TABLES[index]!.columns };
    this.#tableOf.set(table.id, index);
    return table;
  }

  #aView(): MaterializedView | undefined {
    return this.#views.size === 0 ? undefined : this.#parts.dice.of([...this.#views.values()]);
  }

  #scan(object: ObjectId, columns: readonly Column[]): Plan {
    return { op: 'scan', object, pick: columns.map((_, index) => index), columns };
  }

  #randomPlan(depth: number): Plan {
    const { dice } = this.#parts;
    const relations = [...this.#tables.values(), ...this.#views.values()].map(({ id, columns }) => ({ object: id, columns }));
    if (relations.length === 0) return { op: 'values', rows: [], columns: TABLES[0]!.columns };
    return randomPlan(new Choices(Array.from({ length: 60 }, () => dice.below(1_000))), relations, depth);
  }

  #withDependents(id: ObjectId): ObjectId[] {
    const indexes = [...this.#indexes.values()].filter(({ onId }) => onId === id).map((index) => index.id);
    const views = [...this.#views.values()].filter(({ dependsOn }) => dependsOn.includes(id));
    return [...new Set([...views.flatMap((view) => this.#withDependents(view.id)), ...indexes, id])];
  }

  #tablesUnder(plan: Plan): Table[] {
    return objectsRead(plan).flatMap((object) => {
      const below = this.#plans.get(object);
      return below === undefined ? (this.#tables.get(object) ?? []) : this.#tablesUnder(below);
    });
  }

  #objectsUnder(plan: Plan): ObjectId[] {
    return objectsRead(plan).flatMap((object) => {
      const below = this.#plans.get(object);
      return below === undefined ? [object] : [object, ...this.#objectsUnder(below)];
    });
  }

  #model(plan: Plan, commit: number): Bag {
    const rows = this.#parts.upstream.rows(
      plan,
      commit,
      (object) => this.#plans.get(object),
      (object) => this.#tableOf.get(object)!,
    );
    let bag = bags.get(rows);
    if (bag === undefined) bags.set(rows, (bag = bagOfRows(rows)));
    return bag;
  }

  #expect(rows: readonly Row[], plan: Plan, commit: number, what: string): void {
    this.comparisons++;
    const bag = bagOfRows(rows);
    const wanted = this.#model(plan, commit);
    if (!same(bag, wanted)) throw new Difference(`${what} has ${show(bag)} instead of ${show(wanted)}: ${JSON.stringify(plan)}`);
  }

  #keep(commit: number): void {
    this.#shown = Math.max(this.#shown, commit);
    this.#kept = Math.max(this.#kept, commit);
  }

  #query(plan: Plan, codes: readonly string[], work: (queryId: number, timeoutMs: number) => Promise<void>): Promise<void> {
    const queryId = ++this.#lastNumber;
    const timeoutMs = this.#parts.dice.of([50, 2_000, 60_000]);
    const life = this.#life;
    this.#asked.add(queryId);
    return this.#guarded([plan], codes, queryId, () => work(queryId, timeoutMs)).finally(() => {
      if (this.#life === life) this.#asked.delete(queryId);
    });
  }

  async #guarded(
    plans: readonly Plan[],
    codes: readonly string[],
    queryId: number | undefined,
    work: () => Promise<unknown>,
  ): Promise<void> {
    const life = this.#life;
    try {
      await work();
    } catch (error) {
      if (this.#life === life) this.#explain(error, plans, codes, queryId);
    }
  }

  /** An error that nothing explains is a difference. */
  #explain(error: unknown, plans: readonly Plan[], codes: readonly string[], queryId: number | undefined): void {
    const code = error instanceof MillraceError ? error.code : undefined;
    const under = plans.flatMap((plan) => this.#objectsUnder(plan));
    const isStopped = under.some((object) => this.#stopped.has(object));
    const isGone = under.some((object) => this.#gone.has(object));
    const isRight =
      code !== undefined &&
      (codes.includes(code) ||
        ['QUERY_TIMED_OUT', 'RECENCY_TIMED_OUT', 'STILL_COPYING', 'READ_OVERTAKEN'].includes(code) ||
        (code === 'QUERY_CANCELLED' && queryId !== undefined && this.#cancelled.has(queryId)) ||
        (code === 'CATALOG_DISK_FULL' && this.wasFull) ||
        (isStopped && ['TABLE_CHANGED', 'TABLE_FAULTY', 'VIEW_FAULTY', 'VIEW_NOT_STARTED'].includes(code)) ||
        (isGone && ['OBJECT_MISSING', 'VIEW_NOT_STARTED', 'QUERY_CANCELLED'].includes(code)));
    if (!isRight) this.#parts.differs(error);
  }
}

const bags = new WeakMap<readonly Row[], Bag>();

function rowsOf(batches: readonly { readonly bytes: Uint8Array }[]): (string | null)[][] {
  return batches.flatMap(({ bytes }) => [...rowsIn(bytes)].map((fields) => fields.map((field) => field?.toString('utf8') ?? null)));
}

function same(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean {
  if (a.size !== b.size) return false;
  for (const [row, weight] of a) if (b.get(row) !== weight) return false;
  return true;
}

function show(bag: ReadonlyMap<string, number>): string {
  const text = [...bag].map(([row, weight]) => (weight === 1 ? row : `${weight} × ${row}`)).join(' ');
  return text.length > 600 ? `${text.slice(0, 600)}… (${bag.size} rows)` : `{ ${text} }`;
}
