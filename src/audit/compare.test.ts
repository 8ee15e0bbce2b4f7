import { expect, test } from 'vitest';
import fc from 'fast-check';
import type { PgType } from '../values/type.ts';
import { compare, type AuditedColumn, type TextRow } from './compare.ts';

const type = (name: string): PgType => ({ oid: 0, name, kind: 'base', storage: 'text', typmod: -1 });
const text: AuditedColumn = { name: 't', type: type('text'), approximate: false };
const numeric: AuditedColumn = { name: 'n', type: type('numeric'), approximate: false, canonical: (value) => value.replace(/\.?0+$/, '') };
const average: AuditedColumn = { name: 'f', type: type('double precision'), approximate: true };

test('the same rows in another order are equal', () => {
  expect(compare([text], [['a'], ['b'], [null]], [[null], ['b'], ['a']])).toEqual({
    rows: 3,
    differences: 0,
    onlyUpstream: [],
    onlyMillrace: [],
  });
});

test('a planted wrong row is found on both sides', () => {
  expect(compare([text, numeric], [['a', '1']], [['a', '2']])).toEqual({
    rows: 1,
    differences: 2,
    onlyUpstream: [['a', '1']],
    onlyMillrace: [['a', '2']],
  });
});

test('multiplicities count', () => {
  expect(compare([text], [['a'], ['a']], [['a']])).toMatchObject({ differences: 1, onlyUpstream: [['a']] });
});

test('NULL is not the empty string, and values cannot run into one another', () => {
  expect(compare([text, text], [[null, '']], [['', null]]).differences).toBe(2);
  expect(compare([text, text], [['1:a', 'b']], [['1', ':ab']]).differences).toBe(2);
});

test('another representative of an equal key is equal; another value is not', () => {
  expect(compare([numeric], [['1.0']], [['1.00']]).differences).toBe(0);
  expect(compare([numeric], [['1.0']], [['1.01']]).differences).toBe(2);
});

test('float aggregates agree within the tolerance, no further', () => {
  expect(compare([text, average], [['a', '0.30000000000000004']], [['a', '0.3']]).differences).toBe(0);
  expect(compare([text, average], [['a', '0.3001']], [['a', '0.3']]).differences).toBe(2);
  expect(compare([average], [['NaN']], [['0']]).differences).toBe(2);
});

test('differences are the size of the multiset difference', () => {
  const rows = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.constantFrom('1', '2', null)), { maxLength: 30 });
  fc.assert(
    fc.property(rows, rows, (left: TextRow[], right: TextRow[]) => {
      const count = (all: TextRow[], row: TextRow): number => all.filter((other) => JSON.stringify(other) === JSON.stringify(row)).length;
      const distinct = [...new Map([...left, ...right].map((row) => [JSON.stringify(row), row])).values()];
      const expected = distinct.reduce((sum, row) => sum + Math.abs(count(left, row) - count(right, row)), 0);
      expect(compare([text, text], left, right).differences).toBe(expected);
    }),
  );
});
