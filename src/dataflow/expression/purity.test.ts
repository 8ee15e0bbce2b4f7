/** What is said of an expression before it runs. */
import { expect, test } from 'vitest';
import { pgType } from '../../values/testing/postgres.ts';
import type { Collation, PgType } from '../../values/type.ts';
import type { Expression } from '../../plan/expression.ts';
import { canFail, exactnessOf, isNative, orderExactness } from './purity.ts';

const INT = pgType('integer');
const BOOL = pgType('boolean');
const TEXT = pgType('text');
const TIMESTAMPTZ = pgType('timestamp with time zone');
const FLOAT = pgType('double precision');
const collation = (provider: Collation['provider'], locale: string): Collation => ({ name: 'x', provider, locale, deterministic: true });
const LIBC = collation('libc', 'en_US.UTF-8');
const column = (type: PgType): Expression => ({ kind: 'column', index: 0, type });
const call = (proc: number, type: PgType, args: readonly Expression[], of?: Collation): Expression => ({
  kind: 'call',
  proc,
  procName: 'pg_catalog.f',
  args,
  strict: true,
  type,
  ...(of === undefined ? {} : { collation: of }),
});

const less = (type: PgType, proc: number, of?: Collation): Expression => call(proc, BOOL, [column(type), column(type)], of);
const plus = call(177, INT, [column(INT), column(INT)]);
const unknown = call(99_999_999, INT, [column(INT)]);
const day: Expression = { kind: 'constant', text: 'day', type: TEXT };

test('a comparison cannot fail, arithmetic can, and what is not known can', () => {
  expect(canFail(less(INT, 66))).toBe(false);
  expect(canFail(plus)).toBe(true);
  expect(canFail(unknown)).toBe(true);
  expect(canFail({ kind: 'not', arg: { kind: 'isNull', arg: plus, negated: false, type: BOOL }, type: BOOL })).toBe(true);
});

test('native is what needs no Postgres', () => {
  expect(isNative(plus)).toBe(true);
  expect(isNative({ kind: 'coalesce', args: [column(INT), unknown], type: INT })).toBe(false);
  const truncated = call(1217, TIMESTAMPTZ, [day, column(TIMESTAMPTZ)]);
  expect(isNative(truncated)).toBe(true);
  expect(isNative(truncated, { timeZone: 'Europe/Berlin' })).toBe(false);
  expect(isNative(call(1217, TIMESTAMPTZ, [column(TEXT), column(TIMESTAMPTZ)]))).toBe(false);
});

test('an expression is as exact as its weakest part', () => {
  expect(exactnessOf(plus)).toBe('exact');
  expect(exactnessOf(less(TEXT, 740, collation('c', 'C')))).toBe('exact');
  expect(exactnessOf(less(TEXT, 740, collation('icu', 'en-US')))).toBe('exact');
  expect(exactnessOf(less(TEXT, 740, LIBC))).toBe('text_order');
  expect(exactnessOf(less(TEXT, 67, LIBC))).toBe('exact');
  expect(exactnessOf(call(871, TEXT, [column(TEXT)], LIBC))).toBe('last_digit');
  expect(exactnessOf(call(1604, FLOAT, [column(FLOAT)]))).toBe('last_digit');
  expect(exactnessOf({ kind: 'and', args: [less(TEXT, 740, LIBC), less(TIMESTAMPTZ, 1154)], type: BOOL })).toBe('text_order');
  expect(exactnessOf(call(1217, TIMESTAMPTZ, [day, column(TIMESTAMPTZ)]))).toBe('settings');
  expect(exactnessOf({ kind: 'ioCast', arg: column(TIMESTAMPTZ), type: TEXT })).toBe('settings');
  expect(exactnessOf({ kind: 'ioCast', arg: column(INT), type: TEXT })).toBe('exact');
  expect(orderExactness(TEXT, LIBC)).toBe('text_order');
  expect(orderExactness(INT)).toBe('exact');
});
