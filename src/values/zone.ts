/**
 * Offsets of time zones from UTC, for printing a timestamptz in a client's TimeZone. From the zone data that Node carries (ICU's), cached a quarter of an hour at a time;
 * before the first rule of a zone both use its local mean time. Expressions do not come here: their zones are Postgres's.
 */
import { formatTimestamp, isInfinite } from './datetime.ts';
import type { Int } from './int64.ts';

const EPOCH_MS = 946_684_800_000;
const HOUR_MS = 3_600_000;
/** 400 years of the calendar, and a start (about the year 2477) by which every rule holds. */
const CYCLE_MS = 146_097 * 86_400_000;
const FAR_MS = 16_000_000_000_000;
const CACHED_QUARTERS_MAX = 10_000;

/** Seconds east of UTC at a moment (µs since 2000-01-01); undefined where no such zone is known. */
export function zoneOffset(timeZone: string): ((timestamp: Int) => number) | undefined {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch {
    return undefined;
  }
  const cache = new Map<number, number>();
  return (timestamp) => {
    const ms = Math.floor(Number(timestamp) / 1000) + EPOCH_MS;
    // Far ahead the rules repeat with the calendar, every 400 years; JavaScript's own ends in the year 275760.
    const within = ms > FAR_MS ? FAR_MS + ((ms - FAR_MS) % CYCLE_MS) : ms;
    // No zone has changed within a quarter of an hour.
    const quarter = Math.floor(within / (HOUR_MS / 4));
    let offset = cache.get(quarter);
    if (offset === undefined) {
      if (cache.size >= CACHED_QUARTERS_MAX) cache.clear();
      offset = offsetAt(format, quarter * (HOUR_MS / 4));
      cache.set(quarter, offset);
    }
    return offset;
  };
}

function offsetAt(format: Intl.DateTimeFormat, ms: number): number {
  const part = new Map(format.formatToParts(ms).map(({ type, value }) => [type, value]));
  const number = (type: Intl.DateTimeFormatPartTypes): number => Number(part.get(type));
  const year = part.get('era') === 'BC' ? 1 - number('year') : number('year');
  const local = new Date(0);
  local.setUTCFullYear(year, number('month') - 1, number('day'));
  local.setUTCHours(number('hour'), number('minute'), number('second'));
  return (local.getTime() - ms) / 1000;
}

const two = (n: number): string => String(n).padStart(2, '0');

/** As Postgres prints it under TimeZone: `2024-07-01 12:00:00+02`. */
export function timestamptzFormatter(timeZone: string): ((timestamp: Int) => string) | undefined {
  const offsetOf = zoneOffset(timeZone);
  if (offsetOf === undefined) return undefined;
  return (timestamp) => {
    if (isInfinite(timestamp)) return formatTimestamp(timestamp);
    const offset = offsetOf(timestamp);
    const shifted = BigInt(timestamp) + BigInt(offset) * 1_000_000n;
    const size = Math.abs(offset);
    const seconds = size % 60;
    const minutes = Math.floor(size / 60) % 60;
    const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(size / 3600))}${minutes + seconds > 0 ? `:${two(minutes)}` : ''}${seconds > 0 ? `:${two(seconds)}` : ''}`;
    const text = formatTimestamp(shifted);
    return text.endsWith(' BC') ? `${text.slice(0, -3)}${zone} BC` : text + zone;
  };
}
