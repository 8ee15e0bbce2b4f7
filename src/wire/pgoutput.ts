/**
 * pgoutput, protocol version 1: where the parts of each message lie. Hot readers walk offsets and make no objects; only Relation and Type, which are rare,
 * become objects. https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 *
 *     Begin     B  int64 commit LSN (the start of the commit record)  int64 timestamp  int32 xid
 *     Commit    C  int8 flags  int64 commit LSN  int64 end LSN  int64 timestamp
 *     Insert    I  int32 relation  N tuple
 *     Update    U  int32 relation  [K tuple | O tuple]  N tuple
 *     Delete    D  int32 relation  K tuple | O tuple
 *     Truncate  T  int32 count  int8 options  int32 relation …
 *     tuple:    int16 columns, each  n | u | t int32 length bytes | b int32 length bytes
 *
 * They come in CopyData:  d int32 length  w int64 start LSN  int64 end LSN  int64 clock  message   |   d int32 length  k int64 end LSN  int64 clock  int8 reply now
 */
import { cstringEnd, readInt16, readInt32, readUint32, readUint64, readUtf8 } from './bytes.ts';

export const COPY_DATA = 0x64;
export const XLOG_DATA = 0x77;
export const KEEPALIVE = 0x6b;

export const BEGIN = 0x42;
export const COMMIT = 0x43;
export const RELATION = 0x52;
export const TYPE = 0x59;
export const INSERT = 0x49;
export const UPDATE = 0x55;
export const DELETE = 0x44;
export const TRUNCATE = 0x54;

/** What a tuple in Update and Delete is. */
export const NEW_TUPLE = 0x4e;
export const OLD_TUPLE = 0x4f;

/** What a column in a tuple is. */
export const COLUMN_NULL = 0x6e;
/** An unchanged TOAST value: not sent. */
export const COLUMN_UNCHANGED = 0x75;
export const COLUMN_TEXT = 0x74;
export const COLUMN_BINARY = 0x62;

/** From the `d` of a CopyData message to its pgoutput message: kind, length, `w`, three int64. */
export const XLOG_DATA_HEADER_BYTES = 1 + 4 + 1 + 24;

/** Walks whole CopyData messages, as they lie in a `wal` record of the log, without making objects. */
export class WalCursor {
  bytes: Uint8Array = new Uint8Array(0);
  /** The kind of the pgoutput message, KEEPALIVE for a keepalive, 0 at the end. */
  kind = 0;
  /** Offset of the `d`. */
  start = 0;
  /** Offset of the pgoutput message's kind byte (of the `k` of a keepalive). */
  at = 0;
  /** Offset behind the message. */
  end = 0;
  #limit = 0;

  reset(bytes: Uint8Array, start = 0, end: number = bytes.length): void {
    this.bytes = bytes;
    this.end = start;
    this.#limit = end;
    this.kind = 0;
  }

  /** Steps to the next message; its kind, or 0 when no whole message is left (`end` then is where the rest begins). */
  next(): number {
    const { bytes, end: start } = this;
    if (start + 6 > this.#limit) return (this.kind = 0);
    const end = start + 1 + readInt32(bytes, start + 1);
    if (end > this.#limit) return (this.kind = 0);
    this.start = start;
    this.end = end;
    if (bytes[start + 5] === XLOG_DATA) {
      this.at = start + XLOG_DATA_HEADER_BYTES;
      return (this.kind = bytes[this.at]!);
    }
    this.at = start + 5;
    return (this.kind = bytes[this.at]!);
  }
}

/** `at` of all of these: the kind byte of the message. */
export function beginCommitLsn(bytes: Uint8Array, at: number): bigint {
  return readUint64(bytes, at + 1);
}

export function beginTimestampMicros(bytes: Uint8Array, at: number): bigint {
  return readUint64(bytes, at + 9);
}

export function commitLsn(bytes: Uint8Array, at: number): bigint {
  return readUint64(bytes, at + 2);
}

/** The position behind the transaction: what is acknowledged. */
export function commitEndLsn(bytes: Uint8Array, at: number): bigint {
  return readUint64(bytes, at + 10);
}

/** Of Insert, Update, Delete, Relation, Type. */
export function relationOid(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at + 1);
}

/** Of Update and Delete, the kind byte of the first tuple; of Insert, the only one. */
export const FIRST_TUPLE_OFFSET = 5;

/** `at`: the int16 that opens the tuple. The offset behind it. */
export function skipTuple(bytes: Uint8Array, at: number): number {
  let next = at + 2;
  for (let left = readInt16(bytes, at); left > 0; left--) {
    const kind = bytes[next]!;
    next += kind === COLUMN_TEXT || kind === COLUMN_BINARY ? 5 + readInt32(bytes, next + 1) : 1;
  }
  return next;
}

export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** d, n, f or i. */
  readonly replicaIdentity: string;
  readonly columns: readonly RelationColumn[];
}

export interface RelationColumn {
  /** Part of the replica identity, as it is sent in K tuples. */
  readonly key: boolean;
  readonly name: string;
  readonly typeOid: number;
  readonly typmod: number;
}

export function parseRelation(bytes: Uint8Array, at: number): Relation {
  const oid = readUint32(bytes, at + 1);
  const schemaEnd = cstringEnd(bytes, at + 5);
  const nameEnd = cstringEnd(bytes, schemaEnd + 1);
  const count = readInt16(bytes, nameEnd + 2);
  const columns: RelationColumn[] = [];
  let next = nameEnd + 4;
  for (let i = 0; i < count; i++) {
    const end = cstringEnd(bytes, next + 1);
    columns.push({
      key: (bytes[next]! & 1) !== 0,
      name: readUtf8(bytes, next + 1, end),
      typeOid: readUint32(bytes, end + 1),
      typmod: readInt32(bytes, end + 5),
    });
    next = end + 9;
  }
  return {
    oid,
    // The protocol sends pg_catalog as an empty string.
    schema: readUtf8(bytes, at + 5, schemaEnd) || 'pg_catalog',
    name: readUtf8(bytes, schemaEnd + 1, nameEnd),
    replicaIdentity: String.fromCharCode(bytes[nameEnd + 1]!),
    columns,
  };
}

export function parseTruncate(bytes: Uint8Array, at: number): { options: number; oids: number[] } {
  const oids = Array.from({ length: readInt32(bytes, at + 1) }, (_, i) => readUint32(bytes, at + 6 + 4 * i));
  return { options: bytes[at + 5]!, oids };
}
