/**
 * The changes of a stretch of log, collected and sorted by the key of the row they touch: what one pass of the fold writes, and what the table reader lays over
 * the stored rows. A visitor of `walk`. Keeps the tables' states as the log's records change them (`table-state.ts`).
 *
 * One change = one entry: key and tuple lie in an arena, numbers in flat arrays; sorted by key, then by age. A TRUNCATE or a removal drops what was collected
 * before it and marks the table's stored rows as gone. A key update that leaves TOAST values unsent needs the old row: `carries` lists those.
 */
import { assert, must } from '../../base/assert.ts';
import { formatLsn, parseLsn, type Lsn } from '../../base/lsn.ts';
import { relationChange } from '../../upstream/shape.ts';
import type { UpstreamTable } from '../../upstream/table.ts';
import { ByteWriter } from '../../wire/bytes.ts';
import {
  DELETE,
  FIRST_TUPLE_OFFSET,
  INSERT,
  NEW_TUPLE,
  OLD_TUPLE,
  parseRelation,
  parseTruncate,
  RELATION,
  relationOid,
  skipTuple,
  TRUNCATE,
  UPDATE,
} from '../../wire/pgoutput.ts';
import type { Cut, LogVisitor } from '../log/transactions.ts';
import { Arena } from './arena.ts';
import type { StoppedFact } from '../log/in-force.ts';
import { broken, cutToJson, entered, isKeyed, keyFlags, withTable, type TableState } from './table-state.ts';
import { hasUnchanged, writeContentKey, writeFilled, writeIdentityKey } from './tuple.ts';

/** What an entry does to its row. */
export const change = {
  insert: 1,
  update: 2,
  delete: 3,
  /** An update in which a TOAST value was not sent: it is taken from the row before. */
  merge: 4,
  /** Keyless tables: one more, one fewer of this very row. */
  more: 5,
  fewer: 6,
} as const;

/** A row whose key changed while a TOAST value was not sent: entry `into` needs the row that entry `from` deletes. */
export interface Carry {
  readonly from: number;
  readonly into: number;
}

/** A record of a copy up to this size is held whole: any offset in it is an offset in a chunk of the arena. */
const COPY_HELD_BYTES_MAX = 4 << 20;

/** A table that takes changes, with what every change of it needs. */
interface Target {
  readonly oid: number;
  readonly keyed: boolean;
  readonly isKey: Uint8Array;
  readonly shape: number;
  readonly appliesFrom: Lsn;
  /** The Relation in force says that its tuples are of another shape than its rows: none is read. */
  readonly otherwise: string | undefined;
}

export interface CopyEnd {
  readonly oid: number;
  /** Offset of the `copied` record. */
  readonly offset: number;
}

export interface ChangesOptions {
  readonly tables: ReadonlyMap<number, TableState>;
  readonly relations: ReadonlyMap<number, Buffer>;
  /** Where the walk begins. */
  readonly from: Cut;
  /** Collect changes of this table alone. */
  readonly only?: number;
  /** `only` is read a second time, for the changes that its copy passed over: the facts are known already. */
  readonly catchingUp?: boolean;
}

export class Changes implements LogVisitor {
  readonly tables: Map<number, TableState>;
  /** The last Relation message of each table, known to us or not. */
  readonly relations: Map<number, Buffer>;
  readonly changedTables = new Set<number>();
  readonly changedRelations = new Set<number>();
  /** Tables whose stored rows are gone before the first entry here. */
  readonly cleared = new Set<number>();
  readonly carries: Carry[] = [];
  /** A copy is complete but the stream brought changes meanwhile: the pass ends here, and catches up. */
  copyEnd: CopyEnd | undefined;
  readonly arena = new Arena();

  readonly #only: number | undefined;
  readonly #catchingUp: boolean;
  /** Catching up began in front of the `table` record: what comes before it belongs to an earlier table of that OID. */
  #beforeItsTable = false;
  #transaction: Cut['transaction'];
  readonly #keys = new ByteWriter(1024);
  readonly #filled = new ByteWriter(1024);
  readonly #targets = new Map<number, Target>();
  readonly #from: Cut;

  constructor(options: ChangesOptions) {
    this.tables = new Map(options.tables);
    this.relations = new Map(options.relations);
    this.#from = options.from;
    this.#transaction = options.from.transaction;
    this.#only = options.only;
    this.#catchingUp = options.catchingUp ?? false;
    if (!this.#catchingUp) return;
    const state = must(this.tables.get(must(options.only, 'the table that catches up')), 'its state');
    this.#beforeItsTable = options.from.offset <= state.enteredAt;
  }

  begin(commitLsn: Lsn, timestampMicros: bigint): void {
    this.#transaction = { commitLsn, timestampMicros };
  }

  commit(): void {
    this.#transaction = undefined;
  }

  message(kind: number, bytes: Buffer, at: number, end: number): void {
    switch (kind) {
      case RELATION:
        return this.#relation(bytes, at, end);
      case TRUNCATE:
        for (const oid of parseTruncate(bytes, at).oids) if (this.#target(oid) !== undefined) this.#clear(oid);
        return;
      case INSERT: {
        const target = this.#target(relationOid(bytes, at));
        if (target !== undefined) this.#insert(target, bytes, at + FIRST_TUPLE_OFFSET + 1, end);
        return;
      }
      case UPDATE: {
        const target = this.#target(relationOid(bytes, at));
        if (target !== undefined) this.#update(target, bytes, at + FIRST_TUPLE_OFFSET, end);
        return;
      }
      case DELETE: {
        const target = this.#target(relationOid(bytes, at));
        if (target !== undefined) this.#remove(target, bytes, at + FIRST_TUPLE_OFFSET, end);
        return;
      }
    }
  }

  table(table: UpstreamTable, offset: number): void {
    if (table.oid === this.#only) this.#beforeItsTable = false;
    if (this.#isPassedBy(table.oid) || this.#catchingUp) return;
    this.#clear(table.oid);
    this.#become(table.oid, entered(table, offset));
  }

  altered(table: UpstreamTable): void {
    const state = this.#isPassedBy(table.oid) ? undefined : this.tables.get(table.oid);
    if (state !== undefined) this.#become(table.oid, withTable(state, table));
  }

  copy(oid: number, bytes: Buffer, at: number, end: number): void {
    const state = this.tables.get(oid);
    if (state?.state !== 'copying' || this.#isPassedBy(oid) || this.#catchingUp) return;
    const target = this.#targetOf(oid, state);
    const op = insertOf(target);
    // Rows of a copy are held as they come, all at once.
    const held = end - at <= COPY_HELD_BYTES_MAX ? this.arena.hold(bytes, at, end) - at : undefined;
    while (at < end) {
      const next = skipTuple(bytes, at);
      if (held === undefined) this.#insert(target, bytes, at, next);
      else if (this.#writeKey(op, target, bytes, at, next))
        this.arena.addHeld(op, target.shape, oid, this.#keys.bytes, this.#keys.length, held + at, next - at);
      at = next;
    }
  }

  copied(fact: { oid: number; snapshotLsn: Lsn }, offset: number): void {
    const state = this.tables.get(fact.oid);
    if (state?.state !== 'copying' || this.#isPassedBy(fact.oid) || this.#catchingUp) return;
    const copied: TableState = { ...state, snapshotLsn: formatLsn(fact.snapshotLsn) };
    if (state.passedOver !== undefined) {
      this.#become(fact.oid, { ...copied, state: 'catching up' });
      assert(this.copyEnd === undefined, 'two copies ended in one pass');
      this.copyEnd = { oid: fact.oid, offset };
    } else this.#becomeLive(copied);
  }

  removed(oid: number): void {
    if (this.#isPassedBy(oid) || this.#catchingUp) return;
    this.#clear(oid);
    this.tables.delete(oid);
    this.changedTables.add(oid);
    this.#targets.delete(oid);
  }

  stopped({ oid, error }: StoppedFact): void {
    const state = this.#isPassedBy(oid) || this.#catchingUp ? undefined : this.tables.get(oid);
    if (state !== undefined && state.stopped === undefined) this.#become(oid, { ...broken(state, error.message), stopped: error });
  }

  /** The changes passed over during the copy are read again and applied from now on. */
  startCatchingUp(oid: number): void {
    const state = must(this.tables.get(oid), 'the table that catches up');
    this.#become(oid, { ...state, shape: must(state.passedOver, 'what was passed over').shape });
  }

  /** The table is caught up: from here on it follows the stream. */
  finishCatchingUp(oid: number): void {
    const state = this.tables.get(oid);
    if (state?.state === 'catching up') this.#becomeLive(state);
  }

  breakTable(oid: number, reason: string): void {
    const state = this.tables.get(oid);
    if (state !== undefined && state.state !== 'broken') this.#become(oid, broken(state, reason));
  }

  #becomeLive(state: TableState): void {
    const { oid } = state.table;
    const { passedOver: _, ...rest } = state;
    this.#become(oid, { ...rest, state: 'live' });
  }

  #become(oid: number, state: TableState): void {
    this.tables.set(oid, state);
    this.changedTables.add(oid);
    this.#targets.delete(oid);
  }

  #relation(bytes: Buffer, at: number, end: number): void {
    const oid = relationOid(bytes, at);
    if (this.#isPassedBy(oid)) return;
    this.relations.set(oid, Buffer.from(bytes.subarray(at, end)));
    this.changedRelations.add(oid);
    this.#targets.delete(oid);
  }

  #isPassedBy(oid: number): boolean {
    return this.#only !== undefined && (this.#only !== oid || this.#beforeItsTable);
  }

  /** The table, if this change of it counts. */
  #target(oid: number): Target | undefined {
    let target = this.#targets.get(oid);
    if (target === undefined) {
      const state = this.#isPassedBy(oid) ? undefined : this.tables.get(oid);
      if (state === undefined || state.state === 'broken') return undefined;
      if (state.state === 'copying') {
        if (state.passedOver === undefined)
          this.#become(oid, { ...state, passedOver: { since: cutToJson(this.#from), shape: state.shape } });
        return undefined;
      }
      target = this.#targetOf(oid, state);
      this.#targets.set(oid, target);
    }
    if (this.#transaction!.commitLsn < target.appliesFrom) return undefined;
    if (target.otherwise === undefined) return target;
    this.breakTable(oid, target.otherwise);
    return undefined;
  }

  #targetOf(oid: number, state: TableState): Target {
    const appliesFrom = state.snapshotLsn === undefined ? 0n : parseLsn(state.snapshotLsn);
    const relation = this.relations.get(oid);
    const otherwise = relation === undefined ? undefined : relationChange(state.table, parseRelation(relation, 0));
    return { oid, keyed: isKeyed(state), isKey: keyFlags(state), shape: state.shape, appliesFrom, otherwise };
  }

  #clear(oid: number): void {
    this.cleared.add(oid);
    this.arena.forget(oid);
  }

  #insert(target: Target, bytes: Buffer, tupleAt: number, end: number): void {
    this.#add(insertOf(target), target, bytes, tupleAt, bytes, tupleAt, end);
  }

  #remove(target: Target, bytes: Buffer, tupleAt: number, end: number): void {
    if (target.keyed) this.#add(change.delete, target, bytes, tupleAt + 1, bytes, end, end);
    else if (bytes[tupleAt] === OLD_TUPLE) this.#add(change.fewer, target, bytes, tupleAt + 1, bytes, tupleAt + 1, end);
    else this.breakTable(target.oid, 'a row was deleted without its old values: it has no key, and its replica identity is not FULL');
  }

  /** `at`: the kind byte of the first tuple: K or O and then N, or N alone. */
  #update(target: Target, bytes: Buffer, at: number, end: number): void {
    const oldKind = bytes[at];
    if (oldKind === NEW_TUPLE) {
      if (!target.keyed)
        return this.breakTable(target.oid, 'a row was updated without its old values: it has no key, and its replica identity is not FULL');
      return void this.#add(hasUnchanged(bytes, at + 1) ? change.merge : change.update, target, bytes, at + 1, bytes, at + 1, end);
    }
    const oldAt = at + 1;
    const oldEnd = skipTuple(bytes, oldAt);
    const newAt = oldEnd + 1;
    let source: Buffer = bytes;
    let tupleAt = newAt;
    let tupleEnd = end;
    let partial = hasUnchanged(bytes, newAt);
    if (partial && oldKind === OLD_TUPLE) {
      // Under FULL the old row has come whole.
      this.#filled.reset();
      writeFilled(this.#filled, bytes, newAt, bytes, oldAt, (column) => column);
      source = this.#filled.bytes;
      tupleAt = 0;
      tupleEnd = this.#filled.length;
      partial = hasUnchanged(source, 0);
    }
    if (!target.keyed) {
      this.#add(change.fewer, target, bytes, oldAt, bytes, oldAt, oldEnd);
      this.#add(change.more, target, source, tupleAt, source, tupleAt, tupleEnd);
      return;
    }
    if (this.#sameKey(target, bytes, oldAt, source, tupleAt))
      return void this.#add(partial ? change.merge : change.update, target, source, tupleAt, source, tupleAt, tupleEnd);
    const from = this.#add(change.delete, target, bytes, oldAt, bytes, oldEnd, oldEnd);
    const into = this.#add(change.insert, target, source, tupleAt, source, tupleAt, tupleEnd);
    if (partial && from >= 0 && into >= 0) this.carries.push({ from, into });
  }

  #sameKey(target: Target, oldBytes: Buffer, oldAt: number, newBytes: Buffer, newAt: number): boolean {
    const { oid, isKey } = target;
    const keys = this.#keys;
    keys.reset();
    if (!writeIdentityKey(keys, oid, oldBytes, oldAt, isKey)) return true;
    const middle = keys.length;
    // A key value that was not sent is the old one.
    if (!writeIdentityKey(keys, oid, newBytes, newAt, isKey)) return true;
    return middle * 2 === keys.length && keys.bytes.compare(keys.bytes, 0, middle, middle, keys.length) === 0;
  }

  /** Returns the entry's number, or −1 when the table broke on it. */
  #add(op: number, target: Target, keyBytes: Buffer, keyAt: number, tupleBytes: Buffer, tupleAt: number, tupleEnd: number): number {
    if (!this.#writeKey(op, target, keyBytes, keyAt, tupleEnd)) return -1;
    return this.arena.add(op, target.shape, target.oid, this.#keys.bytes, this.#keys.length, tupleBytes, tupleAt, tupleEnd);
  }

  /** Puts the row's key into `#keys`; false when the table broke on it. */
  #writeKey(op: number, target: Target, bytes: Buffer, at: number, tupleEnd: number): boolean {
    const keys = this.#keys;
    keys.reset();
    if (op === change.more || op === change.fewer) writeContentKey(keys, target.oid, bytes, at, tupleEnd);
    else if (!writeIdentityKey(keys, target.oid, bytes, at, target.isKey)) {
      // A key longer than about 2 kB is kept out of line, too, and not sent when unchanged.
      this.breakTable(target.oid, 'a key value was not sent');
      return false;
    }
    return true;
  }
}

/** What a row that comes is: the one under its key, or one more. */
function insertOf(target: Target): number {
  return target.keyed ? change.insert : change.more;
}
