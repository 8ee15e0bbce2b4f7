/** int2, int4 and int8: arithmetic with Postgres's overflow errors. int4 arithmetic is exact in a double; int8 goes through BigInt beyond 2^53. */
import { fail, outOfRange } from '../../../values/failure.ts';
import { checkedInt64, type Int } from '../../../values/int64.ts';
import { calls, each, inlines, type Native, type NativeTable } from '../native.ts';

export function divisionByZero(): never {
  return fail('22012', 'division by zero');
}

function int2Range(): never {
  return outOfRange('smallint');
}

function int4Range(): never {
  return outOfRange('integer');
}

export function checkInt2(value: number): number {
  return value >= -32768 && value <= 32767 ? value : int2Range();
}

export function checkInt4(value: number): number {
  return value === (value | 0) ? value | 0 : int4Range();
}

function addInt8(a: Int, b: Int): Int {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (sum <= 9007199254740991 && sum >= -9007199254740991) return sum;
  }
  return checkedInt64(BigInt(a) + BigInt(b));
}

function subtractInt8(a: Int, b: Int): Int {
  if (typeof a === 'number' && typeof b === 'number') {
    const difference = a - b;
    if (difference <= 9007199254740991 && difference >= -9007199254740991) return difference;
  }
  return checkedInt64(BigInt(a) - BigInt(b));
}

function multiplyInt8(a: Int, b: Int): Int {
  if (typeof a === 'number' && typeof b === 'number') {
    const product = a * b;
    if (product <= 9007199254740991 && product >= -9007199254740991) return product + 0;
  }
  return checkedInt64(BigInt(a) * BigInt(b));
}

function divideInt8(a: Int, b: Int): Int {
  if (b === 0) divisionByZero();
  if (typeof a === 'number' && typeof b === 'number') return (a - (a % b)) / b + 0;
  return checkedInt64(BigInt(a) / BigInt(b));
}

function moduloInt8(a: Int, b: Int): Int {
  if (b === 0) divisionByZero();
  if (typeof a === 'number' && typeof b === 'number') return (a % b) + 0;
  return checkedInt64(BigInt(a) % BigInt(b));
}

function negateInt8(a: Int): Int {
  return typeof a === 'number' ? 0 - a : checkedInt64(-a);
}

function absInt8(a: Int): Int {
  return a < 0 ? negateInt8(a) : a;
}

function divideInt4(a: number, b: number): number {
  if (b === 0) divisionByZero();
  if (b === -1) return checkInt4(0 - a);
  return (a / b) | 0;
}

function divideInt2(a: number, b: number): number {
  if (b === 0) divisionByZero();
  return checkInt2((a / b) | 0);
}

function moduloInt4(a: number, b: number): number {
  if (b === 0) divisionByZero();
  return (a % b) | 0;
}

const bits = (operate: (a: bigint, b: bigint) => bigint) => (a: Int, b: Int) => checkedInt64(operate(BigInt(a), BigInt(b)));
const andInt8 = bits((a, b) => a & b);
const orInt8 = bits((a, b) => a | b);
const xorInt8 = bits((a, b) => a ^ b);

function gcdInt8(a: Int, b: Int): Int {
  let x = BigInt(a) < 0n ? -BigInt(a) : BigInt(a);
  let y = BigInt(b) < 0n ? -BigInt(b) : BigInt(b);
  while (y !== 0n) [x, y] = [y, x % y];
  return checkedInt64(x);
}

function gcdInt4(a: number, b: number): number {
  let x = Math.abs(a);
  let y = Math.abs(b);
  while (y !== 0) [x, y] = [y, x % y];
  return checkInt4(x);
}

const checked = (range: (value: number) => number, name: string, write: (a: string, b: string) => string): Native => ({
  name,
  fails: true,
  code: (generator, [a, b]) => `${generator.use(range, range.name)}(${write(a!, b ?? '')})`,
});

const plus = (a: string, b: string): string => `${a} + ${b}`;
const minus = (a: string, b: string): string => `${a} - ${b}`;
const times = (a: string, b: string): string => `${a} * ${b}`;
const first = inlines('+', (a) => a);

export const intNatives: NativeTable = [
  [176, checked(checkInt2, 'int2pl', plus)],
  [180, checked(checkInt2, 'int2mi', minus)],
  [152, checked(checkInt2, 'int2mul', times)],
  [153, calls('int2div', divideInt2)],
  [155, calls('int2mod', moduloInt4)],
  [940, calls('mod(int2)', moduloInt4)],
  [213, checked(checkInt2, 'int2um', (a) => `0 - ${a}`)],
  [1911, first],
  [1398, checked(checkInt2, 'abs(int2)', (a) => `Math.abs(${a})`)],
  [1253, checked(checkInt2, 'int2abs', (a) => `Math.abs(${a})`)],
  ...each([177, 178, 179], checked(checkInt4, 'int4pl', plus)),
  ...each([181, 182, 183], checked(checkInt4, 'int4mi', minus)),
  ...each([141, 170, 171], checked(checkInt4, 'int4mul', times)),
  ...each([154, 172, 173], calls('int4div', divideInt4)),
  [156, calls('int4mod', moduloInt4)],
  [941, calls('mod(int4)', moduloInt4)],
  [212, checked(checkInt4, 'int4um', (a) => `0 - ${a}`)],
  [1912, first],
  [1397, checked(checkInt4, 'abs(int4)', (a) => `Math.abs(${a})`)],
  [1251, checked(checkInt4, 'int4abs', (a) => `Math.abs(${a})`)],
  ...each([463, 837, 841, 1274, 1278], calls('int8pl', addInt8)),
  ...each([464, 838, 942, 1275, 1279], calls('int8mi', subtractInt8)),
  ...each([465, 839, 943, 1276, 1280], calls('int8mul', multiplyInt8)),
  ...each([466, 840, 948, 1277, 1281], calls('int8div', divideInt8)),
  [945, calls('int8mod', moduloInt8)],
  [947, calls('mod(int8)', moduloInt8)],
  [462, calls('int8um', negateInt8)],
  [1910, first],
  [1396, calls('abs(int8)', absInt8)],
  [1230, calls('int8abs', absInt8)],
  // Bits.
  [1892, inlines('int2and', (a, b) => `(${a} & ${b})`)],
  [1893, inlines('int2or', (a, b) => `(${a} | ${b})`)],
  [1894, inlines('int2xor', (a, b) => `(${a} ^ ${b})`)],
  [1895, inlines('int2not', (a) => `(~${a})`)],
  [1898, inlines('int4and', (a, b) => `(${a} & ${b})`)],
  [1899, inlines('int4or', (a, b) => `(${a} | ${b})`)],
  [1900, inlines('int4xor', (a, b) => `(${a} ^ ${b})`)],
  [1901, inlines('int4not', (a) => `(~${a})`)],
  [1902, inlines('int4shl', (a, b) => `(${a} << ${b})`)],
  [1903, inlines('int4shr', (a, b) => `(${a} >> ${b})`)],
  [1904, calls('int8and', andInt8, { fails: false })],
  [1905, calls('int8or', orInt8, { fails: false })],
  [1906, calls('int8xor', xorInt8, { fails: false })],
  [5044, calls('gcd(int4)', gcdInt4)],
  [5045, calls('gcd(int8)', gcdInt8)],
];
