/**
 * The floating-point number nearest to an exact rational: ties to even, rounded once. Called by `float-sum.ts`.
 */

/** Significand bits, and the exponent of the last place of the smallest subnormal. */
export const DOUBLE = { bits: 53, lastPlace: -1074, max: Number.MAX_VALUE } as const;
export const SINGLE = { bits: 24, lastPlace: -149, max: 3.4028234663852886e38 } as const;

export type FloatFormat = typeof DOUBLE | typeof SINGLE;

/** Quotients get this many bits, and a last one that says whether anything remained. */
const QUOTIENT_BITS = 66;

/** numerator × 2^exponent ÷ divisor (> 0); ±Infinity where it is too large for the format. */
export function nearest(numerator: bigint, exponent: number, divisor: bigint, format: FloatFormat): number {
  if (numerator === 0n) return 0;
  const negative = numerator < 0n;
  let quotient = negative ? -numerator : numerator;
  let power = exponent;
  if (divisor !== 1n) {
    const shift = Math.max(0, QUOTIENT_BITS - bitLength(quotient) + bitLength(divisor));
    const shifted = quotient << BigInt(shift);
    quotient = shifted / divisor;
    power -= shift;
    if (quotient * divisor !== shifted) quotient |= 1n;
  }
  const last = Math.max(power + bitLength(quotient) - format.bits, format.lastPlace);
  const drop = last - power;
  if (drop > 0) {
    const places = BigInt(drop);
    const kept = quotient >> places;
    const rest = quotient - (kept << places);
    const half = 1n << (places - 1n);
    quotient = rest > half || (rest === half && (kept & 1n) === 1n) ? kept + 1n : kept;
    power = last;
  }
  const value = scaled(Number(quotient), power);
  if (value > format.max) return negative ? -Infinity : Infinity;
  return negative ? -value : value;
}

/** value × 2^power, where that is exact; a power of two alone may be out of range. */
function scaled(value: number, power: number): number {
  if (power > 1000) return value * 2 ** 1000 * 2 ** (power - 1000);
  return value * 2 ** power;
}

function bitLength(value: bigint): number {
  const hex = value.toString(16);
  return hex.length * 4 - Math.clz32(Number.parseInt(hex[0]!, 16)) + 28;
}
