/**
 * Fields of dates and times: `extract`, `date_part`, `date_trunc`. A field is a whole number of units (kept exact), with the digits that Postgres shows.
 * Unit names are the plain ones; what is not here (synonyms, errors about units) is the fallback's.
 */
import { civilFromDays, daysFromCivil, type Civil } from './calendar.ts';
import { daysOf, isInfinite, joinDays, microsOfDay } from './datetime.ts';
import { fail } from './failure.ts';
import { INT64_MAX, normalInt, type Int } from './int64.ts';
import { isInfiniteInterval, type Interval } from './interval.ts';
import { addNumeric, divideNumeric, roundNumeric } from './numeric-arithmetic.ts';
import { Numeric, NUMERIC_INFINITY, NUMERIC_MINUS_INFINITY } from './numeric.ts';

/** What has a field of that unit; what can be cut to it is `cut`. A time has those of a clock, an interval most of both. */
const UNITS = {
  microseconds: ['time', 'interval', 'cut'],
  milliseconds: ['time', 'interval', 'cut'],
  second: ['time', 'interval', 'cut'],
  minute: ['time', 'interval', 'cut'],
  hour: ['time', 'interval', 'cut'],
  day: ['date', 'interval', 'cut'],
  week: ['date', 'cut'],
  month: ['date', 'interval', 'cut'],
  quarter: ['date', 'cut'],
  year: ['date', 'interval', 'cut'],
  decade: ['date', 'cut'],
  century: ['date', 'cut'],
  millennium: ['date', 'cut'],
  epoch: ['date', 'time', 'interval'],
  dow: ['date'],
  doy: ['date'],
  isodow: ['date'],
  isoyear: ['date'],
  julian: ['date'],
} as const satisfies Readonly<Record<string, readonly ('date' | 'time' | 'interval' | 'cut')[]>>;

export type Unit = keyof typeof UNITS;

/** Other names of them that are plain. */
const SYNONYMS: ReadonlyMap<string, Unit> = new Map<string, Unit>([
  ['seconds', 'second'],
  ['minutes', 'minute'],
  ['hours', 'hour'],
  ['days', 'day'],
  ['weeks', 'week'],
  ['months', 'month'],
  ['mon', 'month'],
  ['years', 'year'],
  ['decades', 'decade'],
  ['centuries', 'century'],
]);

export function unitOf(name: string): Unit | undefined {
  const plain = name.toLowerCase();
  return Object.hasOwn(UNITS, plain) ? (plain as Unit) : SYNONYMS.get(plain);
}

const unitsWith = (what: 'date' | 'time' | 'interval' | 'cut'): ReadonlySet<string> =>
  new Set(Object.entries(UNITS).flatMap(([unit, has]) => ((has as readonly string[]).includes(what) ? [unit] : [])));
const DATE_UNITS = unitsWith('date');
const TIME_UNITS = unitsWith('time');
const INTERVAL_UNITS = unitsWith('interval');
const CUT_UNITS = unitsWith('cut');

export const hasDateUnit = (unit: Unit): boolean => DATE_UNITS.has(unit);
export const hasTimeUnit = (unit: Unit): boolean => TIME_UNITS.has(unit);
export const hasIntervalUnit = (unit: Unit): boolean => INTERVAL_UNITS.has(unit);
export const truncatesTo = (unit: Unit): boolean => CUT_UNITS.has(unit);

/** Units that grow for ever: of an infinity they are infinite, all others NULL. */
const MONOTONIC: ReadonlySet<Unit> = new Set(['year', 'decade', 'century', 'millennium', 'julian', 'isoyear', 'epoch']);

/** Never -0. */
const whole = (value: number): Numeric => new Numeric(value + 0, 0);
/** 2000-01-01 in Julian days, and in seconds since 1970. */
const EPOCH_JULIAN = 2451545;
const EPOCH_SECONDS = 946_684_800;

/** Monday of ISO week 1 of the ISO year that a day lies in. */
function isoYear(days: number): { year: number; start: number } {
  const { year } = civilFromDays(days + 3 - mondayOffset(days));
  const fourth = daysFromCivil(year, 1, 4);
  return { year, start: fourth - mondayOffset(fourth) };
}

/** 0 = Monday … 6. 2000-01-01 was a Saturday. */
function mondayOffset(days: number): number {
  return (((days + 5) % 7) + 7) % 7;
}

const shownYear = (year: number): number => (year > 0 ? year : year - 1);
const decadeOf = (year: number): number => (year >= 0 ? Math.trunc(year / 10) : -Math.trunc((8 - (year - 1)) / 10));
const centuryOf = (year: number): number => (year > 0 ? Math.trunc((year + 99) / 100) : -Math.trunc((99 - (year - 1)) / 100));
const millenniumOf = (year: number): number => (year > 0 ? Math.trunc((year + 999) / 1000) : -Math.trunc((999 - (year - 1)) / 1000));

function dateField(unit: Unit, days: number): Numeric {
  const { year, month, day } = civilFromDays(days);
  switch (unit) {
    case 'day':
      return whole(day);
    case 'month':
      return whole(month);
    case 'quarter':
      return whole(Math.floor((month - 1) / 3) + 1);
    case 'year':
      return whole(shownYear(year));
    case 'decade':
      return whole(decadeOf(year) + 0);
    case 'century':
      return whole(centuryOf(year));
    case 'millennium':
      return whole(millenniumOf(year));
    case 'week':
      return whole(Math.floor((days - isoYear(days).start) / 7) + 1);
    case 'isoyear':
      return whole(shownYear(isoYear(days).year));
    case 'dow':
      return whole((mondayOffset(days) + 1) % 7);
    case 'isodow':
      return whole(mondayOffset(days) + 1);
    case 'doy':
      return whole(days - daysFromCivil(year, 1, 1) + 1);
    case 'julian':
      return whole(days + EPOCH_JULIAN);
    case 'epoch':
      return whole(days * 86_400 + EPOCH_SECONDS);
    default:
      throw new TypeError(`${unit} is no field of a date`);
  }
}

/** Of the clock: µs since midnight. */
function clockField(unit: Unit, micros: number): Numeric {
  switch (unit) {
    case 'microseconds':
      return whole(micros % 60_000_000);
    case 'milliseconds':
      return new Numeric((micros % 60_000_000) + 0, 3);
    case 'second':
      return new Numeric((micros % 60_000_000) + 0, 6);
    case 'minute':
      return whole(Math.trunc(micros / 60_000_000) % 60);
    case 'hour':
      return whole(Math.trunc(micros / 3_600_000_000));
    default:
      throw new TypeError(`${unit} is no field of a time`);
  }
}

function infiniteField(unit: Unit, positive: boolean): Numeric | null {
  if (!MONOTONIC.has(unit)) return null;
  return positive ? NUMERIC_INFINITY : NUMERIC_MINUS_INFINITY;
}

const DAY_MICROS = new Numeric(86_400_000_000, 0);

/** Beyond 64 bits Postgres divides, and so keeps fewer digits. */
function epochOf(micros: bigint): Numeric {
  if (micros <= INT64_MAX) return new Numeric(normalInt(micros), 6);
  return roundNumeric(divideNumeric(new Numeric(micros, 0), new Numeric(1_000_000, 0)), 6);
}

export function timestampField(unit: Unit, timestamp: Int): Numeric | null {
  if (isInfinite(timestamp)) return infiniteField(unit, timestamp === INT64_MAX);
  if (unit === 'epoch') return epochOf(BigInt(timestamp) + BigInt(EPOCH_SECONDS) * 1_000_000n);
  const days = daysOf(timestamp);
  if (unit === 'julian') return addNumeric(whole(days + EPOCH_JULIAN), divideNumeric(whole(microsOfDay(timestamp)), DAY_MICROS));
  return DATE_UNITS.has(unit) ? dateField(unit, days) : clockField(unit, microsOfDay(timestamp));
}

export function fieldOfDate(unit: Unit, date: number): Numeric | null {
  if (date === 2147483647 || date === -2147483648) return infiniteField(unit, date > 0);
  return dateField(unit, date);
}

export function fieldOfTime(unit: Unit, time: number): Numeric {
  return unit === 'epoch' ? new Numeric(time, 6) : clockField(unit, time);
}

export function intervalField(unit: Unit, span: Interval): Numeric | null {
  if (isInfiniteInterval(span)) {
    const infinite = unit === 'hour' || unit === 'day' || unit === 'year' || unit === 'epoch';
    return infinite ? (span.months > 0 ? NUMERIC_INFINITY : NUMERIC_MINUS_INFINITY) : null;
  }
  const micros = BigInt(span.micros);
  switch (unit) {
    case 'year':
      return whole(Math.trunc(span.months / 12) + 0);
    case 'month':
      return whole((span.months % 12) + 0);
    case 'day':
      return whole(span.days);
    case 'epoch': {
      const quarters = BigInt(Math.trunc(span.months / 12)) * 1461n + BigInt(span.months % 12) * 120n + BigInt(span.days) * 4n;
      return new Numeric(normalInt(quarters * 21_600n * 1_000_000n + micros), 6);
    }
    case 'hour':
      return new Numeric(normalInt(micros / 3_600_000_000n), 0);
    default:
      return clockField(unit, Number(micros % 3_600_000_000n));
  }
}

/** date_part: the same as float8, which Postgres reckons in float8 where that shows. */
export function asFloat(field: Numeric | null): number | null {
  if (field === null) return null;
  if (field.special !== '') return Number(field.special);
  return Number(field.coefficient) / 10 ** field.scale;
}

export function timestampPart(unit: Unit, timestamp: Int): number | null {
  if (!isInfinite(timestamp)) {
    const clock = microsOfDay(timestamp);
    const seconds = Math.floor(clock / 1_000_000);
    if (unit === 'julian') return daysOf(timestamp) + EPOCH_JULIAN + (seconds + (clock - seconds * 1_000_000) / 1e6) / 86_400;
    if (unit === 'epoch') return (Number(timestamp) + EPOCH_SECONDS * 1_000_000) / 1e6;
  }
  return asFloat(timestampField(unit, timestamp));
}

export function intervalPart(unit: Unit, span: Interval): number | null {
  if (unit !== 'epoch' || isInfiniteInterval(span)) return asFloat(intervalField(unit, span));
  let seconds = Number(span.micros) / 1e6;
  seconds += 365.25 * 86_400 * Math.trunc(span.months / 12);
  seconds += 30 * 86_400 * (span.months % 12);
  return seconds + 86_400 * span.days;
}

export const timePart = (unit: Unit, time: number): number | null => asFloat(fieldOfTime(unit, time));

export function truncateTimestamp(unit: Unit, timestamp: Int): Int {
  if (isInfinite(timestamp)) return timestamp;
  const days = daysOf(timestamp);
  const clock = microsOfDay(timestamp);
  switch (unit) {
    case 'microseconds':
      return timestamp;
    case 'milliseconds':
      return joinDays(days, clock - (clock % 1_000));
    case 'second':
      return joinDays(days, clock - (clock % 1_000_000));
    case 'minute':
      return joinDays(days, clock - (clock % 60_000_000));
    case 'hour':
      return joinDays(days, clock - (clock % 3_600_000_000));
    default: {
      const start = truncateDays(unit, days);
      // Before 4714-11-24 BC there is no timestamp.
      return start < -EPOCH_JULIAN ? fail('22008', 'timestamp out of range') : joinDays(start, 0);
    }
  }
}

function truncateDays(unit: Unit, days: number): number {
  if (unit === 'day') return days;
  if (unit === 'week') return days - mondayOffset(days);
  const { year, month }: Civil = civilFromDays(days);
  switch (unit) {
    case 'month':
      return daysFromCivil(year, month, 1);
    case 'quarter':
      return daysFromCivil(year, Math.floor((month - 1) / 3) * 3 + 1, 1);
    case 'year':
      return daysFromCivil(year, 1, 1);
    case 'decade':
      return daysFromCivil(year > 0 ? Math.trunc(year / 10) * 10 : -Math.trunc((8 - (year - 1)) / 10) * 10, 1, 1);
    case 'century':
      return daysFromCivil(year > 0 ? centuryOf(year) * 100 - 99 : centuryOf(year) * 100 + 1, 1, 1);
    case 'millennium':
      return daysFromCivil(year > 0 ? millenniumOf(year) * 1000 - 999 : millenniumOf(year) * 1000 + 1, 1, 1);
    default:
      throw new TypeError(`${unit} cannot be truncated to`);
  }
}
