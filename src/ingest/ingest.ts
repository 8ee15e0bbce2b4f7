/**
 * The life of a source: open the log, connect, decide (`resume.ts`), copy what is missing, stream, reconnect. Keeps I-1 and I-4 by the order of its steps: the intent
 * is durable before the slot is made, the publication is looked at before the stream begins, nothing is acknowledged before the copies are complete.
 * Errors that may pass are tried again with a growing pause; a refusal stops reading, keeps everything and waits for a decision. Runs in the ingest worker.
 */
import { AssertionError, must } from '../base/assert.ts';
import { MillraceError, millraceError } from '../base/errors.ts';
import { realDisk, type Disk } from '../store/disk.ts';
import { failpoint } from '../store/failpoints.ts';
import { LogBounds } from '../store/log/bounds.ts';
import { LogWriter } from '../store/log/writer.ts';
import { identifySystem, requireLogicalDecoding, type SystemIdentity } from '../upstream/catalog/facts.ts';
import { requirePublication } from '../upstream/catalog/publication.ts';
import { connectUpstream, type UpstreamConnection } from '../upstream/connection/connect.ts';
import type { ConnectionParameters } from '../upstream/connection/parameters.ts';
import { connectForSlot, createSlot, readSlot, readTimelineHistory } from '../upstream/replication/slot.ts';
import { connectForStream, type WalStream } from '../upstream/replication/stream.ts';
import type { UpstreamTable } from '../upstream/table.ts';
import { Acknowledgement } from './acknowledgement.ts';
import { Additions } from './additions.ts';
import { Alarm } from './alarm.ts';
import { Pause } from './pause.ts';
import { IngestProgress } from './progress.ts';
import type { IngestOptions, IngestStatus, TableFault } from './protocol.ts';
import { publicationGone } from './publication-gone.ts';
import { Receiver } from './receiver.ts';
import { sameWay } from './same-way.ts';
import { dropOwnSlot, leaveNoSlot } from './own-slot.ts';
import { resume } from './resume.ts';
import { afterFailure, ingestError, refuseFullDisk, unlessDiskFull } from './retry.ts';
import { Shapes } from './shapes.ts';
import { watchSilence } from './silence.ts';
import {
  beginSource,
  durablePosition,
  forgetEarlierSource,
  noSource,
  readSourceNote,
  writeSourceNote,
  type SourceNote,
} from './source-note.ts';
import { IngestTables } from './tables.ts';
import { NO_SLOT_SIZE, watchUpstream, type SlotSize } from './watch.ts';

/** A stream that lasted this long begins the pauses anew. */
const STEADY_MS = 10_000;

export class Ingest {
  readonly #options: IngestOptions;
  readonly #disk: Disk;
  readonly #slotName: string;
  readonly writer: LogWriter;
  readonly #acknowledgement: Acknowledgement;
  readonly #receiver: Receiver;
  #parameters: ConnectionParameters;
  #note: SourceNote | undefined;
  readonly #tables: IngestTables;
  #state: IngestStatus['state'] = 'connecting';
  #sinceMs = Date.now();
  #troubledSinceMs: number | undefined;
  #error: Error | undefined;
  #nextAttemptAtMs: number | undefined;
  #reconnects = 0;
  #slotSize: SlotSize = NO_SLOT_SIZE;
  readonly #stopping = new AbortController();
  readonly #pause = new Pause();
  #stream: WalStream | undefined;
  /** Of the session that streams. */
  #control: UpstreamConnection | undefined;
  readonly #shapes: Shapes;
  readonly #additions: Additions;
  #endSession: ((error: Error) => void) | undefined;
  readonly #statusAlarm = new Alarm();
  readonly #finished: Promise<void>;

  /** Opens the log (throws LOG_DAMAGED) and begins; everything after is told by status. */
  constructor(options: IngestOptions) {
    this.#options = options;
    this.#disk = options.disk ?? realDisk;
    this.#slotName = `millrace_${options.directoryId}`;
    this.#parameters = options.connection;
    this.writer = LogWriter.open(this.#disk, options.logDirectory, {
      bounds: new LogBounds(options.bounds),
      atLeast: options.logAtLeast,
    });
    this.#note = readSourceNote(options.logDirectory);
    if (this.#note !== undefined) {
      forgetEarlierSource(this.writer, this.#disk, options.logDirectory, this.#note.since);
      this.#moveTo(this.#note);
    }
    const durable = durablePosition(this.writer.inForce, this.#note, this.#slotName, this.#parameters.database);
    this.#acknowledgement = new Acknowledgement(this.writer, new IngestProgress(options.progress), durable.receivedLsn, (error) =>
      this.#fail(error),
    );
    this.#tables = new IngestTables(
      () => this.#tell(),
      (oid) => this.#leave(oid),
    );
    this.#shapes = new Shapes({
      writer: this.writer,
      publication: this.#options.publication,
      live: () => this.#tables.live(),
      appended: (offset) => this.#acknowledgement.appended(offset),
      stopped: (oid, error) => this.#tables.set(oid, { state: 'faulty', error: error.toPlain() }),
      committedLsn: () => this.#acknowledgement.committedLsn,
      isStreaming: () => this.#stream !== undefined,
      askPosition: () => this.#acknowledgement.askPosition(),
    });
    this.#receiver = new Receiver(this.writer, this.#acknowledgement, this.#shapes);
    this.#additions = new Additions({
      writer: this.writer,
      acknowledgement: this.#acknowledgement,
      receiver: this.#receiver,
      tables: this.#tables,
      shapes: this.#shapes,
      slotName: this.#slotName,
      publication: this.#options.publication,
      signal: this.#stopping.signal,
      parameters: () => this.#parameters,
      stream: () => this.#stream,
      failed: (error) => this.#fail(error),
      leave: (oid) => this.#leave(oid),
    });
    unlessDiskFull(() => this.#reconcile(options.tables));
    this.#finished = this.#run();
  }

  status(): IngestStatus {
    return {
      state: this.#state,
      sinceMs: this.#sinceMs,
      troubledSinceMs: this.#troubledSinceMs ?? null,
      error: this.#error === undefined ? null : ingestError(this.#error).toPlain(),
      nextAttemptAtMs: this.#nextAttemptAtMs ?? null,
      slotName: this.#slotName,
      systemId: this.#note?.systemId ?? null,
      timeline: this.#note?.timeline ?? 0,
      tables: this.#tables.statuses(),
      transactions: this.#receiver.transactions,
      duplicates: this.#receiver.duplicates,
      bytes: this.#receiver.bytes,
      reconnects: this.#reconnects,
      ...this.#slotSize,
    };
  }

  async addTables(tables: readonly UpstreamTable[]): Promise<string> {
    if (this.#state === 'ended' || this.#stopping.signal.aborted) throw new AssertionError('ingest has ended');
    if (this.#state === 'stopped') throw this.#error ?? new AssertionError('ingest has stopped');
    const added = this.#tables.add(tables);
    const stale = this.#shapes.staleDescription(tables);
    if (stale === undefined) this.#additions.whileStreaming();
    else this.#endSession?.(stale);
    return added;
  }

  async removeTables(oids: readonly number[]): Promise<void> {
    this.#tables.remove(oids);
    await this.#acknowledgement.settled();
  }

  /**
   * Compares all tables with the upstream's catalog as of now; answers with those that are stopped. Where nothing streams nothing is compared: the next session does so before
   * anything new is shown.
   */
  async look(): Promise<TableFault[]> {
    if (this.#control !== undefined) await this.#shapes.look(this.#control);
    return this.#tables.faults();
  }

  /** See `Acknowledgement.askPosition`; the answer is told by the progress. */
  askPosition(): void {
    this.#acknowledgement.askPosition();
  }

  setConnection(parameters: ConnectionParameters): void {
    const before = this.#parameters;
    this.#parameters = parameters;
    if (!sameWay(before, parameters)) this.#endSession?.(millraceError('UPSTREAM_CONNECTION_ALTERED', {}));
    this.#pause.end();
  }

  async stop(dropSlotToo: boolean): Promise<void> {
    if (this.#state === 'ended') return;
    this.#stopping.abort();
    this.#endSession?.(new AssertionError('stopping'));
    this.#pause.end();
    await this.#finished;
    await this.#additions.ended();
    this.#tables.refuseAdditions(new AssertionError('ingest has ended'));
    try {
      if (dropSlotToo) for (const oid of this.writer.inForce.tables.keys()) this.writer.appendRemoved(oid);
      await this.#acknowledgement.close();
      this.writer.sync();
      if (dropSlotToo) {
        // First what a later source of this directory must not take for its own: the slot may be out of reach.
        writeSourceNote(this.#disk, this.#options.logDirectory, noSource(this.writer.end));
        await leaveNoSlot(this.#parameters, this.#slotName);
      }
    } finally {
      this.writer.close();
      this.#setState('ended', undefined);
    }
  }

  async #run(): Promise<void> {
    let pauseMs = 0;
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
      if (failure instanceof MillraceError && failure.code === 'STREAM_DESCRIBES_ANOTHER_TABLE') {
        // Ended by ourselves, once for a table that is taken in: no trouble that a reader should hear of, and nothing to wait for.
        this.#setState('connecting', undefined);
        continue;
      }
      if (this.#state === 'streaming' && performance.now() - before > STEADY_MS) pauseMs = 0;
      const retry = afterFailure(failure, pauseMs, Math.random());
      pauseMs = retry.pauseMs;
      if (retry.state === 'stopped') this.#tables.refuseAdditions(failure);
      this.#nextAttemptAtMs = retry.waitMs === undefined ? undefined : Date.now() + retry.waitMs;
      this.#setState(retry.state, failure);
      await this.#pause.wait(retry.waitMs, this.#stopping.signal);
      this.#nextAttemptAtMs = undefined;
    }
  }

  /** One connection's life. Ends by an error, always. */
  async #session(): Promise<never> {
    const { signal } = this.#stopping;
    if (this.#state !== 'stopped') this.#setState('connecting', this.#error);
    const parameters = this.#parameters;
    refuseFullDisk(this.#error, this.#options.logDirectory);
    // Before anything else is appended: what the last connection half received is void.
    this.#receiver.reconnected();
    const control = await connectUpstream(parameters, { purpose: 'control', signal });
    try {
      const streamConnection = await connectForStream(parameters, signal);
      try {
        const identity = await identifySystem(streamConnection.connection);
        this.#acknowledgement.heard(identity.walEnd);
        const ours = durablePosition(this.writer.inForce, this.#note, this.#slotName, this.#parameters.database);
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
        await requirePublication(control, this.#options.publication, this.#tables.all());
        this.#shapes.connected(control);
        // Begun in the session before, and still at its snapshot: a second copy, or the stream, must not come between.
        await this.#additions.ended();
        await this.#additions.addWaiting();
        // What changed while nobody looked is told before anything new is shown.
        await this.#shapes.look(control);
        const from = decision.kind === 'continue' ? decision.from : this.#acknowledgement.durableLsn;
        return await this.#follow(control, streamConnection, from);
      } finally {
        streamConnection.connection.destroy();
      }
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      const failure = control.failure(error, {
        doing: 'following the upstream',
        slot: this.#slotName,
        publication: this.#options.publication,
      });
      // Whoever noticed it first, the remedy names the tables.
      if (failure.code === 'PUBLICATION_MISSING')
        throw await publicationGone(control, this.#options.publication, this.#slotName, this.#tables.all());
      throw failure;
    } finally {
      control.destroy();
    }
  }

  async #follow(control: UpstreamConnection, connection: Awaited<ReturnType<typeof connectForStream>>, from: bigint): Promise<never> {
    let endSession: (error: Error) => void = () => {};
    const ended = new Promise<never>((_, reject) => {
      endSession = reject;
    });
    ended.catch(() => undefined);
    this.#endSession = endSession;
    // Asked for while the session was set up, when nobody listened.
    if (this.#stopping.signal.aborted) endSession(new AssertionError('stopping'));
    if (!sameWay(control.parameters, this.#parameters)) endSession(millraceError('UPSTREAM_CONNECTION_ALTERED', {}));
    const stream = await connection.start(
      { slot: this.#slotName, publication: this.#options.publication, from },
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
    this.#control = control;
    this.#acknowledgement.attach(stream);
    this.#setState('streaming', undefined);
    const watch = watchUpstream(
      control,
      {
        publication: this.#options.publication,
        slotName: this.#slotName,
        tables: () => this.#tables.live(),
        look: () => this.#shapes.look(control),
      },
      {
        failed: endSession,
        tableFaulty: (oid, error) => this.#tables.set(oid, { state: 'faulty', error: error.toPlain() }),
        slotSize: (size) => {
          this.#slotSize = size;
          this.#tell();
        },
      },
      this.#options.watchIntervalMs,
    );
    const silence = watchSilence(stream, connection.connection.host, endSession);
    try {
      this.#additions.whileStreaming();
      return await ended;
    } finally {
      silence.stop();
      watch.stop();
      this.#endSession = undefined;
      this.#stream = undefined;
      this.#control = undefined;
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
    await requireLogicalDecoding(control);
    await requirePublication(control, this.#options.publication, this.#tables.all());
    if (drop !== undefined) await dropOwnSlot(control, drop);
    const known = this.#note;
    const note: SourceNote = {
      systemId: identity.systemId,
      timeline: identity.timeline,
      slotName: this.#slotName,
      database: control.parameters.database,
      publication: this.#options.publication,
      since: known === undefined || known.systemId === '' ? this.writer.end : known.since,
    };
    for (const oid of this.writer.inForce.tables.keys()) this.#leave(oid);
    if (known === undefined || known.systemId === '') beginSource(this.writer, note);
    this.#take(note);
    const tables = this.#tables.all();
    for (const table of tables) this.#acknowledgement.appended(this.writer.appendTable(table));
    if (tables.length === 0) this.#acknowledgement.appended(this.writer.appendProgress(0n));
    await this.#acknowledgement.settled();
    const making = await connectForSlot(this.#parameters, 'bootstrap', this.#stopping.signal);
    try {
      const slot = await createSlot(making, this.#slotName, 'permanent');
      this.#setState('copying', undefined);
      failpoint('slot-creation');
      await this.#additions.copy(tables, slot);
      this.#acknowledgement.snapshotComplete(slot.consistentPoint);
    } catch (error) {
      // Not a slot may be left to hold the server's log while we wait for another attempt (I-4).
      making.destroy();
      if (control.lost === undefined) await dropOwnSlot(control, this.#slotName).catch(() => undefined);
      throw error;
    } finally {
      await making.end();
    }
  }

  /** What is wanted against what is in the log: others leave, half-copied ones begin anew. */
  #reconcile(wanted: readonly UpstreamTable[]): void {
    const complete = this.writer.inForce.progressLsn > 0n;
    const inForce = this.writer.inForce.tables;
    for (const table of wanted) {
      const known = inForce.get(table.oid);
      const live = complete && known?.snapshotLsn !== undefined;
      const stopped = live ? known.stopped : undefined;
      if (!live) this.#tables.want(table, { state: 'waiting' });
      else
        this.#tables.want(table, {
          state: stopped === undefined ? 'live' : 'faulty',
          snapshotLsn: known.snapshotLsn,
          error: stopped ?? null,
        });
    }
    for (const [oid, known] of inForce) if (!this.#tables.has(oid) || known.snapshotLsn === undefined) this.#leave(oid);
  }

  #leave(oid: number): void {
    if (!this.writer.inForce.tables.has(oid)) return;
    this.#acknowledgement.appended(this.writer.appendRemoved(oid));
    this.#shapes.changed();
  }

  #take(note: SourceNote): void {
    writeSourceNote(this.#disk, this.#options.logDirectory, note);
    this.#note = note;
    this.#moveTo(note);
  }

  #moveTo(note: SourceNote): void {
    const { position } = this.writer.inForce;
    this.writer.moveTo({ ...position, systemId: note.systemId, timeline: note.timeline, slotName: note.slotName });
  }

  #fail(error: unknown): void {
    const failure = error instanceof Error ? error : new AssertionError(String(error));
    // Without a session, the next step that needs the log meets the same failure.
    this.#endSession?.(failure);
  }

  #setState(state: IngestStatus['state'], error: Error | undefined): void {
    if (state !== this.#state) this.#sinceMs = Date.now();
    this.#state = state;
    this.#error = error;
    if (error === undefined) this.#troubledSinceMs = undefined;
    else this.#troubledSinceMs ??= Date.now();
    // A figure of a slot that is gone, or useless, would be somebody's alarm.
    if (state === 'stopped') this.#slotSize = NO_SLOT_SIZE;
    this.#statusAlarm.clear();
    this.#options.onStatus?.(this.status());
  }

  /** Small changes are told together. */
  #tell(): void {
    if (!this.#statusAlarm.isSet) this.#statusAlarm.after(50, () => this.#options.onStatus?.(this.status()));
  }
}
