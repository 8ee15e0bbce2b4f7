/**
 * Postgres's binary output (the types' send functions) for the common types, straight from the packed row; `recoded.ts` sees to all others.
 * https://www.postgresql.org/docs/current/protocol-overview.html#PROTOCOL-FORMAT-CODES; formats from the types' send functions in Postgres's source.
 */
import { millraceError } from '../base/errors.ts';
import type { Codec } from '../values/codec.ts';
import { readInt64 } from '../values/int64.ts';
import { readInterval } from '../values/interval.ts';
import type { RowSpace } from '../values/space.ts';
import { storageOf, type Storage } from '../values/type.ts';
import type { ByteWriter } from './bytes.ts';

/** Appends Int32 length and the bytes of the value in the slot. */
export type BinaryEncoder = (space: RowSpace, at: number, out: ByteWriter, codec: Codec) => void;

/** Types whose binary form is their text form: text, name, bpchar, varchar, json, xml, unknown. */
const SENT_AS_TEXT = new Set([25, 19, 1042, 1043, 114, 142, 705]);
/** "char": always one byte. */
const CHAR = 18;
const BYTEA = 17;
const JSONB = 3802;
const INT2 = 21;
const FLOAT4 = 700;

/** What `binaryEncoderOf` knows, by the type's OID (of a domain, its base's). */
export function isSentNatively(oid: number): boolean {
  return storageOf(oid) !== 'text' || oid === BYTEA || oid === JSONB || oid === CHAR || SENT_AS_TEXT.has(oid);
}

export function binaryEncoderOf(oid: number, storage: Storage): BinaryEncoder {
  switch (storage) {
    case 'bool':
      return (space, at, out) => {
        out.int32(1);
        out.int8(space.words[at]!);
      };
    case 'int32':
      return oid === INT2
        ? (space, at, out) => {
            out.int32(2);
            out.int16(space.words[at]!);
          }
        : (space, at, out) => {
            out.int32(4);
            out.int32(space.words[at]!);
          };
    case 'int64':
      return (space, at, out) => {
        out.int32(8);
        out.int64(BigInt(readInt64(space.words, at)));
      };
    case 'float64':
      return oid === FLOAT4
        ? (space, at, out) => sendBytes(out, floatBytes(4, space.doubles[at >> 1]!))
        : (space, at, out) => sendBytes(out, floatBytes(8, space.doubles[at >> 1]!));
    case 'interval':
      return (space, at, out) => {
        const { months, days, micros } = readInterval(space.words, at);
        out.int32(16);
        out.int64(BigInt(micros));
        out.int32(days);
        out.int32(months);
      };
    case 'uuid':
      return (space, at, out) => {
        out.int32(16);
        for (let i = 0; i < 4; i++) out.int32(space.words[at + i]!);
      };
    case 'numeric':
      return (space, at, out, codec) => sendBytes(out, numericBytes(codec.format(codec.read(space, at))));
    case 'text':
      if (oid === BYTEA) return (space, at, out, codec) => sendBytes(out, Buffer.from(codec.format(codec.read(space, at)).slice(2), 'hex'));
      if (oid === JSONB) return (space, at, out, codec) => sendBytes(out, Buffer.from(`\u0001${codec.format(codec.read(space, at))}`));
      if (oid === CHAR) return (space, at, out, codec) => sendBytes(out, Buffer.of(charByte(codec.format(codec.read(space, at)))));
      if (SENT_AS_TEXT.has(oid)) return (space, at, out, codec) => sendBytes(out, Buffer.from(codec.format(codec.read(space, at))));
      throw millraceError('BINARY_FORMAT_UNSUPPORTED', { oid });
  }
}

function sendBytes(out: ByteWriter, bytes: Uint8Array): void {
  out.int32(bytes.length);
  out.raw(bytes);
}

/** As charout writes it: nothing for the byte of zero, an octal escape for what is not ASCII. */
export function charByte(text: string): number {
  if (text === '') return 0;
  return text.length === 4 && text.startsWith('\\') ? Number.parseInt(text.slice(1), 8) : text.charCodeAt(0);
}

function floatBytes(width: 4 | 8, value: number): Buffer {
  const bytes = Buffer.alloc(width);
  if (width === 4) bytes.writeFloatBE(value);
  else bytes.writeDoubleBE(value);
  return bytes;
}

const NUMERIC_SIGN = { plus: 0x0000, minus: 0x4000, nan: 0xc000, infinity: 0xd000, minusInfinity: 0xf000 } as const;

/** numeric_send: digits in base 10,000, weight of the first, sign, display scale; 16 bits each. */
export function numericBytes(text: string): Buffer {
  if (text === 'NaN') return int16s([0, 0, NUMERIC_SIGN.nan, 0]);
  if (text === 'Infinity') return int16s([0, 0, NUMERIC_SIGN.infinity, 0]);
  if (text === '-Infinity') return int16s([0, 0, NUMERIC_SIGN.minusInfinity, 0]);
  const negative = text.startsWith('-');
  const [whole = '', fraction = ''] = text.replace('-', '').split('.');
  const wholeDigits = whole.padStart(Math.ceil(whole.length / 4) * 4, '0');
  const all = wholeDigits + fraction.padEnd(Math.ceil(fraction.length / 4) * 4, '0');
  const groups: number[] = [];
  for (let i = 0; i < all.length; i += 4) groups.push(Number(all.slice(i, i + 4)));
  let weight = wholeDigits.length / 4 - 1;
  while (groups.length > 0 && groups[0] === 0) {
    groups.shift();
    weight--;
  }
  while (groups.length > 0 && groups.at(-1) === 0) groups.pop();
  if (groups.length === 0) weight = 0;
  return int16s([groups.length, weight, negative ? NUMERIC_SIGN.minus : NUMERIC_SIGN.plus, fraction.length, ...groups]);
}

function int16s(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  values.forEach((value, i) => bytes.writeUInt16BE(value & 0xffff, i * 2));
  return bytes;
}
