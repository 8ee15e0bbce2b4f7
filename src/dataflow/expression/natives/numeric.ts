/** numeric: arithmetic, rounding and fitting to numeric(p, s). Logarithms, powers and roots are left to the fallback. */
import * as arithmetic from '../../../values/numeric-arithmetic.ts';
import { compareNumeric, type Numeric } from '../../../values/numeric.ts';
import { calls, inlines, type NativeTable } from '../native.ts';

const larger = (a: Numeric, b: Numeric): Numeric => (compareNumeric(a, b) > 0 ? a : b);
const smaller = (a: Numeric, b: Numeric): Numeric => (compareNumeric(a, b) < 0 ? a : b);
const round = (value: Numeric): Numeric => arithmetic.roundNumeric(value, 0);
const trunc = (value: Numeric): Numeric => arithmetic.truncNumeric(value, 0);

export const numericNatives: NativeTable = [
  [1724, calls('numeric_add', arithmetic.addNumeric)],
  [1725, calls('numeric_sub', arithmetic.subtractNumeric)],
  [1726, calls('numeric_mul', arithmetic.multiplyNumeric)],
  [1727, calls('numeric_div', arithmetic.divideNumeric)],
  [1973, calls('div(numeric)', arithmetic.divideWhole)],
  [1980, calls('numeric_div_trunc', arithmetic.divideWhole)],
  [1728, calls('mod(numeric)', arithmetic.moduloNumeric)],
  [1729, calls('numeric_mod', arithmetic.moduloNumeric)],
  [1771, calls('numeric_uminus', arithmetic.negateNumeric, { fails: false })],
  [1915, inlines('numeric_uplus', (a) => a)],
  [1704, calls('numeric_abs', arithmetic.absNumeric, { fails: false })],
  [1705, calls('abs(numeric)', arithmetic.absNumeric, { fails: false })],
  [1706, calls('sign(numeric)', arithmetic.signNumeric, { fails: false })],
  [1707, calls('round(numeric, int)', arithmetic.roundNumeric)],
  [1708, calls('round(numeric)', round)],
  [1709, calls('trunc(numeric, int)', arithmetic.truncNumeric)],
  [1710, calls('trunc(numeric)', trunc)],
  [1711, calls('ceil(numeric)', arithmetic.ceilNumeric)],
  [2167, calls('ceiling(numeric)', arithmetic.ceilNumeric)],
  [1712, calls('floor(numeric)', arithmetic.floorNumeric)],
  [1703, calls('numeric(numeric, typmod)', arithmetic.fitNumeric)],
  [1767, calls('numeric_larger', larger, { fails: false })],
  [1766, calls('numeric_smaller', smaller, { fails: false })],
];
