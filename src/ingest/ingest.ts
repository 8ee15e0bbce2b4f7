/**
 * The life of a source: open the log, connect, decide (`resume.ts`), copy what is missing, stream, reconnect. Keeps I-1 and I-4 by the order of its steps: the intent
 * is durable before the slot is made, the publication is looked at before the stream begins, nothing is acknowledged before the copies are complete.
 * Errors that may pass are tried again with a growing pause; a refusal stops reading, keeps everything and waits for a decision. Runs in the ingest worker.
 */
import { AssertionError, must } from '../base/assert.ts';
import { MillraceError, millraceError } from '../base/errors.ts';
import { plainError } from '../base/rpc.ts';
import { realDisk, type Disk } from '../store/disk.ts';
import { failpoint } from '../store/failpoints.ts';
import { LogBounds } from '../store/log/bounds.ts';
import { LogWriter } from '../store/log/writer.ts';
import { identifySystem, type SystemIdentity } from '../upstream/catalog/facts.ts';
import { publicationMissing, requirePublication } from '../upstream/catalog/publication.ts';
import { isTransient, upstreamError } from '../upstream/connection/classify.ts';
import { connectUpstream, type UpstreamConnection } from '../upstream/connection/connect.ts';
import type { ConnectionParameters } from '../upstream/connection/parameters.ts';
import { connectForSlot, createSlot, dropSlot, readSlot, readTimelineHistory } from '../upstream/replication/slot.ts';
import { connectForStream, type WalStream } from '../upstream/replication/stream.ts';
import type { UpstreamTable } from '../upstream/table.ts';
import { Acknowledgement } from './acknowledgement.ts';
import { copyTables } from './copy.ts';
import { IngestProgress } from './progress.ts';
import type { IngestStart, IngestStatus, IngestTableStatus } from './protocol.ts';
import { Receiver } from './receiver.ts';
import { resume, type DurablePosition } from './resume.ts';
import { beginSource, forgetEarlierSource, readSourceNote, writeSourceNote, type SourceNote } from './source-note.ts';
import { watchUpstream } from './watch.ts';

const RETRY_FIRST_MS = 250;
const RETRY_MAX_MS = 30_000;
const AUTHENTICATION_RETRY_MS = 5_000;
/** A stream that lasted this long begins the pauses anew. */
const STEADY_MS = 10_000;
/** A silent server is given up after this share of its own patience; it speaks at half of it. */
const SILENCE_FACTOR = 1.5;
const SILENCE_CHECK_MS = 5_000;
const DROP_SLOT_TRIES = 20;

interface Addition {
  readonly tables: readonly UpstreamTable[];
  readonly resolve: (snapshotLsn: string) => void;
  readonly reject: (error: Error) => void;
}

export interface IngestOptions extends IngestStart {
  readonly disk?: Disk;
  readonly onStatus?: (status: IngestStatus) => void;
  readonly watchIntervalMs?: number;
}

export class Ingest {
  readonly #disk: Disk;
  readonly #logDirectory: string;
  readonly #slotName: string;
  readonly #publication: string;
  readonly #writer: LogWriter;
  readonly #acknowledgement: Acknowledgement;
  readonly #receiver: Receiver;
  readonly #watchIntervalMs: number | undefined;
  readonly #onStatus: ((status: IngestStatus) => void) | undefined;
  #parameters: ConnectionParameters;
  #note: SourceNote | undefined;
  readonly #tables = new Map<number, { readonly table: UpstreamTable; readonly status: IngestTableStatus }>();
  #additions: Addition[] = [];
  #state: IngestStatus['state'] = 'connecting';
  #sinceMs = Date.now();
  #error: Error | undefined;
  #nextAttemptAtMs: number | undefined;
  #reconnects = 0;
  #slotSize: { retainedBytes: number; safeBytes: number | undefined } | undefined;
  readonly #stopping = new AbortController();
  #wake: () => void = () => {};
  #stream: WalStream | undefined;
  #endSession: ((error: Error) => void) | undefined;
  #adding = false;
  #statusTimer: NodeJS.Timeout | undefined;
  readonly #finished: Promise<void>;

  /** Opens the log (throws LOG_DAMAGED) and begins; everything after is told by status. */
  constructor(options: IngestOptions) {
    this.#disk = options.disk ?? realDisk;
    this.#logDirectory = options.logDirectory;
    this.#slotName = `millrace_${options.directoryId}`;
    this.#publication = options.publication;
    this.#parameters = options.connection;
    this.#onStatus = options.onStatus;
    this.#watchIntervalMs = options.watchIntervalMs;
    this.#writer = LogWriter.open(this.#disk, options.logDirectory, { bounds: new LogBounds(options.bounds) });
    this.#note = readSourceNote(options.logDirectory);
    if (this.#note !== undefined) {
      forgetEarlierSource(this.#writer, this.#disk, options.logDirectory, this.#note.since);
      this.#moveTo(this.#note);
    }
    const durable = this.#durablePosition();
    this.#acknowledgement = new Acknowledgement(this.#writer, new IngestProgress(options.progress), durable.receivedLsn, (error) =>
      this.#fail(error),
    );
    this.#receiver = new Receiver(this.#writer, {
      committed: (offset, endLsn) => this.#acknowledgement.committed(offset, endLsn),
      idle: (walEnd) => this.#acknowledgement.idle(walEnd),
      replyRequested: () => this.#acknowledgement.replyRequested(),
    });
    this.#reconcile(options.tables);
    this.#finished = this.#run();
  }

  get writer(): LogWriter {
    return this.#writer;
  }

  status(): IngestStatus {
    return {
      state: this.#state,
      sinceMs: this.#sinceMs,
      error: this.#error === undefined ? null : asMillrace(this.#error, this.#parameters).toPlain(),
      nextAttemptAtMs: this.#nextAttemptAtMs ?? null,
      slotName: this.#slotName,
      systemId: this.#note?.systemId ?? null,
      timeline: this.#note?.timeline ?? 0,
      tables: [...this.#tables.values()].map(({ status }) => status),
      transactions: this.#receiver.transactions,
      duplicates: this.#receiver.duplicates,
      bytes: this.#receiver.bytes,
      reconnects: this.#reconnects,
      retainedBytes: this.#slotSize?.retainedBytes ?? null,
      safeBytes: this.#slotSize?.safeBytes ?? null,
    };
  }

  addTables(tables: readonly UpstreamTable[]): Promise<string> {
    for (const table of tables) this.#setTable(table, { state: 'waiting' });
    return new Promise((resolve, reject) => {
      if (this.#state === 'ended') return reject(new AssertionError('ingest has ended'));
      this.#additions.push({ tables, resolve, reject });
      this.#addWhileStreaming();
    });
  }

  async removeTables(oids: readonly number[]): Promise<void> {
    for (const oid of oids) {
      this.#tables.delete(oid);
      this.#additions = this.#additions.map((addition) => ({ ...addition, tables: addition.tables.filter((table) => table.oid !== oid) }));
      if (this.#writer.inForce.tables.has(oid)) this.#acknowledgement.appended(this.#writer.appendRemoved(oid));
    }
    this.#tell();
    await this.#acknowledgement.settled();
  }

  setConnection(parameters: ConnectionParameters): void {
    this.#parameters = parameters;
    this.#wake();
  }

  async stop(dropSlotToo: boolean): Promise<void> {
    if (this.#state === 'ended') return;
    this.#stopping.abort();
    this.#endSession?.(new AssertionError('stopping'));
    this.#wake();
    await this.#finished;
    for (const addition of this.#additions.splice(0)) addition.reject(new AssertionError('ingest has ended'));
    try {
      if (dropSlotToo) for (const oid of this.#writer.inForce.tables.keys()) this.#writer.appendRemoved(oid);
      await this.#acknowledgement.close();
      this.#writer.sync();
      if (dropSlotToo) {
        await this.#dropOwnSlot();
        // What a later source of this directory must not take for its own.
        writeSourceNote(this.#disk, this.#logDirectory, {
          systemId: '',
          timeline: 0,
          slotName: '',
          database: '',
          publication: '',
          since: this.#writer.end,
          memberships: {},
        });
      }
    } finally {
      this.#writer.close();
      this.#setState('ended', undefined);
    }
  }

  // The loop

  async #run(): Promise<void> {
    let pauseMs = RETRY_FIRST_MS;
    while (!this.#stopping.signal.aborted) {
      const before = performance.now();
      let failure: Error;
      try {
        await this.#session();
        failure = new AssertionError('a session ended without a reason');
      } catch (error) {
        failure = error instanceof Error ? error : new AssertionError(String(error));
      }
      if (this.#stopping.signal.aborted) break;
      this.#reconnects++;
      if (performance.now() - before > STEADY_MS && this.#state === 'streaming') pauseMs = RETRY_FIRST_MS;
      if (failure instanceof MillraceError && isTransient(failure)) {
        // A wrong password is not tried often: some hosts lock the role out.
        const leastMs = failure.code === 'UPSTREAM_AUTHENTICATION_FAILED' ? AUTHENTICATION_RETRY_MS : 0;
        const waitMs = Math.max(leastMs, pauseMs * (0.75 + Math.random() / 2));
        this.#nextAttemptAtMs = Date.now() + waitMs;
        this.#setState('retrying', failure);
        await this.#sleep(waitMs);
        pauseMs = Math.min(pauseMs * 2, RETRY_MAX_MS);
      } else {
        for (const addition of this.#additions.splice(0)) addition.reject(failure);
        this.#setState('stopped', failure);
        await this.#sleep(undefined);
        pauseMs = RETRY_FIRST_MS;
      }
      this.#nextAttemptAtMs = undefined;
    }
  }

  #sleep(timeoutMs: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = timeoutMs === undefined ? undefined : setTimeout(resolve, timeoutMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#stopping.signal.aborted) this.#wake();
    });
  }

  /** One connection's life. Ends by an error, always. */
  async #session(): Promise<never> {
    const { signal } = this.#stopping;
    this.#setState('connecting', this.#error);
    const parameters = this.#parameters;
    const control = await connectUpstream(parameters, { purpose: 'control', signal });
    try {
      const streamConnection = await connectForStream(parameters, signal);
      try {
        const identity = await this.#identify(streamConnection.connection);
        this.#acknowledgement.heard(identity.walEnd);
        const ours = this.#durablePosition();
        const decision = resume(ours, {
          systemId: identity.systemId,
          timeline: identity.timeline,
          walEnd: identity.walEnd,
          history:
            ours.timeline === identity.timeline || ours.timeline === 0
              ? { switches: [] }
              : await readTimelineHistory(streamConnection.connection, identity.timeline),
          slot: await readSlot(control, this.#slotName),
        });
        if (decision.kind === 'refuse') throw decision.error;
        if (decision.kind === 'bootstrap') await this.#bootstrap(control, identity, decision.drop);
        else if (identity.timeline !== ours.timeline) this.#take({ ...must(this.#note, 'a note'), timeline: identity.timeline });
        await requirePublication(control, this.#publication, this.#names());
        await this.#addWaiting();
        const from = decision.kind === 'continue' ? decision.from : this.#acknowledgement.durableLsn;
        return await this.#follow(control, streamConnection, from);
      } finally {
        streamConnection.connection.destroy();
      }
    } catch (error) {
      const failure = control.failure(error, { doing: 'following the upstream', slot: this.#slotName, publication: this.#publication });
      // Whoever noticed it first, the remedy names the tables.
      if (failure.code === 'PUBLICATION_MISSING') throw publicationMissing(this.#publication, parameters.database, this.#names());
      throw failure;
    } finally {
      control.destroy();
    }
  }

  async #identify(connection: UpstreamConnection): Promise<SystemIdentity> {
    try {
      return await identifySystem(connection);
    } catch (error) {
      throw connection.failure(error, { doing: 'asking who the server is', replication: true });
    }
  }

  async #follow(control: UpstreamConnection, connection: Awaited<ReturnType<typeof connectForStream>>, from: bigint): Promise<never> {
    this.#receiver.reconnected();
    let endSession: (error: Error) => void = () => {};
    const ended = new Promise<never>((_, reject) => {
      endSession = reject;
    });
    // Nobody may be waiting yet when it ends.
    ended.catch(() => undefined);
    this.#endSession = endSession;
    const stream = await connection.start(
      { slot: this.#slotName, publication: this.#publication, from },
      {
        take: (bytes, start, end) => {
          try {
            return this.#receiver.take(bytes, start, end);
          } catch (error) {
            this.#fail(error);
            return end;
          }
        },
        ended: (error) => endSession(error ?? new AssertionError('the stream was stopped')),
      },
    );
    this.#stream = stream;
    this.#acknowledgement.attach(stream);
    this.#setState('streaming', undefined);
    const watch = watchUpstream(
      control,
      {
        publication: this.#publication,
        slotName: this.#slotName,
        tables: () => [...this.#tables.values()].filter(({ status }) => status.state === 'live').map(({ table }) => table),
        membership: (oid) => this.#note?.memberships[oid],
      },
      {
        failed: endSession,
        tableFaulty: (oid, error) => this.#setTableState(oid, { state: 'faulty', error: error.toPlain() }),
        slotSize: (size) => {
          this.#slotSize = size;
          this.#tell();
        },
      },
      this.#watchIntervalMs,
    );
    const silence = setInterval(() => {
      const patienceMs = stream.walSenderTimeoutMs * SILENCE_FACTOR;
      if (patienceMs > 0 && !stream.held && performance.now() - stream.lastReceivedMs > patienceMs) {
        const server = connection.connection.host;
        endSession(millraceError('UPSTREAM_DISCONNECTED', { ...server, said: `nothing was heard for ${Math.round(patienceMs / 1000)} s` }));
      }
    }, SILENCE_CHECK_MS);
    try {
      this.#addWhileStreaming();
      return await ended;
    } finally {
      clearInterval(silence);
      watch.stop();
      this.#endSession = undefined;
      this.#stream = undefined;
      if (this.#stopping.signal.aborted) {
        await this.#acknowledgement.close().catch(() => undefined);
        await stream.stop();
      }
      this.#acknowledgement.detach();
    }
  }

  // Copies

  /** The first copy of everything. The log holds the tables (the intent) before the slot exists. */
  async #bootstrap(control: UpstreamConnection, identity: SystemIdentity, drop: string | undefined): Promise<void> {
    const [row] = await control.query(
      `SELECT coalesce(current_setting('effective_wal_level', true), current_setting('wal_level')) AS level`,
    );
    if (row?.['level'] !== 'logical' && control.versionNum < 190_000)
      throw millraceError('WAL_LEVEL_TOO_LOW', { walLevel: row?.['level'] ?? 'unknown' });
    await requirePublication(control, this.#publication, this.#names());
    if (drop !== undefined) await this.#dropSlotPatiently(control, drop);
    const known = this.#note;
    const note: SourceNote = {
      systemId: identity.systemId,
      timeline: identity.timeline,
      slotName: this.#slotName,
      database: control.parameters.database,
      publication: this.#publication,
      since: known === undefined || known.systemId === '' ? this.#writer.end : known.since,
      memberships: {},
    };
    for (const oid of this.#writer.inForce.tables.keys()) this.#acknowledgement.appended(this.#writer.appendRemoved(oid));
    if (known === undefined || known.systemId === '') beginSource(this.#writer, note);
    this.#take(note);
    const tables = [...this.#tables.values()].map(({ table }) => table);
    for (const table of tables) this.#acknowledgement.appended(this.#writer.appendTable(table));
    if (tables.length === 0) this.#acknowledgement.appended(this.#writer.appendProgress(0n));
    await this.#acknowledgement.settled();
    this.#setState('copying', undefined);
    const making = await connectForSlot(this.#parameters, 'bootstrap', this.#stopping.signal);
    try {
      const slot = await createSlot(making, this.#slotName, 'permanent');
      failpoint('slot-creation');
      await this.#copy(tables, slot);
      this.#acknowledgement.snapshotComplete(slot.consistentPoint);
    } catch (error) {
      // Not a slot may be left to hold the server's log while we wait for another attempt (I-4).
      making.destroy();
      if (control.lost === undefined) await this.#dropSlotPatiently(control, this.#slotName).catch(() => undefined);
      throw error;
    } finally {
      await making.end();
    }
    // Additions that came meanwhile are in the copy.
    this.#settleAdditions();
  }

  async #copy(tables: readonly UpstreamTable[], slot: Awaited<ReturnType<typeof createSlot>>): Promise<void> {
    await copyTables(
      this.#writer,
      { parameters: this.#parameters, publication: this.#publication, tables, slot, signal: this.#stopping.signal },
      {
        appended: (offset) => this.#acknowledgement.appended(offset),
        copying: (oid, rowsCopied) => this.#setTableState(oid, { state: 'copying', rowsCopied }),
        copied: (oid, rowsCopied, snapshotLsn, membership) => {
          const note = must(this.#note, 'a note');
          this.#take({ ...note, memberships: { ...note.memberships, [oid]: membership } });
          this.#setTableState(oid, { state: 'live', rowsCopied, snapshotLsn, error: null });
        },
        refused: (oid, error) => this.#setTableState(oid, { state: 'faulty', error: error.toPlain() }),
      },
    );
    await this.#acknowledgement.settled();
  }

  /** While a stream is on: it is held first, at a place between transactions, so that nothing the snapshot lacks is in the log already. */
  #addWhileStreaming(): void {
    const stream = this.#stream;
    if (stream === undefined || this.#adding || !this.#waiting()) return;
    this.#adding = true;
    const begin = (): void => {
      if (this.#stream !== stream) {
        this.#adding = false;
        return;
      }
      if (!this.#receiver.betweenTransactions) return void setTimeout(begin, 5);
      stream.hold();
      void this.#addWaiting()
        .catch((error: unknown) => this.#fail(error))
        .finally(() => {
          this.#adding = false;
          if (this.#stream === stream) stream.release();
          this.#addWhileStreaming();
        });
    };
    begin();
  }

  #waiting(): boolean {
    return [...this.#tables.values()].some(({ status }) => status.state === 'waiting');
  }

  /** Copies every waiting table at a temporary slot's snapshot. The stream must not be appending meanwhile. */
  async #addWaiting(): Promise<void> {
    const tables = [...this.#tables.values()]
      .filter(({ status }) => status.state === 'waiting' || status.state === 'copying')
      .map(({ table }) => table);
    if (tables.length === 0) return this.#settleAdditions();
    const making = await connectForSlot(this.#parameters, 'added table', this.#stopping.signal);
    try {
      const slot = await createSlot(making, `${this.#slotName}_copy`, 'temporary');
      failpoint('slot-creation');
      for (const table of tables) {
        if (this.#writer.inForce.tables.has(table.oid)) this.#acknowledgement.appended(this.#writer.appendRemoved(table.oid));
        this.#acknowledgement.appended(this.#writer.appendTable(table));
      }
      await this.#copy(tables, slot);
    } finally {
      await making.end();
    }
    this.#settleAdditions();
  }

  /** Answers those whose tables are all decided. */
  #settleAdditions(): void {
    this.#additions = this.#additions.filter((addition) => {
      const states = addition.tables.map((table) => this.#tables.get(table.oid)?.status);
      const faulty = states.find((status) => status?.state === 'faulty');
      if (faulty !== undefined) {
        // The statement fails, so its tables go.
        for (const table of addition.tables) {
          this.#tables.delete(table.oid);
          if (this.#writer.inForce.tables.has(table.oid)) this.#acknowledgement.appended(this.#writer.appendRemoved(table.oid));
        }
        addition.reject(MillraceError.fromPlain(must(faulty.error, 'a reason')));
        return false;
      }
      if (!states.every((status) => status === undefined || status.state === 'live')) return true;
      addition.resolve(states.find((status) => status !== undefined)?.snapshotLsn ?? '0/0');
      return false;
    });
    this.#tell();
  }

  /** What is wanted against what is in the log: others leave, half-copied ones begin anew. */
  #reconcile(wanted: readonly UpstreamTable[]): void {
    const complete = this.#writer.inForce.progressLsn > 0n;
    const inForce = this.#writer.inForce.tables;
    for (const table of wanted) {
      const known = inForce.get(table.oid);
      const live = complete && known?.snapshotLsn !== undefined;
      this.#setTable(table, live ? { state: 'live', snapshotLsn: known.snapshotLsn } : { state: 'waiting' });
    }
    for (const [oid, known] of inForce)
      if (!this.#tables.has(oid) || known.snapshotLsn === undefined) this.#acknowledgement.appended(this.#writer.appendRemoved(oid));
  }

  // Slots

  async #dropSlotPatiently(control: UpstreamConnection, name: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await dropSlot(control, name);
      } catch (error) {
        // The walsender of a connection that is gone lets go of it within a moment.
        if (!(error instanceof MillraceError) || error.code !== 'SLOT_IN_USE' || attempt >= DROP_SLOT_TRIES) throw error;
        await new Promise((resolve) => void setTimeout(resolve, 100));
      }
    }
  }

  async #dropOwnSlot(): Promise<void> {
    const control = await connectUpstream(this.#parameters, { purpose: 'control' });
    try {
      await this.#dropSlotPatiently(control, this.#slotName);
    } finally {
      await control.end();
    }
  }

  // State

  #durablePosition(): DurablePosition {
    const { position, progressLsn } = this.#writer.inForce;
    const receivedLsn = position.lsn > progressLsn ? position.lsn : progressLsn;
    const note = this.#note;
    return {
      systemId: note === undefined || note.systemId === '' ? undefined : note.systemId,
      timeline: note?.timeline ?? 0,
      slotName: this.#slotName,
      database: this.#parameters.database,
      snapshotComplete: progressLsn > 0n,
      acknowledgedLsn: receivedLsn,
      receivedLsn,
    };
  }

  #take(note: SourceNote): void {
    writeSourceNote(this.#disk, this.#logDirectory, note);
    this.#note = note;
    this.#moveTo(note);
  }

  #moveTo(note: SourceNote): void {
    const { position } = this.#writer.inForce;
    this.#writer.moveTo({ ...position, systemId: note.systemId, timeline: note.timeline, slotName: note.slotName });
  }

  #names(): { schema: string; name: string }[] {
    return [...this.#tables.values()].map(({ table }) => table);
  }

  #fail(error: unknown): void {
    const failure = error instanceof Error ? error : new AssertionError(String(error));
    if (this.#endSession !== undefined) this.#endSession(failure);
    else if (!this.#stopping.signal.aborted) this.#setState('stopped', failure);
  }

  #setTable(table: UpstreamTable, status: Partial<IngestTableStatus>): void {
    const { oid, schema, name } = table;
    this.#tables.set(oid, {
      table,
      status: { oid, schema, name, state: 'waiting', rowsCopied: 0, snapshotLsn: null, error: null, ...status },
    });
  }

  #setTableState(oid: number, status: Partial<IngestTableStatus>): void {
    const known = this.#tables.get(oid);
    if (known === undefined) return;
    this.#tables.set(oid, { table: known.table, status: { ...known.status, ...status } });
    this.#tell();
  }

  #setState(state: IngestStatus['state'], error: Error | undefined): void {
    if (state !== this.#state) this.#sinceMs = Date.now();
    this.#state = state;
    this.#error = error;
    clearTimeout(this.#statusTimer);
    this.#statusTimer = undefined;
    this.#onStatus?.(this.status());
  }

  /** Small changes are told together. */
  #tell(): void {
    if (this.#onStatus === undefined) return;
    this.#statusTimer ??= setTimeout(() => {
      this.#statusTimer = undefined;
      this.#onStatus?.(this.status());
    }, 50);
  }
}

function asMillrace(error: Error, parameters: ConnectionParameters): MillraceError {
  if (error instanceof MillraceError) return error;
  const plain = plainError(error);
  if ('internal' in plain) return millraceError('INGEST_FAILED', { said: plain.stack ?? plain.internal }, error);
  return upstreamError(error, { parameters, doing: 'following the upstream' });
}
