/** date, time, timestamp, timestamptz and interval. What depends on the session's time zone is native in UTC only (`zoned`). */
import * as arithmetic from '../../../values/datetime-arithmetic.ts';
import * as fields from '../../../values/datetime-fields.ts';
import { isInfinite, microsOfDay } from '../../../values/datetime.ts';
import type { Int } from '../../../values/int64.ts';
import {
  addIntervals,
  compareInterval,
  isInfiniteInterval,
  negateInterval,
  subtractIntervals,
  type Interval,
} from '../../../values/interval.ts';
import { calls, type CallSite, constantText, each, inlines, type Native, type NativeTable } from '../native.ts';
import { isUtc } from '../session.ts';
import { family } from './compare.ts';

const swapped =
  <A, B, R>(fn: (a: A, b: B) => R) =>
  (b: B, a: A): R =>
    fn(a, b);
const zoned = (native: Native): Native => ({ ...native, zoned: true });

const timestampToTime = (timestamp: Int): number | null => (isInfinite(timestamp) ? null : microsOfDay(timestamp));
const timeToInterval = (time: number): Interval => ({ months: 0, days: 0, micros: time });
const timeDifference = (a: number, b: number): Interval => ({ months: 0, days: 0, micros: a - b });
const intervalLarger = (a: Interval, b: Interval): Interval => (compareInterval(a, b) > 0 ? a : b);
const intervalSmaller = (a: Interval, b: Interval): Interval => (compareInterval(a, b) < 0 ? a : b);
const dateAddInterval = (date: number, span: Interval): Int => arithmetic.addInterval(arithmetic.dateToTimestamp(date), span);
const dateSubtractInterval = (date: number, span: Interval): Int => arithmetic.subtractInterval(arithmetic.dateToTimestamp(date), span);
const timeAndDate = (time: number, date: number): Int => arithmetic.dateAndTime(date, time);
const isFiniteDate = (date: number): boolean => !arithmetic.isInfiniteDate(date);
const isFiniteTimestamp = (timestamp: Int): boolean => !isInfinite(timestamp);
const isFiniteInterval = (span: Interval): boolean => !isInfiniteInterval(span);

/** A function of a unit, which must be a constant that is known here. */
function ofUnit(name: string, fn: (unit: fields.Unit, value: never) => unknown, knows: (unit: fields.Unit) => boolean): Native {
  return {
    name,
    fails: true,
    nullable: true,
    covers: ({ args }) => {
      const unit = unitOf(args[0]);
      return unit !== undefined && knows(unit);
    },
    code: (generator, [, value], { args }) => `${generator.use(fn, fn.name)}('${unitOf(args[0])!}', ${value})`,
  };
}

function unitOf(arg: CallSite['args'][number] | undefined): fields.Unit | undefined {
  const text = constantText(arg);
  return typeof text === 'string' ? fields.unitOf(text) : undefined;
}

const every = (): boolean => true;
const datePart = (unit: fields.Unit, date: number): number | null => fields.timestampPart(unit, arithmetic.dateToTimestamp(date));

/** AT TIME ZONE 'UTC', either way: the same microseconds. */
const atUtc = (name: string): Native => ({
  name,
  fails: false,
  covers: ({ args }) => isUtc(constantText(args[0]) ?? ''),
  code: (_generator, [, value]) => value!,
});

const truncInUtc: Native = {
  ...ofUnit('date_trunc(timestamptz, zone)', fields.truncateTimestamp, fields.truncatesTo),
  covers: ({ args }) => {
    const unit = unitOf(args[0]);
    return unit !== undefined && fields.truncatesTo(unit) && isUtc(constantText(args[2]) ?? '');
  },
};

/** Between a date and an instant, or two kinds of instants (in UTC the same microseconds). */
function mixed(name: Parameters<typeof family>[0], left: 'date' | 'instant', right: 'date' | 'instant', needsZone: boolean): NativeTable {
  return family(name, (symbol) => {
    const native: Native = {
      name: '',
      fails: false,
      code: (generator, [a, b]) => {
        const instant = generator.use(arithmetic.dateAsInstant, 'dateAsInstant');
        return `${left === 'date' ? `${instant}(${a})` : a} ${symbol} ${right === 'date' ? `${instant}(${b})` : b}`;
      },
    };
    return needsZone ? zoned(native) : native;
  });
}

const larger = inlines('larger', (a, b) => `(${a} > ${b} ? ${a} : ${b})`);
const smaller = inlines('smaller', (a, b) => `(${a} < ${b} ? ${a} : ${b})`);
const same = (name: string): Native => inlines(name, (a) => a);
const pure = { fails: false };

export const datetimeNatives: NativeTable = [
  [1141, calls('date_pli', arithmetic.addDays)],
  [2550, calls('integer_pl_date', swapped(arithmetic.addDays))],
  [1142, calls('date_mii', arithmetic.subtractDays)],
  [1140, calls('date_mi', arithmetic.dateDifference)],
  [2071, calls('date_pl_interval', dateAddInterval)],
  [2072, calls('date_mi_interval', dateSubtractInterval)],
  [2546, calls('interval_pl_date', swapped(dateAddInterval))],
  [2032, calls('timestamp_pl_interval', arithmetic.addInterval)],
  [2033, calls('timestamp_mi_interval', arithmetic.subtractInterval)],
  [2548, calls('interval_pl_timestamp', swapped(arithmetic.addInterval))],
  ...each([1189, 6221], zoned(calls('timestamptz_pl_interval', arithmetic.addInterval))),
  ...each([1190, 6223], zoned(calls('timestamptz_mi_interval', arithmetic.subtractInterval))),
  [2549, zoned(calls('interval_pl_timestamptz', swapped(arithmetic.addInterval)))],
  [2031, calls('timestamp_mi', arithmetic.timestampDifference)],
  [1188, calls('timestamptz_mi', arithmetic.timestampDifference)],
  [1747, calls('time_pl_interval', arithmetic.addToTime)],
  [1748, calls('time_mi_interval', arithmetic.subtractFromTime)],
  [1848, calls('interval_pl_time', swapped(arithmetic.addToTime))],
  [1690, calls('time_mi_time', timeDifference, pure)],
  [1169, calls('interval_pl', addIntervals)],
  [1170, calls('interval_mi', subtractIntervals)],
  [1168, calls('interval_um', negateInterval)],
  [1618, calls('interval_mul', arithmetic.multiplyInterval)],
  [1624, calls('mul_d_interval', swapped(arithmetic.multiplyInterval))],
  [1326, calls('interval_div', arithmetic.divideInterval)],
  [1198, calls('interval_larger', intervalLarger, pure)],
  [1197, calls('interval_smaller', intervalSmaller, pure)],
  ...each([1138, 1377, 2036, 1196, 768, 1236, 770], larger),
  ...each([1139, 1378, 2035, 1195, 769, 1237, 771], smaller),
  // Casts.
  [2024, calls('date → timestamp', arithmetic.dateToTimestamp)],
  [1174, zoned(calls('date → timestamptz', arithmetic.dateToTimestamp))],
  [2029, calls('timestamp → date', arithmetic.timestampToDate, pure)],
  [1178, zoned(calls('timestamptz → date', arithmetic.timestampToDate, pure))],
  [2027, zoned(same('timestamptz → timestamp'))],
  [2028, zoned(same('timestamp → timestamptz'))],
  [1316, calls('timestamp → time', timestampToTime, { fails: false, nullable: true })],
  [2019, zoned(calls('timestamptz → time', timestampToTime, { fails: false, nullable: true }))],
  [1370, calls('time → interval', timeToInterval, pure)],
  [1419, calls('interval → time', arithmetic.intervalToTime)],
  ...each([2025, 1272], calls('date + time', arithmetic.dateAndTime)),
  [1296, calls('time + date', timeAndDate)],
  ...each([1961, 1967], calls('timestamp(p)', arithmetic.fitTimestamp)),
  [1968, calls('time(p)', arithmetic.fitTime)],
  // Fields.
  [6202, ofUnit('extract(timestamp)', fields.timestampField, every)],
  [6203, zoned(ofUnit('extract(timestamptz)', fields.timestampField, every))],
  [6199, ofUnit('extract(date)', fields.fieldOfDate, fields.hasDateUnit)],
  [6200, ofUnit('extract(time)', fields.fieldOfTime, fields.hasTimeUnit)],
  [6204, ofUnit('extract(interval)', fields.intervalField, fields.hasIntervalUnit)],
  [2021, ofUnit('date_part(timestamp)', fields.timestampPart, every)],
  [1171, zoned(ofUnit('date_part(timestamptz)', fields.timestampPart, every))],
  [1384, ofUnit('date_part(date)', datePart, every)],
  [1385, ofUnit('date_part(time)', fields.timePart, fields.hasTimeUnit)],
  [1172, ofUnit('date_part(interval)', fields.intervalPart, fields.hasIntervalUnit)],
  [2020, ofUnit('date_trunc(timestamp)', fields.truncateTimestamp, fields.truncatesTo)],
  [1217, zoned(ofUnit('date_trunc(timestamptz)', fields.truncateTimestamp, fields.truncatesTo))],
  [1284, truncInUtc],
  [6177, calls('date_bin(timestamp)', arithmetic.binTimestamp)],
  [6178, calls('date_bin(timestamptz)', arithmetic.binTimestamp)],
  [1159, atUtc('timestamptz AT TIME ZONE UTC')],
  [2069, atUtc('timestamp AT TIME ZONE UTC')],
  [3846, calls('make_date', arithmetic.makeDate)],
  [1373, calls('isfinite(date)', isFiniteDate, pure)],
  ...each([1389, 2048], calls('isfinite(timestamp)', isFiniteTimestamp, pure)),
  [1390, calls('isfinite(interval)', isFiniteInterval, pure)],
  // Mixed comparisons: date with timestamp(tz), timestamp with timestamptz.
  ...mixed('date_timestamp', 'date', 'instant', false),
  ...mixed('timestamp_date', 'instant', 'date', false),
  ...mixed('date_timestamptz', 'date', 'instant', true),
  ...mixed('timestamptz_date', 'instant', 'date', true),
  ...mixed('timestamp_timestamptz', 'instant', 'instant', true),
  ...mixed('timestamptz_timestamp', 'instant', 'instant', true),
];
