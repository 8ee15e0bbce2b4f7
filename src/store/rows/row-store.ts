/**
 * The row store behind one small interface: rows by key, and the facts that are committed together with them (how far they are folded, tables, relations).
 * LMDB with 8 KiB pages (docs/internals/store.md has the measurements). Written by the fold worker alone; read through snapshots by everyone.
 * A `transaction` is on disk when it returns, all of it or nothing.
 */
import { open, type Database, type RootDatabase, type Transaction } from 'lmdb';
import { millraceError } from '../../base/errors.ts';
import { cutAt } from '../log/transactions.ts';
import { RowScan, ScanHooks, type ScanDatabase } from './row-scan.ts';
import { cutToJson, type CutJson, type TableState } from './table-state.ts';
import { tableEnd, tablePrefix } from './tuple.ts';

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

const PAGE_BYTES = 8192;
/** Six databases are used, one of them twice; LMDB wants to know beforehand. */
const DATABASES_MAX = 8;

const FOLD = 'fold';

export class RowStore {
  readonly #environment: RootDatabase<Buffer, Buffer>;
  readonly #rows: Database<Buffer, Buffer>;
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
    this.#environment = open({
      path: directory,
      pageSize: PAGE_BYTES,
      maxDbs: DATABASES_MAX,
      encoding: 'binary',
      keyEncoding: 'binary',
      noSubdir: false,
    });
    this.#rows = this.#environment.openDB({ name: 'rows', encoding: 'binary', keyEncoding: 'binary' });
    this.#scanned = this.#environment.openDB({ name: 'rows', encoding: 'binary', ...this.#scanHooks.options });
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
      if (error instanceof Error && /ENOSPC|No space left|MDB_MAP_FULL/.test(error.message))
        throw millraceError('ROWS_DISK_FULL', { reason: error.message }, error);
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

  /** A copy of its own. */
  get(key: Buffer): Buffer | undefined {
    return this.#rows.getBinary(key);
  }

  put(key: Buffer, value: Buffer): void {
    this.#rows.putSync(key, value);
  }

  /** False, and nothing written, when the key is there. */
  putNew(key: Buffer, value: Buffer): boolean {
    // LMDB's flag; the types of `lmdb` know only of a void result.
    return (this.#rows.putSync(key, value, { noOverwrite: true }) as unknown) !== false;
  }

  /** False when the key is not there. */
  remove(key: Buffer): boolean {
    return this.#rows.removeSync(key);
  }

  /** The first keys of a table. */
  keysOf(oid: number, limit: number): Buffer[] {
    return Array.from(this.#rows.getKeys({ start: tablePrefix(oid), end: tableEnd(oid), limit }), (key) => Buffer.from(key));
  }

  /** Resolves when everything committed is on disk. */
  async flushed(): Promise<void> {
    await this.#environment.flushed;
  }

  /** The store as it is at this moment, whatever is folded meanwhile. A held snapshot keeps old pages in the file: close it soon. */
  snapshot(): RowSnapshot {
    this.#environment.resetReadTxn();
    const transaction = this.#rows.useReadTransaction();
    const scan = (oid: number): RowScan => new RowScan(this.#scanned, this.#scanHooks, oid, transaction);
    return new RowSnapshot(transaction, this.#rows, scan, this.#facts, this.#tables, this.#relations);
  }

  async close(): Promise<void> {
    await this.#environment.close();
  }
}

export class RowSnapshot {
  readonly #transaction: Transaction;
  readonly #rows: Database<Buffer, Buffer>;
  /** All rows of a table in key order. */
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
    this.#rows = rows;
    this.scan = scan;
    this.facts = facts.get(FOLD, { transaction }) ?? { foldedTo: cutToJson(cutAt(0)) };
    this.tables = new Map(tables.getRange({ transaction }).map(({ key, value }): [number, TableState] => [key, value]));
    this.relations = new Map(relations.getRange({ transaction }).map(({ key, value }): [number, Buffer] => [key, Buffer.from(value)]));
  }

  get(key: Buffer): Buffer | undefined {
    return this.#rows.get(key, { transaction: this.#transaction });
  }

  close(): void {
    if (this.#isOpen) this.#transaction.done();
    this.#isOpen = false;
  }
}
