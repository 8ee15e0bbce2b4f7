/**
 * The row store behind one small interface: rows by key in blocks (`block.ts`), and the facts that are committed together with them (how far they are folded, tables, relations).
 * LMDB with 8 KiB pages (docs/internals/store.md has the measurements). Written by the fold worker alone; read through snapshots by everyone.
 * A `transaction` is on disk when it returns, all of it or nothing.
 */
import { open, type Database, type RootDatabase, type Transaction } from 'lmdb';
import { millraceError, reasonOf } from '../../base/errors.ts';
import { isDiskFull } from '../disk-full.ts';
import { cutAt } from '../log/transactions.ts';
import { BlockReader } from './block.ts';
import { RowScan, ScanHooks, type ScanDatabase } from './row-scan.ts';
import { cutToJson, type CutJson, type TableState } from './table-state.ts';
import { OID_BYTES, tableEnd, tablePrefix } from './tuple.ts';

/** Where the fold stands. */
export interface FoldFacts {
  /** Everything before it is in the rows. */
  readonly foldedTo: CutJson;
  /** A table whose copy is complete and whose passed-over changes are being read again. */
  readonly catchUp?: { readonly oid: number; readonly at: CutJson; readonly until: number; readonly begun: boolean };
  /** A pass under way: between `foldedTo` and `to`, rows up to `lastKey` are new, the others old. Nobody reads them now. */
  readonly folding?: {
    readonly to: CutJson;
    readonly step: 'clear' | 'write';
    /** base64; absent: nothing is written yet. */
    readonly lastKey?: string;
    readonly carried: number;
  };
}

/** A block and what bounds it. */
export interface BlockPlace {
  /** Where it stands; absent, as the block is, when no block of the table begins at or before the key. */
  readonly bound: Buffer | undefined;
  readonly block: Buffer | undefined;
  /** Where the next one of the table stands. */
  readonly next: Buffer | undefined;
}

const PAGE_BYTES = 8192;
/** Six databases are used, one of them twice; LMDB wants to know beforehand. */
const DATABASES_MAX = 8;

const FOLD = 'fold';

export class RowStore {
  readonly #directory: string;
  readonly #environment: RootDatabase<Buffer, Buffer>;
  readonly #blocks: Database<Buffer, Buffer>;
  readonly #scanned: ScanDatabase;
  readonly #scanHooks = new ScanHooks();
  readonly #facts: Database<FoldFacts, string>;
  readonly #tables: Database<TableState, number>;
  readonly #relations: Database<Buffer, number>;
  /** Values carried from one key to another by the pass under way, by their number. */
  readonly #carried: Database<Buffer, number>;
  /** Tables found contradictory by the pass under way. */
  readonly #contradictions: Database<string, number>;

  constructor(directory: string) {
    this.#directory = directory;
    this.#environment = open({
      path: directory,
      pageSize: PAGE_BYTES,
      maxDbs: DATABASES_MAX,
      encoding: 'binary',
      keyEncoding: 'binary',
      noSubdir: false,
    });
    this.#blocks = this.#environment.openDB({ name: 'blocks', encoding: 'binary', keyEncoding: 'binary' });
    this.#scanned = this.#environment.openDB({ name: 'blocks', encoding: 'binary', ...this.#scanHooks.options });
    this.#facts = this.#environment.openDB({ name: 'facts', encoding: 'json' });
    this.#tables = this.#environment.openDB({ name: 'tables', encoding: 'json' });
    this.#relations = this.#environment.openDB({ name: 'relations', encoding: 'binary' });
    this.#carried = this.#environment.openDB({ name: 'carried', encoding: 'binary' });
    this.#contradictions = this.#environment.openDB({ name: 'contradictions', encoding: 'json' });
  }

  /** Bytes of the file in use or free in it: what decides how seldom to fold. */
  get bytes(): number {
    const stats: { lastPageNumber?: number } = this.#environment.getStats();
    return ((stats.lastPageNumber ?? 0) + 1) * PAGE_BYTES;
  }

  transaction<T>(write: () => T): T {
    try {
      return this.#environment.transactionSync(write);
    } catch (error) {
      if (isDiskFull(error, this.#directory)) throw millraceError('ROWS_DISK_FULL', { reason: reasonOf(error) }, error);
      throw error;
    }
  }

  facts(): FoldFacts {
    // Another thread's commit may be newer than the view that this thread happens to hold.
    this.#environment.resetReadTxn();
    return this.#facts.get(FOLD) ?? { foldedTo: cutToJson(cutAt(0)) };
  }

  /** How far the log must reach (synced): up to here it was folded, or begun to be. For `LogWriter.open`. */
  get logAtLeast(): number {
    const { foldedTo, folding } = this.facts();
    return Math.max(foldedTo.offset, folding === undefined ? 0 : folding.to.offset + (folding.to.skip > 0 ? 1 : 0));
  }

  putFacts(facts: FoldFacts): void {
    this.#facts.putSync(FOLD, facts);
  }

  tables(): Map<number, TableState> {
    const tables = new Map<number, TableState>();
    for (const { key, value } of this.#tables.getRange()) tables.set(key, value);
    return tables;
  }

  putTable(oid: number, state: TableState | undefined): void {
    if (state === undefined) this.#tables.removeSync(oid);
    else this.#tables.putSync(oid, state);
  }

  relations(): Map<number, Buffer> {
    const relations = new Map<number, Buffer>();
    for (const { key, value } of this.#relations.getRange()) relations.set(key, Buffer.from(value));
    return relations;
  }

  putRelation(oid: number, message: Buffer): void {
    this.#relations.putSync(oid, message);
  }

  carried(number: number): Buffer | undefined {
    return this.#carried.getBinary(number);
  }

  putCarried(number: number, tuple: Buffer): void {
    this.#carried.putSync(number, tuple);
  }

  removeCarried(count: number): void {
    for (let number = 0; number < count; number++) this.#carried.removeSync(number);
  }

  contradictions(): [number, string][] {
    return Array.from(this.#contradictions.getRange().map(({ key, value }): [number, string] => [key, value]));
  }

  putContradiction(oid: number, reason: string | undefined): void {
    if (reason === undefined) this.#contradictions.removeSync(oid);
    else this.#contradictions.putSync(oid, reason);
  }

  /** The row's value as bytes of its own. */
  get(key: Buffer): Buffer | undefined {
    return findRow(this.#blocks, key);
  }

  /** The block in whose range `key` falls, and the bound of the next one of its table. */
  blockAt(key: Buffer): BlockPlace {
    const [found] = floor(this.#blocks, key);
    const [next] = this.#blocks.getKeys({ start: key, exclusiveStart: true, end: tableEnd(key.readUInt32BE(0)), limit: 1 });
    return { bound: found?.key, block: found?.value, next };
  }

  block(bound: Buffer): Buffer | undefined {
    return this.#blocks.getBinary(bound);
  }

  /** Copied during the call. */
  putBlock(bound: Buffer, block: Buffer): void {
    this.#blocks.putSync(bound, block);
  }

  removeBlock(bound: Buffer): void {
    this.#blocks.removeSync(bound);
  }

  /** The first blocks of a table, by their bounds. */
  boundsOf(oid: number, limit: number): Buffer[] {
    return Array.from(this.#blocks.getKeys({ start: tablePrefix(oid), end: tableEnd(oid), limit }), (key) => Buffer.from(key));
  }

  /** Resolves when everything committed is on disk. */
  async flushed(): Promise<void> {
    await this.#environment.flushed;
  }

  /** The store as it is at this moment, whatever is folded meanwhile. A held snapshot keeps old pages in the file: close it soon. */
  snapshot(): RowSnapshot {
    this.#environment.resetReadTxn();
    const transaction = this.#blocks.useReadTransaction();
    const scan = (oid: number): RowScan => new RowScan(this.#scanned, this.#scanHooks, oid, transaction);
    return new RowSnapshot(transaction, this.#blocks, scan, this.#facts, this.#tables, this.#relations);
  }

  async close(): Promise<void> {
    await this.#environment.close();
  }
}

function* floor(blocks: Database<Buffer, Buffer>, key: Buffer, transaction?: Transaction): Generator<{ key: Buffer; value: Buffer }, void> {
  yield* blocks.getRange({
    start: key,
    end: key.subarray(0, OID_BYTES),
    inclusiveEnd: true,
    reverse: true,
    limit: 1,
    ...(transaction === undefined ? {} : { transaction }),
  });
}

function findRow(blocks: Database<Buffer, Buffer>, key: Buffer, transaction?: Transaction): Buffer | undefined {
  const [found] = floor(blocks, key, transaction);
  if (found === undefined) return undefined;
  const reader = new BlockReader();
  reader.open(found.value, found.value.length);
  return reader.find(key, OID_BYTES, key.length);
}

export class RowSnapshot {
  readonly #transaction: Transaction;
  readonly #blocks: Database<Buffer, Buffer>;
  /** All blocks of a table in key order. */
  readonly scan: (oid: number) => RowScan;
  readonly facts: FoldFacts;
  readonly tables: ReadonlyMap<number, TableState>;
  readonly relations: ReadonlyMap<number, Buffer>;
  #isOpen = true;

  constructor(
    transaction: Transaction,
    rows: Database<Buffer, Buffer>,
    scan: (oid: number) => RowScan,
    facts: Database<FoldFacts, string>,
    tables: Database<TableState, number>,
    relations: Database<Buffer, number>,
  ) {
    this.#transaction = transaction;
    this.#blocks = rows;
    this.scan = scan;
    this.facts = facts.get(FOLD, { transaction }) ?? { foldedTo: cutToJson(cutAt(0)) };
    this.tables = new Map(tables.getRange({ transaction }).map(({ key, value }): [number, TableState] => [key, value]));
    this.relations = new Map(relations.getRange({ transaction }).map(({ key, value }): [number, Buffer] => [key, Buffer.from(value)]));
  }

  get(key: Buffer): Buffer | undefined {
    return findRow(this.#blocks, key, this.#transaction);
  }

  /** Blocks of a table: a walk over their bounds, 0.1 µs each. */
  blockCount(oid: number): number {
    return this.#blocks.getKeysCount({ start: tablePrefix(oid), end: tableEnd(oid), transaction: this.#transaction });
  }

  close(): void {
    if (this.#isOpen) this.#transaction.done();
    this.#isOpen = false;
  }
}
