/**
 * The fold: takes a stretch of log, collects its changes, sorts them by key and writes them into the row store in chunks, each a commit that says how far it came.
 * Keeps I-1: a pass that was interrupted is finished first, from the same stretch of log, skipping what is written (`lastKey`), so nothing counts twice, be it
 * a multiset or a TOAST merge. Readers trust rows only when no pass is under way. Driven by `fold-worker.ts`, one step a chunk.
 *
 * A pass: collect and sort → carried values (rows that change their key while TOAST values are unsent) made durable → cleared tables emptied →
 * chunks in key order → the last one moves `foldedTo`.
 */
import { assert } from '../../base/assert.ts';
import { failpoint } from '../failpoints.ts';
import { cutAt, walk, type Cut } from '../log/transactions.ts';
import type { LogReader } from '../log/reader.ts';
import { BlockMerge } from './block-merge.ts';
import { Changes } from './changes.ts';
import { CONTRADICTION, resolveCarries } from './merge.ts';
import type { FoldFacts, RowStore } from './row-store.ts';
import { cutFromJson, cutToJson } from './table-state.ts';

export interface FoldOptions {
  /** Log taken in by one pass: what its memory is bounded by (I-6). */
  readonly passBytesMax?: number;
  /** Changes a commit, about. */
  readonly chunkRowsMax?: number;
  /** Tests make many blocks of few rows. */
  readonly blockBytesMax?: number;
}

const PASS_BYTES_MAX = 128 << 20;
const CHUNK_ROWS_MAX = 50_000;
/** Blocks a commit, 16 MiB of them: each frees a page or takes one. */
const CHUNK_BLOCKS_MAX = 2_000;
/** Rows carried whole in one pass: each may hold a large TOAST value. */
const CARRIES_MAX = 1_000;

export class Fold {
  readonly #rows: RowStore;
  readonly #reader: LogReader;
  readonly #passBytesMax: number;
  readonly #chunkRowsMax: number;
  readonly #merge: BlockMerge;

  constructor(rows: RowStore, reader: LogReader, options: FoldOptions = {}) {
    this.#rows = rows;
    this.#reader = reader;
    this.#passBytesMax = options.passBytesMax ?? PASS_BYTES_MAX;
    this.#chunkRowsMax = options.chunkRowsMax ?? CHUNK_ROWS_MAX;
    this.#merge = new BlockMerge(rows, options.blockBytesMax);
  }

  get foldedTo(): Cut {
    return cutFromJson(this.#rows.facts().foldedTo);
  }

  /** A pass was interrupted, or a table is half caught up: nobody may read yet. */
  get isUnderWay(): boolean {
    const { folding, catchUp } = this.#rows.facts();
    return folding !== undefined || catchUp !== undefined;
  }

  /** No log before this offset is needed any more. */
  get neededFrom(): number {
    const { foldedTo, catchUp } = this.#rows.facts();
    let needed = Math.min(foldedTo.offset, catchUp?.at.offset ?? Infinity);
    for (const state of this.#rows.tables().values())
      if (state.state === 'copying' && state.passedOver !== undefined) needed = Math.min(needed, state.passedOver.since.offset);
    return needed;
  }

  /**
   * One pass over the log up to `limit` (a record boundary; synced, and passed by every reader); Commits are looked for up to `syncedTo`. Yields after each commit; returns whether anything moved.
   * Another pass may be needed to reach `limit`; a pass that moves nothing means that there is nothing whole left before it.
   */
  *pass(limit: number, syncedTo: number = limit): Generator<void, boolean> {
    const facts = this.#rows.facts();
    const { catchUp, folding } = facts;
    const from = cutFromJson(catchUp?.at ?? facts.foldedTo);
    if (folding === undefined && catchUp === undefined && from.offset >= limit) return false;

    const changes = new Changes({
      tables: this.#rows.tables(),
      relations: this.#rows.relations(),
      from,
      ...(catchUp === undefined ? {} : { only: catchUp.oid, catchingUp: true }),
    });
    if (catchUp?.begun === false) changes.startCatchingUp(catchUp.oid);
    const to = this.#collect(changes, from, facts, limit, syncedTo);
    if (folding === undefined && catchUp === undefined && to.offset === from.offset && to.skip === from.skip) return false;
    if (catchUp !== undefined && to.offset >= catchUp.until) changes.finishCatchingUp(catchUp.oid);
    changes.arena.sort();

    const carried = yield* this.#prepare(changes, facts, to);
    yield* this.#write(changes, facts, to, carried);
    failpoint('fold-commit');
    return true;
  }

  #collect(changes: Changes, from: Cut, facts: FoldFacts, limit: number, syncedTo: number): Cut {
    if (facts.folding !== undefined) {
      const to = cutFromJson(facts.folding.to);
      const reached = walk(this.#reader, from, to, changes, { knownTo: syncedTo });
      assert(
        reached.offset === to.offset && reached.skip === to.skip,
        `an interrupted fold went to ${to.offset}, its repetition to ${reached.offset}`,
      );
      return to;
    }
    return walk(this.#reader, from, facts.catchUp === undefined ? limit : cutAt(facts.catchUp.until), changes, {
      knownTo: syncedTo,
      bytesMax: this.#passBytesMax,
      stop: () => changes.copyEnd !== undefined || changes.carries.length >= CARRIES_MAX,
    });
  }

  /** Everything that must be durable before the first row is touched. Returns how many values are carried. */
  *#prepare(changes: Changes, facts: FoldFacts, to: Cut): Generator<void, number> {
    const { arena, carries, cleared } = changes;
    const { folding } = facts;
    if (folding !== undefined) {
      carries.forEach(({ into }, number) => {
        const tuple = this.#rows.carried(number);
        if (tuple !== undefined && tuple.length > 0) arena.replaceTuple(into, tuple);
        else if (!arena.isForgotten(into)) changes.breakTable(arena.oidOf(into), CONTRADICTION.changeOfAbsent);
      });
    } else if (carries.length > 0 || cleared.size > 0) {
      const tuples = resolveCarries(changes, (key) => this.#rows.get(key));
      this.#rows.transaction(() => {
        tuples.forEach((tuple, number) => this.#rows.putCarried(number, tuple));
        this.#rows.putFacts({ ...facts, folding: { to: cutToJson(to), step: 'clear', carried: tuples.length } });
      });
      failpoint('fold-commit');
      yield;
    }
    if (folding?.step !== 'write') {
      for (const oid of cleared) yield* this.#empty(oid);
    }
    return carries.length;
  }

  /** Repeating it does no harm. */
  *#empty(oid: number): Generator<void, void> {
    for (;;) {
      const bounds = this.#rows.boundsOf(oid, CHUNK_BLOCKS_MAX);
      if (bounds.length === 0) return;
      this.#rows.transaction(() => {
        for (const bound of bounds) this.#rows.removeBlock(bound);
      });
      failpoint('fold-commit');
      yield;
    }
  }

  *#write(changes: Changes, facts: FoldFacts, to: Cut, carried: number): Generator<void, void> {
    const { arena } = changes;
    let place = facts.folding?.lastKey === undefined ? 0 : placeBehind(changes, Buffer.from(facts.folding.lastKey, 'base64'));
    for (;;) {
      const last = this.#rows.transaction(() => {
        const contradictions = new Map<number, string>();
        const begun = place;
        let blocks = 0;
        while (place < arena.order.length && place - begun < this.#chunkRowsMax && blocks < CHUNK_BLOCKS_MAX) {
          place = this.#merge.merge(changes, place, this.#chunkRowsMax - (place - begun), contradictions);
          blocks += this.#merge.blocks;
        }
        for (const [oid, reason] of contradictions) this.#rows.putContradiction(oid, reason);
        if (place >= arena.order.length) {
          this.#finish(changes, facts, to, carried);
          return true;
        }
        this.#rows.putFacts({
          ...facts,
          folding: { to: cutToJson(to), step: 'write', lastKey: arena.key(arena.order[place - 1]!).toString('base64'), carried },
        });
        return false;
      });
      if (last) return;
      failpoint('fold-commit');
      yield;
    }
  }

  /** The last commit of a pass, with its last rows. */
  #finish(changes: Changes, facts: FoldFacts, to: Cut, carried: number): void {
    for (const [oid, reason] of this.#rows.contradictions()) {
      changes.breakTable(oid, reason);
      this.#rows.putContradiction(oid, undefined);
    }
    for (const oid of changes.changedTables) this.#rows.putTable(oid, changes.tables.get(oid));
    for (const oid of changes.changedRelations) this.#rows.putRelation(oid, changes.relations.get(oid)!);
    this.#rows.removeCarried(carried);
    this.#rows.putFacts(nextFacts(changes, facts, to));
  }
}

function nextFacts(changes: Changes, facts: FoldFacts, to: Cut): FoldFacts {
  const { catchUp, foldedTo } = facts;
  if (catchUp !== undefined)
    return to.offset >= catchUp.until ? { foldedTo } : { foldedTo, catchUp: { ...catchUp, at: cutToJson(to), begun: true } };
  const { copyEnd } = changes;
  const since = copyEnd === undefined ? undefined : changes.tables.get(copyEnd.oid)?.passedOver?.since;
  if (copyEnd === undefined || since === undefined) return { foldedTo: cutToJson(to) };
  return { foldedTo: cutToJson(to), catchUp: { oid: copyEnd.oid, at: since, until: copyEnd.offset, begun: false } };
}

/** The place of the first entry whose key is greater. */
function placeBehind(changes: Changes, key: Buffer): number {
  const { order } = changes.arena;
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (changes.arena.key(order[middle]!).compare(key) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
