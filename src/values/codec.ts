/**
 * What can be done with a value of one type: text bytes → slot, slot → JavaScript, JavaScript → slot, JavaScript ↔ text. One table, by type OID where
 * a storage holds several types, else by storage. Called where a value passes an edge; hot loops have these functions inlined by name (`codecSource`).
 */
import {
  formatDate,
  formatTime,
  formatTimestamp,
  formatTimestamptz,
  decodeDate,
  decodeTime,
  decodeTimestamp,
  parseDate,
  parseTime,
  parseTimestamp,
} from './datetime.ts';
import { decodeFloat8, formatFloat4, formatFloat8, parseFloat4, parseFloat8 } from './float.ts';
import { decodeInt64, parseInt64, readInt64, writeInt64, type Int } from './int64.ts';
import { formatInterval, parseInterval, readInterval, writeInterval, type Interval } from './interval.ts';
import { decodeNumeric, formatNumeric, parseNumeric, readNumeric, writeNumeric, type Numeric } from './numeric.ts';
import type { RowSpace } from './space.ts';
import { readText, writeText, writeTextBytes } from './text.ts';
import type { PgType } from './type.ts';
import { decodeUuid, readUuid, writeUuid } from './uuid.ts';

/** By storage: bool boolean · int32 number (oid and xid unsigned) · int64 Int · float64 number · numeric Numeric · uuid, text string · interval Interval. */
export type Value = boolean | Int | string | Numeric | Interval;

export interface Codec<V extends Value = Value> {
  /** Postgres's text, as bytes, into a zeroed slot. */
  decode(bytes: Uint8Array, start: number, end: number, into: RowSpace, at: number): void;
  read(space: RowSpace, at: number): V;
  /** Into a zeroed slot. */
  write(value: V, into: RowSpace, at: number): void;
  /** Postgres's output text. */
  parse(text: string): V;
  format(value: V): string;
}

const ascii = (bytes: Uint8Array, start: number, end: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');

const bool: Codec<boolean> = {
  decode: (bytes, start, _end, into, at) => void (into.words[at] = bytes[start] === 116 ? 1 : 0),
  read: (space, at) => space.words[at] !== 0,
  write: (value, into, at) => void (into.words[at] = value ? 1 : 0),
  parse: (text) => text === 't' || text === 'true',
  format: (value) => (value ? 't' : 'f'),
};

const int4: Codec<number> = {
  decode: (bytes, start, end, into, at) => void (into.words[at] = decodeInt32(bytes, start, end)),
  read: (space, at) => space.words[at]!,
  write: (value, into, at) => void (into.words[at] = value),
  parse: (text) => Number(text) + 0,
  format: (value) => String(value),
};

/** Also of the unsigned 32 bits of oid and xid. */
export function decodeInt32(bytes: Uint8Array, start: number, end: number): number {
  let index = start;
  const negative = bytes[index] === 45;
  if (negative) index++;
  let value = 0;
  for (; index < end; index++) value = (Math.imul(value, 10) + (bytes[index]! - 48)) | 0;
  return negative ? -value | 0 : value;
}

const oid: Codec<number> = {
  ...int4,
  read: (space, at) => space.words[at]! >>> 0,
  write: (value, into, at) => void (into.words[at] = value | 0),
};

const date: Codec<number> = {
  ...int4,
  decode: (bytes, start, end, into, at) => void (into.words[at] = decodeDate(bytes, start, end)),
  parse: parseDate,
  format: formatDate,
};

const int8: Codec<Int> = {
  decode: (bytes, start, end, into, at) => decodeInt64(bytes, start, end, into.words, at),
  read: (space, at) => readInt64(space.words, at),
  write: (value, into, at) => writeInt64(into.words, at, value),
  parse: parseInt64,
  format: (value) => String(value),
};

const timestamp: Codec<Int> = {
  ...int8,
  decode: (bytes, start, end, into, at) => writeInt64(into.words, at, decodeTimestamp(bytes, start, end)),
  parse: parseTimestamp,
  format: formatTimestamp,
};

const timestamptz: Codec<Int> = { ...timestamp, format: formatTimestamptz };

const time: Codec<Int> = {
  ...int8,
  decode: (bytes, start, end, into, at) => writeInt64(into.words, at, decodeTime(bytes, start, end)),
  parse: parseTime,
  format: (value) => formatTime(Number(value)),
};

const float8: Codec<number> = {
  decode: (bytes, start, end, into, at) => void (into.doubles[at >> 1] = decodeFloat8(bytes, start, end)),
  read: (space, at) => space.doubles[at >> 1]!,
  write: (value, into, at) => void (into.doubles[at >> 1] = value),
  parse: parseFloat8,
  format: formatFloat8,
};

const float4: Codec<number> = {
  ...float8,
  decode: (bytes, start, end, into, at) => void (into.doubles[at >> 1] = parseFloat4(ascii(bytes, start, end))),
  parse: parseFloat4,
  format: formatFloat4,
};

const numeric: Codec<Numeric> = {
  decode: decodeNumeric,
  read: (space, at) => readNumeric(space.words, space.heap, at),
  write: writeNumeric,
  parse: parseNumeric,
  format: formatNumeric,
};

const uuid: Codec<string> = {
  decode: (bytes, start, end, into, at) => decodeUuid(bytes, start, end, into.words, at),
  read: (space, at) => readUuid(space.words, at),
  write: (value, into, at) => writeUuid(value, into.words, at),
  parse: (text) => text,
  format: (value) => value,
};

const interval: Codec<Interval> = {
  decode: (bytes, start, end, into, at) => writeInterval(parseInterval(ascii(bytes, start, end)), into.words, at),
  read: (space, at) => readInterval(space.words, at),
  write: (value, into, at) => writeInterval(value, into.words, at),
  parse: parseInterval,
  format: formatInterval,
};

const text: Codec<string> = {
  decode: writeTextBytes,
  read: (space, at) => readText(space.words, space.heap, at),
  write: writeText,
  parse: (value) => value,
  format: (value) => value,
};

const BY_OID: ReadonlyMap<number, Codec> = new Map<number, Codec>([
  [16, bool],
  [21, int4],
  [23, int4],
  [26, oid],
  [28, oid],
  [1082, date],
  [20, int8],
  [1083, time],
  [1114, timestamp],
  [1184, timestamptz],
  [700, float4],
  [701, float8],
  [1700, numeric],
  [2950, uuid],
  [1186, interval],
]);

/** The OID that decides how a value is read: a domain's base. */
export function baseOid(type: PgType): number {
  return type.base?.oid ?? type.oid;
}

export function codecOf(type: PgType): Codec {
  const codec = type.storage === 'text' ? text : (BY_OID.get(baseOid(type)) ?? text);
  return codec;
}
