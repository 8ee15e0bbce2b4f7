/**
 * date, time, timestamp and timestamptz: text (ISO style) ↔ slot value. Days or microseconds since 2000-01-01; ±infinity are the extreme integers.
 * A timestamptz is read with whatever offset its text shows and printed in UTC. Fields, truncation and arithmetic: `datetime-fields.ts`, `datetime-arithmetic.ts`.
 */
import { civilFromDays, daysFromCivil, MICROS_A_DAY } from './calendar.ts';
import { INT64_MAX, INT64_MIN, normalInt, type Int } from './int64.ts';

export const DATE_INFINITY = 2147483647;
export const DATE_MINUS_INFINITY = -2147483648;
/** Days from 2000-01-01 within which days × µs stays a safe integer. */
const SAFE_DAYS = 104_000;

/** Where the last number read ended: a cursor kept outside so that the readers return plain numbers. */
let cursor = 0;

function digits(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  let at = start;
  for (; at < end; at++) {
    const digit = bytes[at]! - 48;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  cursor = at;
  return value;
}

function endsInBc(bytes: Uint8Array, end: number): boolean {
  return bytes[end - 1] === 67;
}

/** `2024-02-29`, `0044-03-15 BC`, `infinity`. */
export function decodeDate(bytes: Uint8Array, start: number, end: number): number {
  const first = bytes[start]!;
  if (first === 105) return DATE_INFINITY;
  if (first === 45) return DATE_MINUS_INFINITY;
  const year = digits(bytes, start, end);
  const month = digits(bytes, cursor + 1, end);
  const day = digits(bytes, cursor + 1, end);
  return daysFromCivil(endsInBc(bytes, end) ? 1 - year : year, month, day);
}

/** `12:34:56.789` from `start`; leaves the cursor behind it. */
function decodeClock(bytes: Uint8Array, start: number, end: number): number {
  const hours = digits(bytes, start, end);
  const minutes = digits(bytes, cursor + 1, end);
  const seconds = digits(bytes, cursor + 1, end);
  let micros = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000;
  if (bytes[cursor] === 46 && cursor < end) {
    const from = cursor + 1;
    const fraction = digits(bytes, from, end);
    micros += fraction * 10 ** (6 - (cursor - from));
  }
  return micros;
}

export function decodeTime(bytes: Uint8Array, start: number, end: number): number {
  return decodeClock(bytes, start, end);
}

/** With or without an offset: `2024-01-01 10:00:00.5+05:30`. */
export function decodeTimestamp(bytes: Uint8Array, start: number, end: number): Int {
  const first = bytes[start]!;
  if (first === 105) return INT64_MAX;
  if (first === 45) return INT64_MIN;
  const bc = endsInBc(bytes, end);
  const year = digits(bytes, start, end);
  const month = digits(bytes, cursor + 1, end);
  const day = digits(bytes, cursor + 1, end);
  const days = daysFromCivil(bc ? 1 - year : year, month, day);
  let micros = decodeClock(bytes, cursor + 1, end);
  const sign = cursor < end ? bytes[cursor] : 0;
  if (sign === 43 || sign === 45) {
    const hours = digits(bytes, cursor + 1, end);
    const minutes = cursor < end && bytes[cursor] === 58 ? digits(bytes, cursor + 1, end) : 0;
    const seconds = cursor < end && bytes[cursor] === 58 ? digits(bytes, cursor + 1, end) : 0;
    const offset = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000;
    micros += sign === 43 ? -offset : offset;
  }
  return joinDays(days, micros);
}

/** days × 86,400,000,000 + µs, exactly. */
export function joinDays(days: number, micros: number): Int {
  if (days < SAFE_DAYS && days > -SAFE_DAYS) return days * MICROS_A_DAY + micros;
  return normalInt(BigInt(days) * 86_400_000_000n + BigInt(micros));
}

/** Whole days (floor). The rest: `microsOfDay`. */
export function daysOf(timestamp: Int): number {
  if (typeof timestamp === 'number') return Math.floor(timestamp / MICROS_A_DAY);
  const days = timestamp / 86_400_000_000n;
  return Number(timestamp < 0n && days * 86_400_000_000n !== timestamp ? days - 1n : days);
}

export function microsOfDay(timestamp: Int): number {
  if (typeof timestamp === 'number') return timestamp - Math.floor(timestamp / MICROS_A_DAY) * MICROS_A_DAY;
  const rest = timestamp % 86_400_000_000n;
  return Number(rest < 0n ? rest + 86_400_000_000n : rest);
}

export function isInfinite(timestamp: Int): boolean {
  return typeof timestamp === 'bigint' && (timestamp === INT64_MAX || timestamp === INT64_MIN);
}

const two = (n: number): string => (n < 10 ? `0${n}` : `${n}`);

function formatCivil(days: number): { text: string; bc: boolean } {
  const { year, month, day } = civilFromDays(days);
  const bc = year <= 0;
  const shown = bc ? 1 - year : year;
  return { text: `${shown < 1000 ? String(shown).padStart(4, '0') : shown}-${two(month)}-${two(day)}`, bc };
}

export function formatDate(days: number): string {
  if (days === DATE_INFINITY) return 'infinity';
  if (days === DATE_MINUS_INFINITY) return '-infinity';
  const { text, bc } = formatCivil(days);
  return bc ? `${text} BC` : text;
}

export function formatTime(micros: number): string {
  const seconds = Math.floor(micros / 1_000_000);
  const clock = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return clock + formatFraction(micros - seconds * 1_000_000);
}

/** `.5` of 500000 µs; nothing of 0. */
export function formatFraction(micros: number): string {
  if (micros === 0) return '';
  return `.${String(micros).padStart(6, '0').replace(/0+$/, '')}`;
}

export function formatTimestamp(timestamp: Int): string {
  return formatWithZone(timestamp, '');
}

export function formatTimestamptz(timestamp: Int): string {
  return formatWithZone(timestamp, '+00');
}

function formatWithZone(timestamp: Int, zone: string): string {
  if (timestamp === INT64_MAX) return 'infinity';
  if (timestamp === INT64_MIN) return '-infinity';
  const { text, bc } = formatCivil(daysOf(timestamp));
  return `${text} ${formatTime(microsOfDay(timestamp))}${zone}${bc ? ' BC' : ''}`;
}

const ascii = (text: string): Uint8Array => Buffer.from(text, 'latin1');

export function parseDate(text: string): number {
  return decodeDate(ascii(text), 0, text.length);
}

export function parseTime(text: string): number {
  return decodeTime(ascii(text), 0, text.length);
}

export function parseTimestamp(text: string): Int {
  return decodeTimestamp(ascii(text), 0, text.length);
}
