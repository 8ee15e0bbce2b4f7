/**
 * var_samp, var_pop, stddev_samp, stddev_pop.  state(A) = (Σ weight, Σ v, Σ v²), exactly; so the variance of what is left when a value goes is right to the last digit.
 *
 *     variance = (N·Σ v² − (Σ v)²) / (N·(N − 1)),  of the population / N²;  deviation = its root
 *
 * Of whole numbers and numeric: numeric, with the digits that Postgres's numeric_stddev_internal shows (the quotient's scale, and the root of the rounded quotient at it). A NaN or an
 * infinity makes NaN. Of float4 and float8: the exact value rounded once (exactness `float_aggregate`), NaN likewise, 22003 where the squares leave float8's range.
 * NULL: over no value, and of a sample over one. O(1) a change.
 */
import type { AggregateName } from '../../../../plan/aggregates.ts';
import { divideNumeric, multiplyNumeric, rootNumeric, subtractNumeric } from '../../../../values/numeric-arithmetic.ts';
import { Numeric, NUMERIC_NAN, NUMERIC_ZERO, writeNumeric } from '../../../../values/numeric.ts';
import { normalInt } from '../../../../values/int64.ts';
import { type Result, setNull } from './accumulator.ts';
import type { FloatSum } from './float-sum.ts';
import type { NumericSum } from './numeric-sum.ts';

export type Deviation = Extract<AggregateName, `${'var' | 'stddev'}_${string}`>;

/** What N·Σ v² − (Σ v)² is divided by; undefined: no answer. */
function divisor(which: Deviation, count: number): bigint | undefined {
  const isSample = which.endsWith('_samp');
  if (count <= (isSample ? 1 : 0)) return undefined;
  return BigInt(count) * BigInt(isSample ? count - 1 : count);
}

export function deviationOfNumeric(sums: NumericSum, squares: NumericSum, which: Deviation): Result {
  return (states, group, into, row, column) => {
    const { sum, count } = sums.total(states, group);
    const by = divisor(which, count);
    if (by === undefined) return setNull(into, row, column);
    writeNumeric(deviation(sum, squares.total(states, group).sum, count, by, which), into, row + column.offset);
  };
}

function deviation(sum: Numeric, sumOfSquares: Numeric, count: number, by: bigint, which: Deviation): Numeric {
  if (sum.special !== '') return NUMERIC_NAN;
  const spread = subtractNumeric(multiplyNumeric(new Numeric(count, 0), sumOfSquares), multiplyNumeric(sum, sum));
  if (spread.coefficient <= 0) return NUMERIC_ZERO;
  const variance = divideNumeric(spread, new Numeric(normalInt(by), 0));
  return which.startsWith('var') ? variance : rootNumeric(variance, variance.scale);
}

export function deviationOfFloat(sums: FloatSum, which: Deviation): Result {
  return (states, group, into, row, column) => {
    const by = divisor(which, sums.count(states, group));
    if (by === undefined) return setNull(into, row, column);
    const variance = sums.variance(states, group, by);
    into.doubles[(row + column.offset) >> 1] = which.startsWith('var') ? variance : Math.sqrt(variance);
  };
}
