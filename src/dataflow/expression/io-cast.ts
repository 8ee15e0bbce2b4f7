/**
 * Casts through the text form (`CoerceViaIO`, and the text of a value in `||` and concat) that need no Postgres: to text, and from text where our reading is
 * the whole of Postgres's. An input that we do not read for certain is asked of Postgres (`undefined` from the reader).
 */
import { baseOid, codecOf, type Value } from '../../values/codec.ts';
import { daysInMonth } from '../../values/calendar.ts';
import { fitTimestamp } from '../../values/datetime-arithmetic.ts';
import { parseDate, parseTimestamp } from '../../values/datetime.ts';
import { inputFloat } from '../../values/float.ts';
import { fail, invalidInput } from '../../values/failure.ts';
import { INT64_MAX, INT64_MIN, normalInt, type Int } from '../../values/int64.ts';
import { fitNumeric, inputNumeric } from '../../values/numeric-arithmetic.ts';
import type { Numeric } from '../../values/numeric.ts';
import type { PgType } from '../../values/type.ts';
import type { Native } from './native.ts';
import { isUtc, printsIso, type SessionSettings } from './session.ts';

const TEXT_LIKE: ReadonlySet<number> = new Set([25, 1043]);
const TIMESTAMPTZ = 1184;
const BOOL = 16;
/** Types whose text is a matter of DateStyle or IntervalStyle. */
const STYLED: ReadonlySet<number> = new Set([1082, 1114, TIMESTAMPTZ, 1186]);

/** The output function as JavaScript; undefined where the session prints otherwise. */
export function printer(type: PgType, session: SessionSettings): ((value: Value) => string) | undefined {
  const oid = baseOid(type);
  if (STYLED.has(oid) && !printsIso(session)) return undefined;
  if (oid === TIMESTAMPTZ && !isUtc(session.timeZone)) return undefined;
  const codec = codecOf(type);
  return (value) => codec.format(value);
}

export function nativeIoCast(from: PgType, to: PgType, session: SessionSettings): Native | undefined {
  if (TEXT_LIKE.has(baseOid(to)) && to.typmod < 0 && to.kind !== 'domain') {
    const print = printer(from, session);
    if (print === undefined) return undefined;
    return { name: `${from.name} → text`, fails: false, code: (generator, [value]) => `${generator.use(print, 'print')}(${value})` };
  }
  if (from.storage !== 'text' || !TEXT_LIKE.has(baseOid(from)) || to.kind === 'domain') return undefined;
  const read = READERS.get(to.oid);
  if (read === undefined) return undefined;
  return {
    name: `text → ${to.name}`,
    fails: true,
    partial: true,
    code: (generator, [value]) => `${generator.use(read, 'read')}(${value}, ${to.typmod})`,
  };
}

const INTEGER = /^[ \t\n\r\f\v]*([+-]?\d+)[ \t\n\r\f\v]*$/;

/** Plain digits; 0x1F, 1_000 and errors (which differ between versions) are Postgres's. */
function integer(text: string, typeName: string, min: bigint, max: bigint): Int | undefined {
  const plain = INTEGER.exec(text);
  if (plain === null) return undefined;
  const value = BigInt(plain[1]!.replace('+', ''));
  if (value < min || value > max) return fail('22003', `value "${text}" is out of range for type ${typeName}`);
  return normalInt(value);
}

const readBool = (text: string): boolean => {
  const word = text.trim().toLowerCase();
  if (word !== '' && ('true'.startsWith(word) || 'yes'.startsWith(word) || word === 'on' || word === '1')) return true;
  if (word !== '' && ('false'.startsWith(word) || 'no'.startsWith(word) || word === 'off' || word === 'of' || word === '0')) return false;
  return invalidInput('boolean', text);
};

const UUID = /^(\{?)([0-9a-f]{4}(?:-?[0-9a-f]{4}){7})(\}?)$/i;

function readUuid(text: string): string {
  const match = UUID.exec(text);
  if (match === null || (match[1] === '') !== (match[3] === '')) return invalidInput('uuid', text);
  const digits = match[2]!.replaceAll('-', '').toLowerCase();
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${digits.slice(12, 16)}-${digits.slice(16, 20)}-${digits.slice(20)}`;
}

/** Only the plain ISO forms, and valid ones; anything else (`today`, `1/2/2024`, 24:00) is Postgres's to read. */
const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const TIMESTAMP = /^(\d{4})-(\d\d)-(\d\d)[ T]([01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?$/;
const TIMESTAMP_WITH_OFFSET =
  /^((\d{4})-(\d\d)-(\d\d)[ T](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?)(Z|[+-](?:0\d|1[0-4])(?::?[0-5]\d)?)$/;

function isDay(year: string, month: string, day: string): boolean {
  return (
    Number(year) >= 1 &&
    Number(month) >= 1 &&
    Number(month) <= 12 &&
    Number(day) >= 1 &&
    Number(day) <= daysInMonth(Number(year), Number(month))
  );
}

function readDate(text: string): number | undefined {
  const match = DATE.exec(text);
  return match !== null && isDay(match[1]!, match[2]!, match[3]!) ? parseDate(text) : undefined;
}

function readTimestamp(text: string, typmod: number): Int | undefined {
  const match = TIMESTAMP.exec(text);
  if (match === null || !isDay(match[1]!, match[2]!, match[3]!)) return undefined;
  return fitTimestamp(parseTimestamp(text.length === 16 ? `${text}:00` : text), typmod);
}

function readTimestamptz(text: string, typmod: number): Int | undefined {
  const match = TIMESTAMP_WITH_OFFSET.exec(text);
  if (match === null || !isDay(match[2]!, match[3]!, match[4]!)) return undefined;
  const clock = match[1]!.length === 16 ? `${match[1]!}:00` : match[1]!;
  const offset = match[5] === 'Z' ? '+00' : match[5]!.replace(/^(...)(\d\d)$/, '$1:$2');
  return fitTimestamp(parseTimestamp(clock + offset), typmod);
}

function readNumeric(text: string, typmod: number): Numeric | undefined {
  const read = inputNumeric(text);
  return read === undefined ? undefined : fitNumeric(read, typmod);
}

type Reader = (text: string, typmod: number) => Value | undefined;

const READERS: ReadonlyMap<number, Reader> = new Map<number, Reader>([
  [21, (text) => integer(text, 'smallint', -32768n, 32767n)],
  [23, (text) => integer(text, 'integer', -2147483648n, 2147483647n)],
  [20, (text) => integer(text, 'bigint', INT64_MIN, INT64_MAX)],
  [700, (text) => inputFloat(text, 'real')],
  [701, (text) => inputFloat(text, 'double precision')],
  [1700, readNumeric],
  [BOOL, readBool],
  [2950, readUuid],
  [1082, readDate],
  [1114, readTimestamp],
  [TIMESTAMPTZ, readTimestamptz],
]);
