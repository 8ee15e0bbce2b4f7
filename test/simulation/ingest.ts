/**
 * Ingest, a step at a time: the upstream's transactions into the real log on the simulated disk, in records cut anywhere, with syncs when the schedule wants them, lost
 * connections, copies of tables, a full disk. What it publishes keeps ingest's own rules (`src/ingest/acknowledgement.ts`).
 */
import { formatLsn, parseLsn } from '../../src/base/lsn.ts';
import { MillraceError, type PlainError } from '../../src/base/errors.ts';
import { LogWriter } from '../../src/store/log/writer.ts';
import type { LogBounds } from '../../src/store/log/bounds.ts';
import { tuple } from '../../src/store/testing/stream.ts';
import type { SimulatedDisk } from '../../src/store/testing/simulated-disk.ts';
import type { Dice } from './dice.ts';
import type { SimulatedProgress } from './progress.ts';
import { commitAt, endLsn, lsnBehind, upstreamTables, type Upstream } from './upstream.ts';

export const LOG_DIRECTORY = '/data/log';

export interface IngestParts {
  readonly disk: SimulatedDisk;
  readonly dice: Dice;
  readonly upstream: Upstream;
  readonly progress: SimulatedProgress;
  readonly bounds: LogBounds;
  readonly logAtLeast: number;
  readonly segmentBytesMax: number;
  /** OIDs of the tables that the catalog has. */
  readonly wanted: readonly number[];
}

export class Ingest {
  readonly #parts: IngestParts;
  readonly #writer: LogWriter;
  /** The commit under way, and how many of its frames are in the log. */
  #commit: number;
  #frame = 0;
  #isCut = true;
  /** The upstream sends; after a start, and where the connection was lost, that takes a while. */
  isConnected = false;
  readonly #snapshots = new Map<number, number>();
  /** Tables that are wanted, and those of which a copy is asked for: one that is dropped and made again meanwhile gets that one (`src/ingest/tables.ts`). */
  readonly #wanted = new Set<number>();
  readonly #copying = new Set<number>();
  /** Facts that are still to be appended, in order; the stream is held meanwhile. */
  readonly #facts: (() => number)[] = [];

  /** Throws where the log has lost what was synced. */
  constructor(parts: IngestParts) {
    this.#parts = parts;
    this.#writer = LogWriter.open(parts.disk, LOG_DIRECTORY, {
      bounds: parts.bounds,
      segmentBytesMax: parts.segmentBytesMax,
      atLeast: parts.logAtLeast,
    });
    const { inForce } = this.#writer;
    const received = inForce.position.lsn > inForce.progressLsn ? inForce.position.lsn : inForce.progressLsn;
    // Until all first copies are complete, and it is written down, a start makes them anew.
    const isFirst = inForce.progressLsn === 0n;
    this.#commit = 1 + (isFirst ? parts.upstream.last : commitAt(received));
    const live = isFirst
      ? []
      : [...inForce.tables.values()].filter(({ snapshotLsn }) => snapshotLsn !== undefined).map(({ table }) => table.oid);
    for (const { table, snapshotLsn } of inForce.tables.values()) {
      // At once, before the engine reads the log.
      if (!live.includes(table.oid) || !parts.wanted.includes(table.oid)) this.#writer.appendRemoved(table.oid);
      else this.#snapshots.set(table.oid, commitAt(parseLsn(snapshotLsn!)));
    }
    for (const oid of parts.wanted) if (!live.includes(oid)) this.copy(oid, isFirst);
    if (isFirst) this.#facts.push(() => this.#writer.appendProgress(lsnBehind(this.received)));
    const { end, syncedOffset } = this.#writer;
    parts.progress.publish({ committedOffset: end, syncedOffset, committedLsn: received, syncedLsn: received });
  }

  /** The commit that a table's copy is as of. */
  snapshotOf(oid: number): number {
    return this.#snapshots.get(oid) ?? 0;
  }

  /** The last commit that is in the log whole. */
  get received(): number {
    return this.#commit - 1;
  }

  get hasWork(): boolean {
    return this.#facts.length > 0 || this.#commit <= this.#parts.upstream.last;
  }

  /** Something can be done now. */
  get isReady(): boolean {
    return this.hasWork && (this.isConnected || (this.#facts.length > 0 && this.#frame === 0));
  }

  get isSynced(): boolean {
    return this.#writer.syncedOffset === this.#writer.end;
  }

  /** Its rows as they are upstream when the copy begins, then that it is complete. Changes before it are in the copy. */
  copy(oid: number, isFirst = false): void {
    const { dice, upstream } = this.#parts;
    this.#wanted.add(oid);
    if (this.#copying.has(oid)) return;
    this.#copying.add(oid);
    const index = upstreamTables.findIndex((table) => table.oid === oid);
    this.#facts.push(
      () => {
        if (this.#writer.inForce.tables.has(oid)) this.#writer.appendRemoved(oid);
        return this.#writer.appendTable(upstreamTables[index]!);
      },
      () => {
        // The stream is held; what was committed meanwhile is in the snapshot, and comes into the log behind the copy.
        const snapshot = isFirst || dice.chance(0.5) ? this.received : upstream.last;
        this.#snapshots.set(oid, snapshot);
        const rows = upstream.table(index, snapshot);
        const pieces = Math.ceil(rows.length / 2);
        this.#facts.unshift(
          ...Array.from(
            { length: pieces },
            (_, piece) => () =>
              this.#writer.appendCopy(
                oid,
                rows.slice(2 * piece, 2 * piece + 2).map((row) => tuple(row)),
              ),
          ),
          () => {
            const end = this.#writer.appendCopied({ oid, snapshotLsn: formatLsn(lsnBehind(snapshot)), rows: rows.length });
            this.#copying.delete(oid);
            return end;
          },
        );
        return this.#writer.end;
      },
    );
  }

  stop(oid: number, error: PlainError): void {
    this.#facts.push(() => this.#writer.appendStopped({ oid, error }));
  }

  remove(oid: number): void {
    this.#wanted.delete(oid);
    this.#facts.push(() =>
      this.#writer.inForce.tables.has(oid) && !this.#wanted.has(oid) ? this.#writer.appendRemoved(oid) : this.#writer.end,
    );
  }

  /** The connection is lost; what was not whole comes again. */
  cut(): void {
    this.#isCut = true;
    this.#frame = 0;
    this.isConnected = false;
  }

  /** Some more into the log. On a full disk nothing of it; false then. */
  step(): boolean {
    try {
      if (this.#isCut) {
        this.#writer.appendInterrupted();
        this.#isCut = false;
      }
      // Facts stand between transactions.
      const [fact] = this.#facts;
      if (fact !== undefined && this.#frame === 0) {
        this.#facts.shift();
        try {
          this.#parts.progress.publish({ committedOffset: fact() });
        } catch (error) {
          this.#facts.unshift(fact);
          throw error;
        }
      } else this.#receive();
      return true;
    } catch (error) {
      if (!(error instanceof MillraceError && error.code === 'LOG_DISK_FULL')) throw error;
      this.cut();
      return false;
    }
  }

  sync(): void {
    const syncedOffset = this.#writer.sync();
    this.#parts.progress.publish({ syncedOffset, syncedLsn: endLsn(this.received) });
  }

  /** Nothing more is there: the server says how far it is, and sometimes that is written down. */
  keepalive(): void {
    const { dice, progress, upstream } = this.#parts;
    if (!this.isConnected || this.#frame > 0 || this.received < upstream.last) return;
    const lsn = lsnBehind(this.received);
    progress.publish({ committedLsn: lsn, serverLsn: lsn, heardAtMs: 1 });
    if (dice.chance(0.3)) this.#facts.push(() => this.#writer.appendProgress(lsn));
  }

  /** One record: some frames, of one transaction or of several. */
  #receive(): void {
    const { dice, upstream, progress } = this.#parts;
    const chunks: Buffer[] = [];
    let commit = this.#commit;
    let frame = this.#frame;
    for (let wanted = dice.of([1, 2, 3, 8, 50]); wanted > 0 && commit <= upstream.last; wanted--) {
      const frames = upstream.transactions[commit]!;
      chunks.push(frames[frame++]!);
      if (frame < frames.length) continue;
      commit++;
      frame = 0;
      // A fact waits for its place.
      if (this.#facts.length > 0) break;
    }
    if (chunks.length === 0) return;
    const end = this.#writer.appendWal(chunks);
    const isWhole = commit !== this.#commit;
    this.#commit = commit;
    this.#frame = frame;
    if (isWhole) progress.publish({ committedOffset: end, committedLsn: endLsn(this.received), serverLsn: endLsn(upstream.last) });
  }
}
