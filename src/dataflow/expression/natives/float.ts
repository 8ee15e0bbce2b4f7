/**
 * float4 and float8: IEEE arithmetic with Postgres's checks (an infinity or a zero that no operand explains is an error). A float4 result is rounded
 * once from the double: exact for + − × ÷. Transcendental functions differ in the last digit between C libraries and are left to the fallback.
 */
import { fail } from '../../../values/failure.ts';
import { roundHalfEven } from '../../../values/float.ts';
import { calls, each, inlines, type NativeTable } from '../native.ts';
import { divisionByZero } from './int.ts';

function overflow(): never {
  return fail('22003', 'value out of range: overflow');
}

function underflow(): never {
  return fail('22003', 'value out of range: underflow');
}

const isInf = (x: number): boolean => x === Infinity || x === -Infinity;

/** The four operations, after which `narrow` rounds to the width of the result. */
function arithmetic(narrow: (x: number) => number) {
  return {
    add: (a: number, b: number): number => {
      const sum = narrow(a + b);
      return isInf(sum) && !isInf(a) && !isInf(b) ? overflow() : sum;
    },
    subtract: (a: number, b: number): number => {
      const difference = narrow(a - b);
      return isInf(difference) && !isInf(a) && !isInf(b) ? overflow() : difference;
    },
    multiply: (a: number, b: number): number => {
      const product = narrow(a * b);
      if (isInf(product) && !isInf(a) && !isInf(b)) return overflow();
      return product === 0 && a !== 0 && b !== 0 ? underflow() : product;
    },
    divide: (a: number, b: number): number => {
      if (b === 0 && !Number.isNaN(a)) return divisionByZero();
      const quotient = narrow(a / b);
      if (isInf(quotient) && !isInf(a)) return overflow();
      return quotient === 0 && a !== 0 && !isInf(b) ? underflow() : quotient;
    },
  };
}

const float4 = arithmetic(Math.fround);
const float8 = arithmetic((x) => x);

function squareRoot(value: number): number {
  return value < 0 ? fail('2201F', 'cannot take square root of a negative number') : Math.sqrt(value);
}

const sign = (value: number): number => (value > 0 ? 1 : value < 0 ? -1 : 0);

const minus = inlines('float8um', (a) => `(-${a})`);
const plus = inlines('float8up', (a) => a);
const absolute = inlines('float8abs', (a) => `Math.abs(${a})`);
const ceiling = inlines('ceil(float8)', (a) => `Math.ceil(${a})`);

export const floatNatives: NativeTable = [
  [204, calls('float4pl', float4.add)],
  [205, calls('float4mi', float4.subtract)],
  [202, calls('float4mul', float4.multiply)],
  [203, calls('float4div', float4.divide)],
  // float8, and float4 with float8.
  ...each([218, 281, 285], calls('float8pl', float8.add)),
  ...each([219, 282, 286], calls('float8mi', float8.subtract)),
  ...each([216, 279, 283], calls('float8mul', float8.multiply)),
  ...each([217, 280, 284], calls('float8div', float8.divide)),
  ...each([206, 220], minus),
  ...each([1913, 1914], plus),
  ...each([207, 221, 1394, 1395], absolute),
  [1342, calls('round(float8)', roundHalfEven, { fails: false })],
  ...each([2308, 2320], ceiling),
  [2309, inlines('floor(float8)', (a) => `Math.floor(${a})`)],
  [1343, inlines('trunc(float8)', (a) => `Math.trunc(${a})`)],
  [2310, calls('sign(float8)', sign, { fails: false })],
  ...each([230, 1344], calls('sqrt(float8)', squareRoot)),
];
