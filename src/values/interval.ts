/**
 * interval: months, days and microseconds kept apart (identity); equality and order by their span, a month being 30 days and a day 24 hours,
 * so '1 month' = '30 days'. ±infinity (Postgres 17) are all three fields at their extremes. Text in IntervalStyle postgres.
 */
import { MICROS_A_DAY } from './calendar.ts';
import { fail } from './failure.ts';
import { formatFraction } from './datetime.ts';
import { checkedInt64, INT64_MAX, INT64_MIN, normalInt, readInt64, writeInt64, type Int } from './int64.ts';

export interface Interval {
  readonly months: number;
  readonly days: number;
  readonly micros: Int;
}

export const INTERVAL_INFINITY: Interval = { months: 2147483647, days: 2147483647, micros: INT64_MAX };
export const INTERVAL_MINUS_INFINITY: Interval = { months: -2147483648, days: -2147483648, micros: INT64_MIN };
export const INTERVAL_ZERO: Interval = { months: 0, days: 0, micros: 0 };

export function isInfiniteInterval(value: Interval): boolean {
  return value.micros === INT64_MAX ? value.months === 2147483647 && value.days === 2147483647 : isMinusInfinity(value);
}

function isMinusInfinity(value: Interval): boolean {
  return value.micros === INT64_MIN && value.months === -2147483648 && value.days === -2147483648;
}

export function readInterval(words: Int32Array, at: number): Interval {
  return { micros: readInt64(words, at), days: words[at + 2]!, months: words[at + 3]! };
}

export function writeInterval(value: Interval, words: Int32Array, at: number): void {
  writeInt64(words, at, value.micros);
  words[at + 2] = value.days;
  words[at + 3] = value.months;
}

/** Whole days and the rest in µs (0 … a day), a month being 30 days: the order of intervals. Equal spans are equal intervals. */
export function spanOf(value: Interval): { days: number; micros: number } {
  const months = value.months * 30 + value.days;
  if (typeof value.micros === 'number') {
    const carry = Math.floor(value.micros / MICROS_A_DAY);
    return { days: months + carry, micros: value.micros - carry * MICROS_A_DAY };
  }
  let carry = value.micros / 86_400_000_000n;
  if (value.micros < 0n && carry * 86_400_000_000n !== value.micros) carry -= 1n;
  return { days: months + Number(carry), micros: Number(value.micros - carry * 86_400_000_000n) };
}

export function compareInterval(a: Interval, b: Interval): number {
  const left = spanOf(a);
  const right = spanOf(b);
  return left.days - right.days || left.micros - right.micros;
}

/** The representative of an equality class: everything in days and µs, months zero where that fits. */
export function canonicalInterval(value: Interval): Interval {
  const { days, micros } = spanOf(value);
  if (days === (days | 0)) return { months: 0, days, micros };
  const months = Math.trunc(days / 30);
  return { months, days: days - months * 30, micros };
}

export function formatInterval(value: Interval): string {
  if (isInfiniteInterval(value)) return value.months > 0 ? 'infinity' : '-infinity';
  let text = '';
  let before = false;
  const part = (amount: number, unit: string): void => {
    if (amount === 0) return;
    text += `${text === '' ? '' : ' '}${before && amount > 0 ? '+' : ''}${amount} ${unit}${amount === 1 ? '' : 's'}`;
    before = amount < 0;
  };
  part(Math.trunc(value.months / 12), 'year');
  part(value.months % 12, 'mon');
  part(value.days, 'day');
  if (text !== '' && value.micros === 0) return text;
  const negative = value.micros < 0;
  const size = typeof value.micros === 'number' ? BigInt(Math.abs(value.micros)) : negative ? -value.micros : value.micros;
  const seconds = Number(size / 1_000_000n);
  const two = (n: number): string => String(n).padStart(2, '0');
  const clock = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}${formatFraction(Number(size % 1_000_000n))}`;
  return `${text}${text === '' ? '' : ' '}${negative ? '-' : before ? '+' : ''}${clock}`;
}

const TOKEN = /([+-]?\d+) (year|mon|day)s?|([+-]?)(\d+):(\d\d):(\d\d)(?:\.(\d+))?/g;

/** Output text only. */
export function parseInterval(text: string): Interval {
  if (text === 'infinity') return INTERVAL_INFINITY;
  if (text === '-infinity') return INTERVAL_MINUS_INFINITY;
  let months = 0;
  let days = 0;
  let micros: Int = 0;
  for (const [, amount, unit, sign, hours, minutes, seconds, fraction] of text.matchAll(TOKEN)) {
    if (unit === 'year') months += Number(amount) * 12;
    else if (unit === 'mon') months += Number(amount);
    else if (unit === 'day') days += Number(amount);
    else {
      const size =
        ((BigInt(hours!) * 60n + BigInt(minutes!)) * 60n + BigInt(seconds!)) * 1_000_000n + BigInt((fraction ?? '').padEnd(6, '0'));
      micros = normalInt(sign === '-' ? -size : size);
    }
  }
  return { months, days, micros };
}

const outOfRange = (): never => fail('22008', 'interval out of range');

function int32(value: number): number {
  return value === (value | 0) ? value : outOfRange();
}

function int64(value: bigint): Int {
  return value > INT64_MAX || value < INT64_MIN ? outOfRange() : checkedInt64(value);
}

function finite(value: Interval): Interval {
  return isInfiniteInterval(value) ? outOfRange() : value;
}

export function negateInterval(value: Interval): Interval {
  if (isInfiniteInterval(value)) return value.months > 0 ? INTERVAL_MINUS_INFINITY : INTERVAL_INFINITY;
  return finite({ months: int32(-value.months + 0), days: int32(-value.days + 0), micros: int64(-BigInt(value.micros)) });
}

export function addIntervals(a: Interval, b: Interval): Interval {
  if (isInfiniteInterval(a)) return isInfiniteInterval(b) && a.months !== b.months ? outOfRange() : a;
  if (isInfiniteInterval(b)) return b;
  const micros = typeof a.micros === 'number' && typeof b.micros === 'number' ? a.micros + b.micros : NaN;
  return finite({
    months: int32(a.months + b.months),
    days: int32(a.days + b.days),
    micros: Number.isSafeInteger(micros) ? micros : int64(BigInt(a.micros) + BigInt(b.micros)),
  });
}

export function subtractIntervals(a: Interval, b: Interval): Interval {
  if (isInfiniteInterval(b)) {
    if (isInfiniteInterval(a) && a.months === b.months) return outOfRange();
    return b.months > 0 ? INTERVAL_MINUS_INFINITY : INTERVAL_INFINITY;
  }
  if (isInfiniteInterval(a)) return a;
  return finite({
    months: int32(a.months - b.months),
    days: int32(a.days - b.days),
    micros: int64(BigInt(a.micros) - BigInt(b.micros)),
  });
}
