/** Casts among the numbers and booleans, by cast function. Rounding: float → integer half to even, numeric → integer half away from zero, as Postgres does. */
import { fail, outOfRange } from '../../../values/failure.ts';
import { parseFloat4, roundHalfEven, toEven } from '../../../values/float.ts';
import { INT64_MAX, INT64_MIN, normalInt, type Int } from '../../../values/int64.ts';
import { roundNumeric } from '../../../values/numeric-arithmetic.ts';
import { formatNumeric, Numeric, NUMERIC_INFINITY, NUMERIC_MINUS_INFINITY, NUMERIC_NAN, parseNumeric } from '../../../values/numeric.ts';
import { calls, inlines, type NativeTable } from '../native.ts';
import { checkInt2, checkInt4 } from './int.ts';

const toInt2 = (value: Int): number => (typeof value === 'number' ? checkInt2(value) : outOfRange('smallint'));
const toInt4 = (value: Int): number => (typeof value === 'number' ? checkInt4(value) : outOfRange('integer'));

function floatToInt2(value: number): number {
  const rounded = roundHalfEven(value);
  return rounded >= -32768 && rounded <= 32767 ? rounded + 0 : outOfRange('smallint');
}

function floatToInt4(value: number): number {
  const rounded = roundHalfEven(value);
  return rounded >= -2147483648 && rounded <= 2147483647 ? rounded + 0 : outOfRange('integer');
}

function floatToInt8(value: number): Int {
  const rounded = roundHalfEven(value);
  if (!(rounded >= -(2 ** 63) && rounded < 2 ** 63)) return outOfRange('bigint');
  return Number.isSafeInteger(rounded) ? rounded + 0 : BigInt(rounded);
}

function whole(value: Numeric, type: string): Int {
  if (value.special === 'NaN') return fail('0A000', `cannot convert NaN to ${type}`);
  if (value.special !== '') return fail('0A000', `cannot convert infinity to ${type}`);
  return roundNumeric(value, 0).coefficient;
}

const numericToInt2 = (value: Numeric): number => toInt2(whole(value, 'smallint'));
const numericToInt4 = (value: Numeric): number => toInt4(whole(value, 'integer'));

function numericToInt8(value: Numeric): Int {
  const coefficient = whole(value, 'bigint');
  return typeof coefficient === 'bigint' && (coefficient > INT64_MAX || coefficient < INT64_MIN) ? outOfRange('bigint') : coefficient;
}

const intToNumeric = (value: Int): Numeric => new Numeric(value, 0);

/** 15 (float8) or 6 (float4) significant digits: what Postgres keeps on the way to numeric. */
function floatToNumeric(value: number, digits: number): Numeric {
  if (Number.isNaN(value)) return NUMERIC_NAN;
  if (!Number.isFinite(value)) return value > 0 ? NUMERIC_INFINITY : NUMERIC_MINUS_INFINITY;
  const [mantissa, exponentText] = toEven(value, digits - 1).split('e') as [string, string];
  const kept = mantissa.replace('.', '').replace(/0+$/, '');
  if (kept === '' || kept === '-') return new Numeric(0, 0);
  const scale = kept.replace('-', '').length - 1 - Number(exponentText);
  return scale >= 0 ? new Numeric(normalInt(BigInt(kept)), scale) : parseNumeric(kept + '0'.repeat(-scale));
}

const float4ToNumeric = (value: number): Numeric => floatToNumeric(value, 6);
const float8ToNumeric = (value: number): Numeric => floatToNumeric(value, 15);

function numericToFloat(value: Numeric, parse: (text: string) => number, type: string): number {
  if (value.special !== '') return Number(value.special);
  const text = formatNumeric(value);
  const float = parse(text);
  if (!Number.isFinite(float) || (float === 0 && value.coefficient !== 0))
    return fail('22003', `"${text}" is out of range for type ${type}`);
  return float;
}

const numericToFloat4 = (value: Numeric): number => numericToFloat(value, parseFloat4, 'real');
const numericToFloat8 = (value: Numeric): number => numericToFloat(value, Number, 'double precision');

function float8ToFloat4(value: number): number {
  const single = Math.fround(value);
  if (!Number.isFinite(single) && Number.isFinite(value)) return fail('22003', 'value out of range: overflow');
  return single === 0 && value !== 0 ? fail('22003', 'value out of range: underflow') : single;
}

const int8ToFloat4 = (value: Int): number => (typeof value === 'number' ? Math.fround(value) : parseFloat4(String(value)));

function toOid(value: Int): number {
  return typeof value === 'number' && value >= 0 && value <= 4294967295 ? value : outOfRange('OID');
}

const same = (name: string): NativeTable[number][1] => inlines(name, (a) => a);

export const castNatives: NativeTable = [
  [313, same('int2 → int4')],
  [754, same('int2 → int8')],
  [481, same('int4 → int8')],
  [1288, same('oid → int8')],
  [1287, calls('int8 → oid', toOid)],
  [314, calls('int4 → int2', toInt2)],
  [714, calls('int8 → int2', toInt2)],
  [480, calls('int8 → int4', toInt4)],
  [238, calls('float4 → int2', floatToInt2)],
  [237, calls('float8 → int2', floatToInt2)],
  [319, calls('float4 → int4', floatToInt4)],
  [317, calls('float8 → int4', floatToInt4)],
  [653, calls('float4 → int8', floatToInt8)],
  [483, calls('float8 → int8', floatToInt8)],
  [1783, calls('numeric → int2', numericToInt2)],
  [1744, calls('numeric → int4', numericToInt4)],
  [1779, calls('numeric → int8', numericToInt8)],
  [1782, calls('int2 → numeric', intToNumeric, { fails: false })],
  [1740, calls('int4 → numeric', intToNumeric, { fails: false })],
  [1781, calls('int8 → numeric', intToNumeric, { fails: false })],
  [1742, calls('float4 → numeric', float4ToNumeric, { fails: false })],
  [1743, calls('float8 → numeric', float8ToNumeric, { fails: false })],
  [1745, calls('numeric → float4', numericToFloat4)],
  [1746, calls('numeric → float8', numericToFloat8)],
  [236, same('int2 → float4')],
  [235, same('int2 → float8')],
  [318, inlines('int4 → float4', (a) => `Math.fround(${a})`)],
  [316, same('int4 → float8')],
  [652, calls('int8 → float4', int8ToFloat4, { fails: false })],
  [482, inlines('int8 → float8', (a) => `Number(${a})`)],
  [311, same('float4 → float8')],
  [312, calls('float8 → float4', float8ToFloat4)],
  [2557, inlines('int4 → bool', (a) => `(${a} !== 0)`)],
  [2558, inlines('bool → int4', (a) => `(${a} ? 1 : 0)`)],
  [2971, inlines('bool → text', (a) => `(${a} ? 'true' : 'false')`)],
];
