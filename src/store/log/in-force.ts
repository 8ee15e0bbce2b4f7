/**
 * What is in force at a place of the log: Relation and Type messages, tables, and how far the upstream's history is received. The writer keeps one at the end
 * of the log and writes it into every segment's header; recovery and readers that begin in the middle rebuild it from there. Pure bookkeeping, no I/O.
 */
import { formatLsn, parseLsn, type Lsn } from '../../base/lsn.ts';
import type { PlainError } from '../../base/errors.ts';
import type { TableShape } from '../../upstream/shape.ts';
import type { UpstreamTable } from '../../upstream/table.ts';
import { BEGIN, beginCommitLsn, COMMIT, commitEndLsn, RELATION, relationOid, TYPE, WalCursor } from '../../wire/pgoutput.ts';
import { nowhere, positionFromJson, positionToJson, type Position } from '../position.ts';
import { recordKind, type RecordKind } from './record.ts';
import { LOG_FORMAT, type SegmentHeader, type TableInForce } from './segment.ts';

export interface CopiedFact {
  readonly oid: number;
  /** `16/B374D848` */
  readonly snapshotLsn: string;
  readonly rows: number;
}

/** Payload of a `shape` record. */
export interface ShapeFact {
  readonly oid: number;
  readonly shape: TableShape;
}

/** Payload of a `stopped` record. */
export interface StoppedFact {
  readonly oid: number;
  readonly error: PlainError;
}

export class InForce {
  #position: Position = nowhere;
  /** Commit LSN (of the Begin) of the last whole transaction. */
  lastCommitLsn: Lsn = 0n;
  /** The highest LSN of a progress record. */
  progressLsn: Lsn = 0n;
  /** Commit LSN of a transaction whose Commit has not come yet. */
  openTransaction: Lsn | undefined;
  readonly relations = new Map<number, Buffer>();
  readonly types = new Map<number, Buffer>();
  readonly tables = new Map<number, TableInForce>();
  readonly #cursor = new WalCursor();

  get position(): Position {
    return this.#position;
  }

  /** The server, timeline or slot changed, or is known for the first time. */
  moveTo(position: Position): void {
    this.#position = position;
  }

  /** Takes note of a record that now stands in the log at `offset`. `wal`: payload of whole CopyData messages. */
  observe(kind: RecordKind, payload: Uint8Array, offset: number): void {
    switch (kind) {
      case recordKind.segment:
      case recordKind.copy:
        return;
      case recordKind.wal:
        return this.#observeWal(payload);
      case recordKind.progress: {
        const lsn = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).readBigUInt64BE(0);
        if (lsn > this.progressLsn) this.progressLsn = lsn;
        return;
      }
      case recordKind.table: {
        const table = fromJson<UpstreamTable>(payload);
        this.tables.set(table.oid, { table, since: offset });
        return;
      }
      case recordKind.altered: {
        const table = fromJson<UpstreamTable>(payload);
        const known = this.tables.get(table.oid);
        if (known !== undefined) this.tables.set(table.oid, { ...known, table });
        return;
      }
      case recordKind.copied: {
        const fact = fromJson<CopiedFact>(payload);
        const known = this.tables.get(fact.oid);
        if (known !== undefined) this.tables.set(fact.oid, { ...known, snapshotLsn: fact.snapshotLsn });
        return;
      }
      case recordKind.shape: {
        const { oid, shape } = fromJson<ShapeFact>(payload);
        const known = this.tables.get(oid);
        if (known !== undefined) this.tables.set(oid, { ...known, shape });
        return;
      }
      case recordKind.stopped: {
        const { oid, error } = fromJson<StoppedFact>(payload);
        const known = this.tables.get(oid);
        if (known !== undefined) this.tables.set(oid, { ...known, stopped: error });
        return;
      }
      case recordKind.interrupted:
        this.openTransaction = undefined;
        return;
      case recordKind.removed:
        this.tables.delete(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).readUInt32BE(0));
        return;
      default:
        kind satisfies never;
    }
  }

  #observeWal(payload: Uint8Array): void {
    const cursor = this.#cursor;
    cursor.reset(payload);
    for (;;) {
      const kind = cursor.next();
      if (kind === 0) return;
      if (kind === RELATION) this.relations.set(relationOid(payload, cursor.at), Buffer.from(payload.subarray(cursor.at, cursor.end)));
      else if (kind === TYPE) this.types.set(relationOid(payload, cursor.at), Buffer.from(payload.subarray(cursor.at, cursor.end)));
      else if (kind === BEGIN) this.openTransaction = beginCommitLsn(payload, cursor.at);
      else if (kind === COMMIT && this.openTransaction !== undefined) {
        this.lastCommitLsn = this.openTransaction;
        this.openTransaction = undefined;
        this.#position = { ...this.#position, lsn: commitEndLsn(payload, cursor.at), ordinal: 0 };
      }
    }
  }

  toHeader(start: number): SegmentHeader {
    return {
      format: LOG_FORMAT,
      start,
      position: positionToJson(this.#position),
      lastCommitLsn: formatLsn(this.lastCommitLsn),
      progressLsn: formatLsn(this.progressLsn),
      relations: [...this.relations.values()].map((bytes) => bytes.toString('base64')),
      types: [...this.types.values()].map((bytes) => bytes.toString('base64')),
      tables: [...this.tables.values()],
      ...(this.openTransaction === undefined ? {} : { openTransaction: formatLsn(this.openTransaction) }),
    };
  }

  static fromHeader(header: SegmentHeader): InForce {
    const inForce = new InForce();
    inForce.moveTo(positionFromJson(header.position));
    inForce.lastCommitLsn = parseLsn(header.lastCommitLsn);
    inForce.progressLsn = parseLsn(header.progressLsn);
    if (header.openTransaction !== undefined) inForce.openTransaction = parseLsn(header.openTransaction);
    for (const text of header.relations) {
      const bytes = Buffer.from(text, 'base64');
      inForce.relations.set(relationOid(bytes, 0), bytes);
    }
    for (const text of header.types) {
      const bytes = Buffer.from(text, 'base64');
      inForce.types.set(relationOid(bytes, 0), bytes);
    }
    for (const table of header.tables) inForce.tables.set(table.table.oid, table);
    return inForce;
  }
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- names what the writer put in.
export function fromJson<T>(payload: Uint8Array): T {
  return JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8')) as T;
}
