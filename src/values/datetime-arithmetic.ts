/**
 * Arithmetic of dates, times, timestamps and intervals, with Postgres's ranges and errors. A timestamptz is computed here as in the zone UTC; other zones
 * are the fallback's. Months go by the calendar (31 January + 1 month = the last of February), days by days, then microseconds.
 */
import { civilFromDays, daysFromCivil, daysInMonth, MICROS_A_DAY } from './calendar.ts';
import { DATE_INFINITY, DATE_MINUS_INFINITY, daysOf, isInfinite, joinDays, microsOfDay } from './datetime.ts';
import { fail } from './failure.ts';
import { roundHalfEven } from './float.ts';
import { INT64_MAX, INT64_MIN, normalInt, type Int } from './int64.ts';
import { INTERVAL_INFINITY, INTERVAL_MINUS_INFINITY, isInfiniteInterval, negateInterval, type Interval } from './interval.ts';

const DAY = 86_400_000_000n;
/** 4714-11-24 BC, 5874898-01-01 (not included), in days since 2000-01-01. */
const DATE_MIN = -2451545;
const DATE_END = 2145031949;
/** 294277-01-01, where timestamps end. */
const TIMESTAMP_END_DAY = 106751983;
const TIMESTAMP_MIN = -211813488000000000n;
const TIMESTAMP_END = 9223371331200000000n;
/** A date past the last timestamp: after every finite timestamp, before infinity. */
const BEYOND_TIMESTAMPS = INT64_MAX - 1n;

const dateRange = (): never => fail('22008', 'date out of range');
const timestampRange = (): never => fail('22008', 'timestamp out of range');
const intervalRange = (): never => fail('22008', 'interval out of range');

export function isInfiniteDate(date: number): boolean {
  return date === DATE_INFINITY || date === DATE_MINUS_INFINITY;
}

export function addDays(date: number, days: number): number {
  if (isInfiniteDate(date)) return date;
  const moved = date + days;
  return moved >= DATE_MIN && moved < DATE_END ? moved : dateRange();
}

export function subtractDays(date: number, days: number): number {
  return addDays(date, -days);
}

export function dateDifference(a: number, b: number): number {
  return isInfiniteDate(a) || isInfiniteDate(b) ? fail('22008', 'cannot subtract infinite dates') : a - b;
}

export function dateToTimestamp(date: number): Int {
  if (date === DATE_INFINITY) return INT64_MAX;
  if (date === DATE_MINUS_INFINITY) return INT64_MIN;
  return date >= TIMESTAMP_END_DAY ? fail('22008', 'date out of range for timestamp') : joinDays(date, 0);
}

/** For comparisons with timestamps, which do not fail. */
export function dateAsInstant(date: number): Int {
  if (!isInfiniteDate(date) && date >= TIMESTAMP_END_DAY) return BEYOND_TIMESTAMPS;
  return dateToTimestamp(date);
}

export function timestampToDate(timestamp: Int): number {
  if (timestamp === INT64_MAX) return DATE_INFINITY;
  return timestamp === INT64_MIN ? DATE_MINUS_INFINITY : daysOf(timestamp);
}

export function dateAndTime(date: number, time: number): Int {
  const midnight = dateToTimestamp(date);
  return isInfinite(midnight) ? midnight : validTimestamp(BigInt(midnight) + BigInt(time));
}

function validTimestamp(micros: bigint): Int {
  return micros >= TIMESTAMP_MIN && micros < TIMESTAMP_END ? normalInt(micros) : timestampRange();
}

export function addInterval(timestamp: Int, span: Interval): Int {
  if (isInfiniteInterval(span)) {
    const result = span.months > 0 ? INT64_MAX : INT64_MIN;
    return isInfinite(timestamp) && timestamp !== result ? timestampRange() : result;
  }
  if (isInfinite(timestamp)) return timestamp;
  let days = daysOf(timestamp);
  const clock = microsOfDay(timestamp);
  if (span.months !== 0) {
    const from = civilFromDays(days);
    const months = from.year * 12 + (from.month - 1) + span.months;
    const year = Math.floor(months / 12);
    const month = months - year * 12 + 1;
    days = daysFromCivil(year, month, Math.min(from.day, daysInMonth(year, month)));
    if (days < DATE_MIN || days >= TIMESTAMP_END_DAY) timestampRange();
  }
  if (span.days !== 0) {
    days += span.days;
    if (days < DATE_MIN || days >= TIMESTAMP_END_DAY) timestampRange();
  }
  if (typeof span.micros === 'number' && days > -90_000 && days < 90_000) {
    const sum = days * MICROS_A_DAY + clock + span.micros;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return validTimestamp(BigInt(days) * DAY + BigInt(clock) + BigInt(span.micros));
}

export function subtractInterval(timestamp: Int, span: Interval): Int {
  if (isInfiniteInterval(span)) return addInterval(timestamp, span.months > 0 ? INTERVAL_MINUS_INFINITY : INTERVAL_INFINITY);
  return addInterval(timestamp, negateInterval(span));
}

/** Whole days and the rest. */
export function timestampDifference(a: Int, b: Int): Interval {
  if (isInfinite(a) || isInfinite(b)) {
    if (a === b) return intervalRange();
    return a === INT64_MAX || b === INT64_MIN ? INTERVAL_INFINITY : INTERVAL_MINUS_INFINITY;
  }
  const micros = BigInt(a) - BigInt(b);
  if (micros > INT64_MAX || micros < INT64_MIN) return intervalRange();
  const days = Number(micros / DAY);
  return { months: 0, days, micros: Number(micros % DAY) };
}

/** Within a day; the sum wraps at 64 bits first, as Postgres's does. */
const wrapped = (micros: bigint): number => Number(((BigInt.asIntN(64, micros) % DAY) + DAY) % DAY);

export function addToTime(time: number, span: Interval): number {
  return isInfiniteInterval(span) ? fail('22008', 'cannot add infinite interval to time') : wrapped(BigInt(time) + BigInt(span.micros));
}

export function subtractFromTime(time: number, span: Interval): number {
  return isInfiniteInterval(span)
    ? fail('22008', 'cannot subtract infinite interval from time')
    : wrapped(BigInt(time) - BigInt(span.micros));
}

export function intervalToTime(span: Interval): number {
  return isInfiniteInterval(span) ? fail('22008', 'cannot convert infinite interval to time') : wrapped(BigInt(span.micros));
}

/** timestamp(p): half away from zero. */
export function fitTimestamp(timestamp: Int, typmod: number): Int {
  if (isInfinite(timestamp) || typmod < 0 || typmod >= 6) return timestamp;
  return roundMicros(timestamp, typmod);
}

export function fitTime(time: number, typmod: number): number {
  return typmod < 0 || typmod >= 6 ? time : Number(roundMicros(time, typmod));
}

function roundMicros(value: Int, digits: number): Int {
  const unit = 10n ** BigInt(6 - digits);
  const half = unit / 2n;
  const size = BigInt(value);
  return normalInt(size >= 0n ? ((size + half) / unit) * unit : -((-size + half) / unit) * unit);
}

/** A day has 24 hours and a month 30 days where a fraction is carried down. */
const SECONDS_A_DAY = 86_400;
const roundMicroSeconds = (seconds: number): number => roundHalfEven(seconds * 1e6) / 1e6;

const fitsInt32 = (value: number): boolean => value >= -2147483648 && value < 2147483648;

function scaled(span: Interval, scale: (field: number) => number): Interval {
  const exactMonths = scale(span.months);
  const exactDays = scale(span.days);
  if (!fitsInt32(exactMonths) || !fitsInt32(exactDays)) return intervalRange();
  const months = Math.trunc(exactMonths) + 0;
  let days = Math.trunc(exactDays) + 0;
  const daysOfMonths = roundMicroSeconds((exactMonths - months) * 30);
  let seconds = roundMicroSeconds((exactDays - days + daysOfMonths - Math.trunc(daysOfMonths)) * SECONDS_A_DAY);
  if (Math.abs(seconds) >= SECONDS_A_DAY) {
    const whole = Math.trunc(seconds / SECONDS_A_DAY);
    days += whole;
    seconds -= whole * SECONDS_A_DAY;
  }
  days += Math.trunc(daysOfMonths);
  if (!fitsInt32(days)) return intervalRange();
  const micros = roundHalfEven(scale(Number(span.micros)) + seconds * 1e6);
  if (!(micros >= -(2 ** 63) && micros < 2 ** 63)) return intervalRange();
  const result = { months, days, micros: normalInt(BigInt(micros)) };
  return isInfiniteInterval(result) ? intervalRange() : result;
}

function spanSign(span: Interval): number {
  const size = BigInt(span.months) * 30n * DAY + BigInt(span.days) * DAY + BigInt(span.micros);
  return size > 0n ? 1 : size < 0n ? -1 : 0;
}

const infinite = (sign: number): Interval => (sign === 0 ? intervalRange() : sign > 0 ? INTERVAL_INFINITY : INTERVAL_MINUS_INFINITY);

export function multiplyInterval(span: Interval, factor: number): Interval {
  if (Number.isNaN(factor)) return intervalRange();
  if (isInfiniteInterval(span)) return infinite(Math.sign(factor) * (span.months > 0 ? 1 : -1));
  if (!Number.isFinite(factor)) return infinite(Math.sign(factor) * spanSign(span));
  return scaled(span, (field) => field * factor);
}

export function divideInterval(span: Interval, divisor: number): Interval {
  if (divisor === 0) return fail('22012', 'division by zero');
  if (Number.isNaN(divisor)) return intervalRange();
  if (isInfiniteInterval(span))
    return Number.isFinite(divisor) ? infinite(Math.sign(divisor) * (span.months > 0 ? 1 : -1)) : intervalRange();
  return scaled(span, (field) => field / divisor);
}

/** The start of the stride that the timestamp lies in, counted from origin. */
export function binTimestamp(stride: Interval, timestamp: Int, origin: Int): Int {
  if (isInfinite(timestamp)) return timestamp;
  if (isInfinite(origin)) return fail('22008', 'origin out of range');
  if (isInfiniteInterval(stride)) return fail('22008', 'timestamps cannot be binned into infinite intervals');
  if (stride.months !== 0) return fail('0A000', 'timestamps cannot be binned into intervals containing months or years');
  const step = BigInt(stride.days) * DAY + BigInt(stride.micros);
  if (step > INT64_MAX || step < INT64_MIN) return intervalRange();
  if (step <= 0n) return fail('22008', 'stride must be greater than zero');
  const distance = BigInt(timestamp) - BigInt(origin);
  if (distance > INT64_MAX || distance < INT64_MIN) return intervalRange();
  let start = distance - (distance % step);
  if (distance < 0n && start !== distance) start -= step;
  const result = BigInt(origin) + start;
  return result < INT64_MIN ? timestampRange() : validTimestamp(result);
}

export function makeDate(year: number, month: number, day: number): number {
  const astronomical = year < 0 ? year + 1 : year;
  const valid = year !== 0 && month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(astronomical, month);
  if (!valid) return fail('22008', `date field value out of range: ${astronomical}-${pad2(month)}-${pad2(day)}`);
  if (astronomical < -4713 || astronomical > 5874897)
    return fail('22008', `date out of range: ${astronomical}-${pad2(month)}-${pad2(day)}`);
  const days = daysFromCivil(astronomical, month, day);
  return days < DATE_MIN ? fail('22008', `date out of range: ${astronomical}-${pad2(month)}-${pad2(day)}`) : days;
}

const pad2 = (n: number): string => (n < 0 ? `-${String(-n).padStart(1, '0')}` : String(n).padStart(2, '0'));
