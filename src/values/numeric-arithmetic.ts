/**
 * Arithmetic of numeric with Postgres's exact scales (https://www.postgresql.org/docs/current/datatype-numeric.html): sums keep the larger scale, products
 * add them, quotients carry at least 16 significant digits. Numbers while exact, BigInt beyond. NaN is contagious; Infinity − Infinity, 0 × Infinity are NaN.
 */
import { fail } from './failure.ts';
import { normalInt, type Int } from './int64.ts';
import {
  canonicalNumeric,
  Numeric,
  NUMERIC_INFINITY,
  NUMERIC_MINUS_INFINITY,
  NUMERIC_NAN,
  NUMERIC_ZERO,
  pow10,
  shiftUp,
} from './numeric.ts';

const SCALE_MAX = 16383;
/** Quotients: at least so many significant digits, and at most so many behind the point. */
const QUOTIENT_DIGITS_MIN = 16;
const QUOTIENT_SCALE_MAX = 1000;
/** Digits that numeric can have before the point. */
const INTEGER_DIGITS_MAX = 131_072;

function signOf(value: Numeric): number {
  if (value.special === '') return value.coefficient < 0 ? -1 : value.coefficient > 0 ? 1 : 0;
  return value.special === 'Infinity' ? 1 : -1;
}

function infinity(sign: number): Numeric {
  return sign > 0 ? NUMERIC_INFINITY : NUMERIC_MINUS_INFINITY;
}

function isNaNumeric(value: Numeric): boolean {
  return value.special === 'NaN';
}

function divisionByZero(): never {
  return fail('22012', 'division by zero');
}

/** Refuses what Postgres's format cannot hold. */
function bounded(coefficient: Int, scale: number): Numeric {
  if (typeof coefficient === 'bigint' && digitCount(coefficient) - scale > INTEGER_DIGITS_MAX)
    fail('22003', 'value overflows numeric format');
  return new Numeric(coefficient, scale);
}

export function addNumeric(a: Numeric, b: Numeric): Numeric {
  if (a.special !== '' || b.special !== '') return addSpecial(a, b);
  const scale = a.scale > b.scale ? a.scale : b.scale;
  const left = shiftUp(a.coefficient, scale - a.scale);
  const right = shiftUp(b.coefficient, scale - b.scale);
  if (typeof left === 'number' && typeof right === 'number') {
    const sum = left + right;
    if (sum <= 9007199254740991 && sum >= -9007199254740991) return new Numeric(sum, scale);
  }
  return bounded(normalInt(BigInt(left) + BigInt(right)), scale);
}

function addSpecial(a: Numeric, b: Numeric): Numeric {
  if (isNaNumeric(a) || isNaNumeric(b)) return NUMERIC_NAN;
  if (a.special === '') return b;
  return b.special === '' || a.special === b.special ? a : NUMERIC_NAN;
}

export function negateNumeric(value: Numeric): Numeric {
  if (value.special === '')
    return new Numeric(typeof value.coefficient === 'number' ? 0 - value.coefficient : -value.coefficient, value.scale);
  return isNaNumeric(value) ? value : infinity(-signOf(value));
}

export function subtractNumeric(a: Numeric, b: Numeric): Numeric {
  return addNumeric(a, negateNumeric(b));
}

export function multiplyNumeric(a: Numeric, b: Numeric): Numeric {
  if (a.special !== '' || b.special !== '') {
    if (isNaNumeric(a) || isNaNumeric(b)) return NUMERIC_NAN;
    const sign = signOf(a) * signOf(b);
    return sign === 0 ? NUMERIC_NAN : infinity(sign);
  }
  const scale = a.scale + b.scale;
  let result: Numeric | undefined;
  if (typeof a.coefficient === 'number' && typeof b.coefficient === 'number') {
    const product = a.coefficient * b.coefficient;
    if (product <= 9007199254740991 && product >= -9007199254740991) result = new Numeric(product + 0, scale);
  }
  result ??= bounded(normalInt(BigInt(a.coefficient) * BigInt(b.coefficient)), scale);
  return scale > SCALE_MAX ? roundNumeric(result, SCALE_MAX) : result;
}

function digitCount(coefficient: Int): number {
  if (typeof coefficient === 'number') {
    let count = 1;
    for (let size = Math.abs(coefficient); size >= 10; size = Math.floor(size / 10)) count++;
    return count;
  }
  const digits = String(coefficient).length;
  return coefficient < 0n ? digits - 1 : digits;
}

/** Weight and leading digit in base 10,000, which is how Postgres chooses a quotient's scale. */
function leading(value: Numeric): { weight: number; digit: number } {
  const { coefficient } = value;
  if (coefficient === 0) return { weight: 0, digit: 0 };
  const digits = digitCount(coefficient);
  const exponent = digits - value.scale - 1;
  const weight = Math.floor(exponent / 4);
  const wanted = exponent - weight * 4 + 1;
  if (typeof coefficient === 'number') {
    const size = Math.abs(coefficient);
    return { weight, digit: digits >= wanted ? Math.floor(size / 10 ** (digits - wanted)) : size * 10 ** (wanted - digits) };
  }
  return { weight, digit: Number(String(coefficient < 0n ? -coefficient : coefficient).slice(0, wanted)) };
}

function quotientScale(a: Numeric, b: Numeric): number {
  const left = leading(a);
  const right = leading(b);
  const weight = left.weight - right.weight - (left.digit <= right.digit ? 1 : 0);
  return Math.min(Math.max(QUOTIENT_DIGITS_MIN - weight * 4, a.scale, b.scale, 0), QUOTIENT_SCALE_MAX);
}

/** What a quotient with a NaN or an infinity is; undefined when both are finite. */
function specialQuotient(a: Numeric, b: Numeric): Numeric | undefined {
  if (a.special === '' && b.special === '') return b.coefficient === 0 ? divisionByZero() : undefined;
  if (isNaNumeric(a) || isNaNumeric(b)) return NUMERIC_NAN;
  if (a.special === '') return NUMERIC_ZERO;
  if (b.special !== '') return NUMERIC_NAN;
  const sign = signOf(b);
  return sign === 0 ? divisionByZero() : infinity(signOf(a) * sign);
}

/** a / b × 10^scale as an integer, rounded half away from zero or cut. */
function quotient(a: Numeric, b: Numeric, scale: number, cut: boolean): Numeric {
  const shift = scale + b.scale - a.scale;
  const numerator = BigInt(a.coefficient) * (shift > 0 ? pow10(shift) : 1n);
  const denominator = BigInt(b.coefficient) * (shift < 0 ? pow10(-shift) : 1n);
  return bounded(normalInt(cut ? numerator / denominator : divideRounded(numerator, denominator)), scale);
}

function divideRounded(numerator: bigint, denominator: bigint): bigint {
  const whole = numerator / denominator;
  const rest = numerator - whole * denominator;
  const twice = (rest < 0n ? -rest : rest) * 2n;
  if (twice < (denominator < 0n ? -denominator : denominator)) return whole;
  return numerator < 0n === denominator < 0n ? whole + 1n : whole - 1n;
}

export function divideNumeric(a: Numeric, b: Numeric): Numeric {
  return specialQuotient(a, b) ?? quotient(a, b, quotientScale(a, b), false);
}

/** The square root of a finite value that is not negative, at a scale, rounded half away from zero. */
export function rootNumeric(value: Numeric, scale: number): Numeric {
  // Of the value × 10^2(scale + 1): one digit more than shown, cut, decides how that one rounds.
  const shift = 2 * (scale + 1) - value.scale;
  const scaled = shift >= 0 ? BigInt(value.coefficient) * pow10(shift) : BigInt(value.coefficient) / pow10(-shift);
  return new Numeric(normalInt((wholeRoot(scaled) + 5n) / 10n), scale);
}

/** ⌊√n⌋ by Newton's method, from above. */
function wholeRoot(n: bigint): bigint {
  if (n < 2n) return n;
  let root = 1n << BigInt((n.toString(16).length * 4 + 1) >> 1);
  for (;;) {
    const next = (root + n / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** div(a, b): the whole part. */
export function divideWhole(a: Numeric, b: Numeric): Numeric {
  return specialQuotient(a, b) ?? quotient(a, b, 0, true);
}

export function moduloNumeric(a: Numeric, b: Numeric): Numeric {
  if (a.special !== '' || b.special !== '') {
    if (isNaNumeric(a) || isNaNumeric(b)) return NUMERIC_NAN;
    if (a.special !== '') return signOf(b) === 0 && b.special === '' ? divisionByZero() : NUMERIC_NAN;
    return a;
  }
  if (b.coefficient === 0) divisionByZero();
  const scale = Math.max(a.scale, b.scale);
  const left = shiftUp(a.coefficient, scale - a.scale);
  const right = shiftUp(b.coefficient, scale - b.scale);
  if (typeof left === 'number' && typeof right === 'number') return new Numeric((left % right) + 0, scale);
  return new Numeric(normalInt(BigInt(left) % BigInt(right)), scale);
}

export function absNumeric(value: Numeric): Numeric {
  if (value.special === '') return value.coefficient < 0 ? negateNumeric(value) : value;
  return isNaNumeric(value) ? value : NUMERIC_INFINITY;
}

export function signNumeric(value: Numeric): Numeric {
  return isNaNumeric(value) ? value : new Numeric(signOf(value), 0);
}

function rescale(value: Numeric, digits: number, cut: boolean): Numeric {
  if (value.special !== '') return value;
  const scale = Math.max(-INTEGER_DIGITS_MAX - 1, Math.min(digits, SCALE_MAX));
  if (scale >= value.scale) return new Numeric(shiftUp(value.coefficient, scale - value.scale), scale);
  const dropped = value.scale - scale;
  let kept: Int;
  if (digitCount(value.coefficient) < dropped) kept = 0;
  else {
    const unit = pow10(dropped);
    kept = normalInt(cut ? BigInt(value.coefficient) / unit : divideRounded(BigInt(value.coefficient), unit));
  }
  return scale >= 0 ? new Numeric(kept, scale) : bounded(shiftUp(kept, -scale), 0);
}

/** Half away from zero; `digits` may be negative. */
export function roundNumeric(value: Numeric, digits: number): Numeric {
  return rescale(value, digits, false);
}

export function truncNumeric(value: Numeric, digits: number): Numeric {
  return rescale(value, digits, true);
}

export function floorNumeric(value: Numeric): Numeric {
  if (value.special !== '') return value;
  const cut = truncNumeric(value, 0);
  return value.coefficient < 0 && canonicalNumeric(value).scale > 0 ? subtractNumeric(cut, ONE) : cut;
}

export function ceilNumeric(value: Numeric): Numeric {
  return negateNumeric(floorNumeric(negateNumeric(value)));
}

const ONE = new Numeric(1, 0);

/** numeric(p, s): rounds, and refuses what does not fit. `typmod` as in pg_attribute. */
export function fitNumeric(value: Numeric, typmod: number): Numeric {
  if (typmod < 4 || isNaNumeric(value)) return value;
  const precision = ((typmod - 4) >> 16) & 0xffff;
  const scale = (((typmod - 4) & 0x7ff) ^ 1024) - 1024;
  if (value.special !== '') return fail('22003', 'numeric field overflow');
  const rounded = roundNumeric(value, scale);
  const digits = rounded.coefficient === 0 ? 0 : digitCount(rounded.coefficient) - rounded.scale;
  return digits > precision - scale ? fail('22003', 'numeric field overflow') : rounded;
}

const NUMERIC_INPUT = /^[ \t\n\r\f\v]*([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d{1,4}))?[ \t\n\r\f\v]*$/i;
const NUMERIC_SPECIAL = /^[ \t\n\r\f\v]*(?:(nan)|([+-]?)(?:inf|infinity))[ \t\n\r\f\v]*$/i;
/** Longer inputs than anybody writes are Postgres's to judge. */
const INPUT_SCALE_MAX = 5_000;

/** The input function, for its decimal forms; undefined where Postgres itself must look (0x1F, 1_000, errors). */
export function inputNumeric(text: string): Numeric | undefined {
  const match = NUMERIC_INPUT.exec(text);
  if (match === null) {
    const special = NUMERIC_SPECIAL.exec(text);
    if (special === null) return undefined;
    return special[1] !== undefined ? NUMERIC_NAN : infinity(special[2] === '-' ? -1 : 1);
  }
  const [, sign, whole = '', fraction = '', exponent = '0'] = match;
  if (whole === '' && fraction === '') return undefined;
  const scale = fraction.length - Number(exponent);
  if (Math.abs(scale) > INPUT_SCALE_MAX) return undefined;
  const coefficient = normalInt(BigInt(`${whole}${fraction}`) * (sign === '-' ? -1n : 1n));
  return scale >= 0 ? new Numeric(coefficient, scale) : new Numeric(shiftUp(coefficient, -scale), 0);
}
