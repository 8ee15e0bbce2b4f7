import { describe, expect, test } from 'vitest';
import type { Expression } from '../../plan/expression.ts';
import type { Join, Plan } from '../../plan/plan.ts';
import { call } from '../testing/random-plan.ts';
import { bool, columns, int4, numeric, text } from '../testing/rows.ts';
import { columnsRead, fusePlan, type Fused, type FusedJoin } from './fuse.ts';

const col = (index: number, type = int4): Expression => ({ kind: 'column', index, type });
const one: Expression = { kind: 'constant', text: '1', type: int4 };
const scan = (object: string, ...pick: number[]): Plan => ({ op: 'scan', object, pick, columns: columns(...pick.map(() => int4)) });
const filter = (input: Plan, ...predicates: Expression[]): Plan => ({ op: 'filter', input, predicates, columns: input.columns });
const map = (input: Plan, ...expressions: Expression[]): Plan => ({
  op: 'map',
  input,
  expressions,
  columns: columns(...expressions.map(({ type }) => type)),
});
const less = (a: Expression, b: Expression): Expression => call('int4lt', 66, bool, a, b);
const over = (a: Expression, b: Expression): Expression => call('int4div', 154, int4, a, b);

/** Views are called v…, and v stands on table a. */
const fuse = (plan: Plan): Fused =>
  fusePlan(plan, {
    tables: (object) => new Set([object.startsWith('v') ? 'a' : object]),
    arranged: () => true,
    indexed: () => true,
    isView: (object) => object.startsWith('v'),
  });

function join(kind: Join['kind'], left: Plan, right: Plan, more: Partial<Join> = {}): Join {
  return {
    op: 'join',
    kind,
    left,
    right,
    leftKeys: [col(0)],
    rightKeys: [col(0)],
    on: [],
    columns: [...left.columns, ...right.columns],
    ...more,
  };
}

describe('filters and maps melt into what is below', () => {
  test('a scan: conditions and outputs over the table’s own columns', () => {
    expect(fuse(map(filter(scan('a', 5, 7), less(col(1), one)), col(1)))).toEqual({
      kind: 'scan',
      object: 'a',
      where: [less(col(7), one)],
      outputs: [col(7)],
    });
  });

  test('an expression read twice is computed once, by a step of its own; one read never is gone', () => {
    const fused = fuse(map(map(scan('a', 0, 1), over(one, col(0)), over(one, col(1))), col(0), col(0)));
    expect(fused).toMatchObject({ kind: 'map', input: { kind: 'scan', outputs: [over(one, col(0))] }, outputs: [col(0), col(0)] });
  });

  test('a union: into every branch', () => {
    const union: Plan = { op: 'union', inputs: [scan('a', 1), scan('b', 2)], columns: columns(int4) };
    expect(fuse(filter(union, less(col(0), one)))).toMatchObject({
      kind: 'union',
      inputs: [{ where: [less(col(1), one)] }, { where: [less(col(2), one)] }],
    });
  });
});

describe('a join', () => {
  test('uses the table’s own arrangement where the key is a plain column, and reads only what is asked for', () => {
    const fused = fuse(map(join('inner', scan('a', 0, 1, 2), scan('b', 0, 1)), col(4)));
    expect(fused).toMatchObject({ kind: 'join', left: { kind: 'shared', keys: [0] }, right: { kind: 'shared', keys: [0] } });
    expect(columnsRead(fused)).toEqual(
      new Map([
        ['a', new Set([0])],
        ['b', new Set([1, 0])],
      ]),
    );
  });

  test('makes its own arrangement where the key is computed, or equal without being identical', () => {
    const computed = fuse(join('inner', scan('a', 0), scan('b', 0), { leftKeys: [over(one, col(0))] })) as FusedJoin;
    expect(computed.left).toMatchObject({ kind: 'own', keys: [1], input: { outputs: [col(0), over(one, col(0))] } });
    const key = col(0, numeric);
    const canonical = fuse(join('inner', scan('a', 0), scan('b', 0), { leftKeys: [key], rightKeys: [key] })) as FusedJoin;
    expect(canonical.left).toMatchObject({ kind: 'own', input: { outputs: [col(0), { kind: 'canonical' }] } });
  });

  test('shares a side whose conditions cannot fail; with one that can it is the join’s own', () => {
    const safe = less(col(1), one);
    const unsafe = less(over(one, col(1)), one);
    const side = (condition: Expression): unknown =>
      (fuse(join('inner', filter(scan('a', 0, 1), condition), scan('b', 0))) as FusedJoin).left;
    expect(side(safe)).toMatchObject({ kind: 'shared', where: [safe] });
    expect(side(unsafe)).toMatchObject({ kind: 'own', input: { kind: 'scan', where: [unsafe] } });
  });

  test('leaves conditions where they stand: ON decides about matches, WHERE is asked of padded rows, too', () => {
    const left = less(col(0), one);
    const right = less(col(1), one);
    const fused = fuse(filter(join('left', scan('a', 0), scan('b', 0), { on: [left, right] }), left, right));
    expect(fused).toMatchObject({ left: { where: [] }, right: { where: [] }, on: [left, right], where: [left, right] });
  });

  test('shares a view’s rows only with a side that no push can change at the same time', () => {
    expect(fuse(join('inner', scan('v', 0), scan('b', 0)))).toMatchObject({ left: { kind: 'shared' } });
    expect(fuse(join('inner', scan('v', 0), scan('a', 0)))).toMatchObject({ left: { kind: 'own' }, right: { kind: 'shared' } });
  });
});

test('an aggregate’s input keeps what the aggregate reads', () => {
  const input: Plan = { op: 'scan', object: 'a', pick: [0, 1, 2], columns: columns(int4, text, int4) };
  const plan: Plan = {
    op: 'aggregate',
    input,
    keys: [col(2)],
    aggregates: [{ fn: 'max', proc: 2116, arg: col(0), distinct: false, type: int4 }],
    columns: columns(int4, int4),
  };
  expect(fuse(plan)).toMatchObject({
    kind: 'stateful',
    input: { kind: 'scan', outputs: [col(0), col(2)] },
    plan: { keys: [col(1)], aggregates: [{ arg: col(0) }] },
  });
});
