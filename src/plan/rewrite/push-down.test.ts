/** Where a condition comes to stand. That the rows stay the same, errors included, is held against Postgres by `sql/join-keys.test.ts` and `sql/oracle.test.ts`. */
import { describe, expect, test } from 'vitest';
import type { Column, PgType } from '../../values/type.ts';
import type { Expression } from '../expression.ts';
import type { Join, Plan } from '../plan.ts';
import { printPlan } from '../print.ts';
import { rewritten } from './rewrite.ts';

const int4: PgType = { oid: 23, name: 'integer', kind: 'base', storage: 'int32', typmod: -1 };
const bool: PgType = { oid: 16, name: 'boolean', kind: 'base', storage: 'bool', typmod: -1 };
const named = (...names: string[]): Column[] => names.map((name) => ({ name, type: int4 }));
const col = (index: number): Expression => ({ kind: 'column', index, type: int4 });
const one: Expression = { kind: 'constant', text: '1', type: int4 };
const call = (proc: number, operator: string, type: PgType, ...args: Expression[]): Expression => ({
  kind: 'call',
  proc,
  procName: 'pg_catalog.f',
  operator,
  args,
  strict: true,
  type,
});
const less = (a: Expression, b: Expression): Expression => call(66, '<', bool, a, b);
const over = (a: Expression, b: Expression): Expression => call(154, '/', int4, a, b);
const scan = (object: string): Plan => ({ op: 'scan', object, pick: [0, 1], columns: named(`${object}0`, `${object}1`) });
const filter = (input: Plan, ...predicates: Expression[]): Plan => ({ op: 'filter', input, predicates, columns: input.columns });
const map = (input: Plan, ...expressions: Expression[]): Plan => ({
  op: 'map',
  input,
  expressions,
  columns: named(...expressions.map((_, i) => `m${i}`)),
});
const join = (kind: Join['kind'], left: Plan, right: Plan, on: Expression[] = [], leftKey = col(0)): Plan => ({
  op: 'join',
  kind,
  left,
  right,
  leftKeys: [leftKey],
  rightKeys: [col(0)],
  on,
  columns:
    kind === 'semi'
      ? left.columns
      : kind === 'mark'
        ? [...left.columns, { name: 'mark', type: bool }]
        : [...left.columns, ...right.columns],
});
const a = scan('a');
const b = scan('b');
const ofA = less(col(1), one);
const ofB = less(col(3), one);
const ofBoth = less(col(1), col(3));
const mayFail = less(over(one, col(1)), one);

describe('what cannot fail runs as low as its columns are', () => {
  test.each<[string, Plan, string]>([
    [
      'inner',
      filter(join('inner', a, b), ofA, ofB, ofBoth),
      'Join on a0 = b0 AND a1 < b1\n  Filter a1 < 1\n    Scan a (a0, a1)\n  Filter b1 < 1\n    Scan b (b0, b1)',
    ],
    [
      'left',
      filter(join('left', a, b), ofA, ofB),
      'Filter b1 < 1\n  Left join on a0 = b0\n    Filter a1 < 1\n      Scan a (a0, a1)\n    Scan b (b0, b1)',
    ],
    [
      'ON of a left join',
      join('left', a, b, [ofA, ofB]),
      'Left join on a0 = b0 AND a1 < 1\n  Scan a (a0, a1)\n  Filter b1 < 1\n    Scan b (b0, b1)',
    ],
    [
      'through a map',
      filter(map(join('inner', a, b), col(3), over(col(1), one)), less(col(0), one)),
      'Map b1 AS m0, a1 / 1 AS m1\n  Join on a0 = b0\n    Scan a (a0, a1)\n    Filter b1 < 1\n      Scan b (b0, b1)',
    ],
    ['without a join nothing moves', filter(map(a, col(1)), less(col(0), one)), 'Filter m0 < 1\n  Map a1 AS m0\n    Scan a (a1)'],
  ])('%s', (_, plan, printed) => expect(printPlan(rewritten(plan))).toBe(printed));
});

describe('what can fail', () => {
  test.each<[string, Plan, string]>([
    ['stays', filter(join('inner', a, b), mayFail), 'Filter (1 / a1) < 1\n  Join on a0 = b0\n    Scan a (a0, a1)\n    Scan b (b0, b1)'],
    [
      'and is not computed twice',
      filter(map(join('inner', a, b), over(one, col(1))), less(col(0), one)),
      'Filter m0 < 1\n  Map 1 / a1 AS m0\n    Join on a0 = b0\n      Scan a (a0, a1)\n      Scan b (b0)',
    ],
    [
      'goes down beside a key that can fail, which it keeps rows from',
      filter(join('inner', a, b, [], over(one, col(0))), mayFail),
      'Join on 1 / a0 = b0\n  Filter (1 / a1) < 1\n    Scan a (a0, a1)\n  Scan b (b0, b1)',
    ],
  ])('%s', (_, plan, printed) => expect(printPlan(rewritten(plan))).toBe(printed));
});

test('of a semi and a mark join the right side is asked nothing that it does not show, and a full join lets nothing through', () => {
  const mark = col(2);
  expect(rewritten(filter(join('semi', a, b, [ofA, ofB]), ofA))).toMatchObject({
    left: { op: 'filter' },
    right: { op: 'filter' },
    on: [],
  });
  expect(rewritten(filter(join('mark', a, b, [ofB]), ofA, less(mark, one)))).toMatchObject({
    op: 'filter',
    input: { left: { op: 'filter' }, right: { op: 'scan' }, on: [ofB], columns: [{ name: 'a0' }, { name: 'a1' }, { name: 'mark' }] },
  });
  expect(rewritten(filter(join('full', a, b, [ofA]), ofA, ofB))).toMatchObject({ op: 'filter', input: { left: a, right: b, on: [ofA] } });
});

test('is the same when done again', () => {
  const plan = filter(map(join('left', filter(a, mayFail), join('inner', b, scan('c'), [ofBoth])), col(0), col(3)), less(col(0), col(1)));
  expect(rewritten(rewritten(plan))).toEqual(rewritten(plan));
});
