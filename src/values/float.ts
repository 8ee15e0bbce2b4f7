/**
 * float4 and float8 as Postgres prints and reads them: shortest digits that read back the same, exponent form below 1e-4 and from 1e15 (float8) or 1e6 (float4).
 * A float4 lies widened exactly; there is one NaN; -0 stays (identity), and equals 0 (canonical).
 */
import { fail } from './failure.ts';
import { POWERS_OF_TEN } from './powers.ts';

/** Half to even, like rint(). */
export function roundHalfEven(value: number): number {
  if (!Number.isFinite(value)) return value;
  const floor = Math.floor(value);
  const rest = value - floor;
  const rounded = rest < 0.5 ? floor : rest > 0.5 ? floor + 1 : floor % 2 === 0 ? floor : floor + 1;
  return rounded === 0 && (value < 0 || Object.is(value, -0)) ? -0 : rounded;
}

export function formatFloat8(value: number): string {
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const magnitude = Math.abs(value);
  if (magnitude >= 1e-4 && magnitude < 1e15) return String(value);
  const known = special(value);
  if (known !== undefined) return known;
  const shortest = value.toExponential();
  if (magnitude < MIDPOINT_MIN || magnitude > MIDPOINT_MAX || !onMidpoint8(shortest, value)) return pgStyle(shortest, 15);
  for (let digits = shortest.length - 5; digits < 16; digits++) {
    const text = toEven(value, digits);
    if (Number(text) === value && !onMidpoint8(text, value)) return pgStyle(text, 15);
  }
  return pgStyle(value.toExponential(16), 15);
}

/**
 * JavaScript takes digits that lie just in the middle between two doubles when reading rounds them to the right one; Postgres does not (1e23 is 9.999999999999999e+22).
 * A decimal of ≤ 17 digits can be such a middle (an odd multiple of a power of two, 54 bits) only here.
 */
const MIDPOINT_MIN = 2 ** 53;
const MIDPOINT_MAX = 1e40;

function onMidpoint8(text: string, value: number): boolean {
  bits.setFloat64(0, value);
  const raw = bits.getBigUint64(0);
  return [raw + 1n, raw - 1n].some((neighbour) => {
    bits.setBigUint64(0, neighbour);
    // Twice the decimal against the sum of the two, which is exact as integers.
    return BigInt(value) + BigInt(bits.getFloat64(0)) === 2n * integerOf(text);
  });
}

/** A decimal that is an integer; anything else is no midpoint in that range. */
function integerOf(text: string): bigint {
  const [mantissa, exponent] = text.split('e') as [string, string];
  const [whole, fraction = ''] = mantissa.split('.') as [string, string?];
  const zeros = Number(exponent) - fraction.length;
  return zeros < 0 ? 0n : BigInt(whole + fraction) * 10n ** BigInt(zeros);
}

/** `toExponential`, but of two equally near decimals the even one. */
export function toEven(value: number, digits: number): string {
  const text = value.toExponential(digits);
  const last = text.charCodeAt(text.indexOf('e') - 1);
  if ((last & 1) === 0 || digits >= 16) return text;
  const longer = value.toExponential(digits + 1);
  if (longer[longer.indexOf('e') - 1] !== '5' || compareDecimal(longer, value) !== 0) return text;
  const cut = longer.indexOf('e') - 1;
  return longer.slice(0, cut).replace(/\.$/, '') + longer.slice(cut + 1);
}

export function formatFloat4(value: number): string {
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const known = special(value);
  if (known !== undefined) return known;
  // Two decimals of 6 digits never read as the same float4, so the first precision that reads back is the shortest.
  for (let digits = Math.abs(value) < FLOAT4_NORMAL_MIN ? 0 : 5; digits < 8; digits++) {
    const text = [toEven(value, digits), upwards(value, digits)].find((candidate) => within4(candidate, value));
    if (text !== undefined) return pgStyle(text, 6);
  }
  return pgStyle(toEven(value, 8), 6);
}

/** Below, the digits grow fewer than 6. */
const FLOAT4_NORMAL_MIN = 2 ** -126;

/** At a power of two the gap below is half the one above: the next decimal up may read back where the nearest does not. */
function upwards(value: number, digits: number): string {
  const text = value.toExponential(digits);
  const [mantissa, exponent] = text.split('e') as [string, string];
  const grown = String(BigInt(mantissa.replace('.', '')) + (value < 0 ? -1n : 1n));
  const sign = value < 0 ? 1 : 0;
  return `${grown.slice(0, sign + 1)}.${grown.slice(sign + 1)}e${exponent}`;
}

/** Reads back as `value`, and not by the grace of a tie. */
function within4(text: string, value: number): boolean {
  const read = Number(text);
  if (Math.fround(read) !== value) return false;
  if (read === value) return true;
  bits.setFloat32(0, value);
  const raw = bits.getUint32(0);
  bits.setUint32(0, read > value === value > 0 ? raw + 1 : raw - 1);
  const middle = (value + bits.getFloat32(0)) / 2;
  return read !== middle || compareDecimal(text, middle) !== 0;
}

function special(value: number): string | undefined {
  if (Number.isFinite(value)) return undefined;
  return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
}

/** `d.ddde±x` of JavaScript in Postgres's style; plain form while −4 ≤ exponent < plainBelow. */
function pgStyle(exponential: string, plainBelow: number): string {
  const [mantissa, exponentText] = exponential.split('e') as [string, string];
  const exponent = Number(exponentText);
  const negative = mantissa.startsWith('-');
  let digits = mantissa.replace('-', '').replace('.', '');
  digits = digits.replace(/0+$/, '') || '0';
  const sign = negative ? '-' : '';
  if (exponent >= -4 && exponent < plainBelow) {
    if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
    if (digits.length <= exponent + 1) return sign + digits + '0'.repeat(exponent + 1 - digits.length);
    return `${sign}${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`;
  }
  const size = Math.abs(exponent);
  return `${sign}${digits[0]}${digits.length > 1 ? `.${digits.slice(1)}` : ''}e${exponent < 0 ? '-' : '+'}${size < 10 ? '0' : ''}${size}`;
}

/** Up to 15 digits without an exponent are an integer over a power of ten, both exact, so one division rounds once: right to the last bit. */
export function decodeFloat8(bytes: Uint8Array, start: number, end: number): number {
  if (end - start <= 16) {
    let at = start;
    const negative = bytes[at] === 45;
    if (negative) at++;
    let value = 0;
    let point = -1;
    for (; at < end; at++) {
      const digit = bytes[at]! - 48;
      if (digit >= 0 && digit <= 9) value = value * 10 + digit;
      else if (digit === -2 && point < 0) point = at;
      else break;
    }
    if (at === end && value <= 999_999_999_999_999) {
      const magnitude = point < 0 ? value : value / POWERS_OF_TEN[end - point - 1]!;
      return negative ? -magnitude : magnitude;
    }
  }
  let text = '';
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!);
  return Number(text);
}

/** Output text of Postgres; also the digits of an input. */
export function parseFloat8(text: string): number {
  return Number(text);
}

export function parseFloat4(text: string): number {
  return toFloat4(Number(text), text);
}

const bits = new DataView(new ArrayBuffer(8));

/** Rounds once, not twice: where the double is just the middle of two floats, the digits decide. */
function toFloat4(double: number, text: string): number {
  const single = Math.fround(double);
  if (!Number.isFinite(double)) return single;
  bits.setFloat64(0, double);
  if ((bits.getUint32(4) & 0x1fffffff) !== 0x10000000) return single;
  const side = compareDecimal(text, double);
  if (side === 0) return single;
  const step = Math.abs(double) * 2 ** -52;
  return Math.fround(side > 0 ? double + step : double - step);
}

/** Sign of (decimal text − double), exactly. */
function compareDecimal(text: string, double: number): number {
  const match = /^\s*([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?\s*$/.exec(text);
  if (match === null) return 0;
  const exponent = Number(match[4] ?? 0) - match[3]!.length;
  let left = BigInt((match[2] ?? '') + match[3]!) * (match[1] === '-' ? -1n : 1n);
  bits.setFloat64(0, double);
  const raw = bits.getBigUint64(0);
  const biased = Number((raw >> 52n) & 0x7ffn);
  const fraction = raw & 0xfffffffffffffn;
  let right = (biased === 0 ? fraction : fraction | 0x10000000000000n) * (double < 0 ? -1n : 1n);
  const power = (biased === 0 ? 1 : biased) - 1075;
  if (exponent >= 0) left *= 10n ** BigInt(exponent);
  else right *= 10n ** BigInt(-exponent);
  if (power >= 0) right <<= BigInt(power);
  else left <<= BigInt(-power);
  return left < right ? -1 : left > right ? 1 : 0;
}

const FLOAT_INPUT = /^[ \t\n\r\f\v]*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf(?:inity)?))[ \t\n\r\f\v]*$/i;

/** The input function, for its decimal forms; undefined where Postgres itself must look (0x1F, errors). */
export function inputFloat(text: string, typeName: 'real' | 'double precision'): number | undefined {
  const match = FLOAT_INPUT.exec(text);
  if (match === null) return undefined;
  const body = match[1]!.toLowerCase();
  if (body.endsWith('nan')) return NaN;
  if (body.includes('inf')) return body.startsWith('-') ? -Infinity : Infinity;
  const value = typeName === 'real' ? parseFloat4(body) : Number(body);
  if (!Number.isFinite(value) || (value === 0 && /[1-9]/.test(body.split('e')[0]!))) {
    return fail('22003', `"${match[1]!}" is out of range for type ${typeName}`);
  }
  return value;
}
