import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rowLayout } from '../../values/layout.ts';
import { compileFormat } from '../expression/rows.ts';
import { DataflowFault } from '../fault.ts';
import { add, bagOf, bagOfBlock, blockOf, int4, numeric, sorted, text, type Bag, type Row } from '../testing/rows.ts';
import { Arrangement } from './arrangement.ts';
import { consolidator } from './consolidate.ts';
import { Probe } from './probe.ts';

const pair = rowLayout([int4, text]);
const long = 'a long text that lies in the heap';

describe('a counted arrangement', () => {
  test('sums weights of identical rows and forgets a row at zero', () => {
    const rows = Arrangement.counted(pair);
    rows.apply(
      blockOf(pair, [
        [['1', 'a'], 1],
        [['2', long], 2],
      ]),
    );
    rows.apply(
      blockOf(pair, [
        [['1', 'a'], 1],
        [['2', long], -1],
      ]),
    );
    expect(sorted(bagOf(rows))).toEqual([
      ['["1","a"]', 2],
      [`["2","${long}"]`, 1],
    ]);
    expect([...rows.before.subarray(0, 2)]).toEqual([1, 2]);
    rows.apply(
      blockOf(pair, [
        [['1', 'a'], -2],
        [['2', long], -1],
      ]),
    );
    expect(rows.count).toBe(0);
    expect(rows.memory.longValues.usedBytes).toBe(0);
  });

  test('refuses to take out what is not there', () => {
    const rows = Arrangement.counted(pair);
    expect(() => rows.apply(blockOf(pair, [[['1', 'a'], -1]]))).toThrow(DataflowFault);
    rows.apply(blockOf(pair, [[['1', 'a'], 1]]));
    expect(() => rows.apply(blockOf(pair, [[['1', 'a'], -2]]))).toThrow(/1 times/);
  });
});

describe('a keyed arrangement', () => {
  test('replaces a row under its key, whichever way round the delta says so', () => {
    const rows = Arrangement.keyed(pair, [0]);
    rows.apply(blockOf(pair, [[['1', 'old'], 1]]));
    rows.apply(
      blockOf(pair, [
        [['1', 'new'], 1],
        [['1', 'old'], -1],
      ]),
    );
    expect(sorted(bagOf(rows))).toEqual([['["1","new"]', 1]]);
  });

  test('replaces a row that the caller has found in its place: same id, and new chains only where their columns changed', () => {
    const rows = Arrangement.keyed(pair, [0]);
    const index = rows.addIndex([1]);
    rows.apply(
      blockOf(pair, [
        [['1', 'a'], 1],
        [['2', 'a'], 1],
      ]),
    );
    const [one, two] = [...rows.ids];
    rows.applyKnown(
      blockOf(pair, [
        [['1', 'a'], -1],
        [['1', long], 1],
        [['2', 'a'], -1],
        [['3', 'a'], 1],
      ]),
      Int32Array.of(one!, one!, two!, 0),
    );
    expect(rows.ids[1]).toBe(one);
    expect(sorted(bagOf(rows))).toEqual([
      [`["1","${long}"]`, 1],
      ['["3","a"]', 1],
    ]);
    expect(
      pairs(
        rows,
        index,
        [
          [['9', long], 1],
          [['9', 'a'], 1],
        ],
        [1],
      ),
    ).toHaveLength(2);
    rows.applyKnown(
      blockOf(pair, [
        [['1', long], -1],
        [['1', 'b'], 1],
      ]),
      Int32Array.of(one!, one!),
    );
    expect(rows.memory.longValues.usedBytes).toBe(0);
    expect(index.table.count).toBe(2);
  });

  test('refuses a second row under one key, and another row than the one it holds', () => {
    const rows = Arrangement.keyed(pair, [0]);
    rows.apply(blockOf(pair, [[['1', 'a'], 1]]));
    expect(() => rows.apply(blockOf(pair, [[['1', 'b'], 1]]))).toThrow(/second row/);
    const others = Arrangement.keyed(pair, [0]);
    others.apply(blockOf(pair, [[['1', 'a'], 1]]));
    expect(() => others.apply(blockOf(pair, [[['1', 'b'], -1]]))).toThrow(/another row/);
  });
});

test('consolidation leaves one entry a distinct row', () => {
  const block = blockOf(pair, [
    [['1', 'a'], 1],
    [['2', long], -1],
    [['1', 'a'], 2],
    [['2', long], 1],
    [['3', null], 1],
  ]);
  consolidator(pair)(block);
  expect(block.length).toBe(2);
  expect(sorted(bagOfBlock(block))).toEqual([
    ['["1","a"]', 3],
    ['["3",null]', 1],
  ]);
});

test('a probe pairs equal keys; NULL matches nothing', () => {
  const rows = Arrangement.counted(pair);
  const index = rows.addIndex([0]);
  rows.apply(
    blockOf(pair, [
      [['1', 'a'], 1],
      [['1', 'b'], 2],
      [['2', 'c'], 1],
      [[null, 'd'], 1],
    ]),
  );
  expect(
    pairs(rows, index, [
      [['1', 'x'], 1],
      [['3', 'y'], 1],
      [[null, 'z'], 1],
      [['2', 'w'], -1],
    ]),
  ).toEqual(
    sorted(
      new Map([
        ['["1","x","1","a"]', 1],
        ['["1","x","1","b"]', 2],
        ['["2","w","2","c"]', -1],
      ]),
    ),
  );
});

function pairs(
  rows: Arrangement,
  index: ReturnType<Arrangement['addIndex']>,
  delta: [Row, number][],
  key: number[] = [0],
): [string, number][] {
  const block = blockOf(pair, delta);
  const probe = new Probe(rows, index, pair, key);
  const found: Bag = new Map();
  const one = (space: typeof block | typeof rows.memory, row: number): Row => {
    const copy = blockOf(pair, []);
    const to = copy.push(1);
    copy.words.set(space.words.subarray(row, row + pair.words), to);
    copy.heap = space.heap;
    return JSON.parse([...bagOfBlock(copy).keys()][0]!) as Row;
  };
  probe.run(block, null, (n) => {
    for (let i = 0; i < n; i++) {
      add(found, [...one(block, probe.deltaRows[i]!), ...one(rows.memory, probe.rows[i]!)], probe.weights[i]!);
    }
  });
  return sorted(found);
}

const wide = rowLayout([int4, text, numeric, text]);
const value = fc.constantFrom(null, 'a', 'b', 'quite a long text, in the heap', 'another one that is long as well, and longer still');
const anyRow = fc.tuple(
  fc.constantFrom(null, '1', '2', '3'),
  value,
  fc.constantFrom(null, '1.0', '1.00', '123456789012345678901234567890.12'),
  value,
);

test('an arrangement with indexes equals a bag after any deltas, its chains hold just the rows of their key, and all memory comes back', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.tuple(anyRow, fc.integer({ min: -2, max: 3 })), { maxLength: 60 }), { maxLength: 12 }),
      fc.nat({ max: 11 }),
      (deltas, indexAt) => {
        const rows = Arrangement.counted(wide);
        const consolidate = consolidator(wide);
        const expected: Bag = new Map();
        let index = rows.addIndex([1]);
        deltas.forEach((delta, step) => {
          if (step === indexAt) rows.removeIndex(index);
          if (step === indexAt) index = rows.addIndex([0, 3]);
          const legal = delta.map(([row, weight]): [Row, number] => {
            const have = expected.get(JSON.stringify(row)) ?? 0;
            const legalWeight = Math.max(weight, -have);
            add(expected, row, legalWeight);
            return [row, legalWeight];
          });
          const block = blockOf(wide, legal);
          consolidate(block);
          rows.apply(block);
          expect(sorted(bagOf(rows))).toEqual(sorted(expected));
          expect(new Set(chained(rows, index))).toEqual(new Set(allIds(rows)));
        });
        const rest = blockOf(
          wide,
          [...expected].map(([row, weight]): [Row, number] => [JSON.parse(row) as Row, -weight]),
        );
        rows.apply(rest);
        expect(rows.count).toBe(0);
        expect(rows.memory.longValues.usedBytes).toBe(0);
        expect(index.table.count).toBe(0);
        const bytes = rows.memory.bytes();
        const some = [...expected].map(([row, weight]): [Row, number] => [JSON.parse(row) as Row, weight]);
        rows.apply(blockOf(wide, some));
        expect(rows.memory.bytes()).toBe(bytes);
      },
    ),
    { numRuns: 60 },
  );
});

test('the key is an index already, without chains: whoever joins by it takes that', () => {
  const rows = Arrangement.keyed(pair, [0]);
  rows.reserveIndexes([[0], [1], [1]]);
  expect(rows.memory.headerWords).toBe(4);
  const byKey = rows.addIndex([0]);
  const byText = rows.addIndex([1]);
  expect([byKey, byKey.unique, byText.unique]).toEqual([rows.identity, true, false]);
  rows.apply(
    blockOf(pair, [
      [['1', 'a'], 1],
      [['2', 'a'], 1],
    ]),
  );
  const wanted: [Row, number][] = [
    [['2', 'x'], 1],
    [['3', 'x'], 1],
  ];
  expect(pairs(rows, byKey, wanted, [0])).toHaveLength(1);
  rows.removeIndex(byKey);
  expect(pairs(rows, byText, [[['9', 'a'], 1]], [1])).toHaveLength(2);
  expect(rows.find(blockOf(pair, [[['2', 'a'], 1]]), 0)).not.toBe(0);
});

test('a keyed arrangement is the map of what came last, in deltas of any size and order', () => {
  const layout = rowLayout([int4, text]);
  const upsert = fc.tuple(fc.integer({ min: 0, max: 400 }), fc.constantFrom(null, 'a', 'b', long));
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.array(upsert, { maxLength: 500 }), fc.boolean()), { maxLength: 6 }), (steps) => {
      const rows = Arrangement.keyed(layout, [0]);
      const index = rows.addIndex([1]);
      const current = new Map<number, string>();
      for (const [changes, apart] of steps) {
        const going: [Row, number][] = [];
        const coming: [Row, number][] = [];
        const together: [Row, number][] = [];
        for (const [key, value] of new Map(changes)) {
          const was = current.get(key);
          const old: [Row, number][] = was === undefined ? [] : [[[String(key), was], -1]];
          const now: [Row, number][] = value === null || was === value ? [] : [[[String(key), value], 1]];
          if (was === value) continue;
          going.push(...old);
          coming.push(...now);
          together.push(...old, ...now);
          if (value === null) current.delete(key);
          else current.set(key, value);
        }
        rows.apply(blockOf(layout, apart ? [...coming, ...going] : together));
        expect(sorted(bagOf(rows))).toEqual(sorted(new Map([...current].map(([key, value]) => [JSON.stringify([String(key), value]), 1]))));
        expect(chained(rows, index)).toEqual(allIds(rows));
        expect(rows.memory.longValues.usedBytes > 0).toBe([...current.values()].includes(long));
      }
    }),
    { numRuns: 40 },
  );
});

test('an index made a piece at a time, while rows come, go and are replaced, holds just the rows below its limit', () => {
  const put = fc.tuple(fc.nat({ max: 9 }), fc.constantFrom('a', 'b', long, null));
  fc.assert(
    fc.property(
      fc.array(fc.record({ puts: fc.array(put, { maxLength: 8 }), places: fc.constantFrom(1, 1, 2, 3) }), { minLength: 1, maxLength: 20 }),
      fc.nat({ max: 5 }),
      fc.integer({ min: 5, max: 25 }),
      fc.boolean(),
      (steps, beginAt, wholeAt, beside) => {
        const rows = Arrangement.keyed(pair, [0]);
        const held = new Map<number, string>();
        let index: ReturnType<Arrangement['addIndex']> | undefined;
        for (const [number, { puts, places }] of steps.entries()) {
          const delta: [Row, number][] = [];
          const known: number[] = [];
          for (const [key, value] of new Map(puts)) {
            const old = held.get(key);
            const id = old === undefined ? 0 : rows.find(blockOf(pair, [[[String(key), old], 1]]), 0);
            if (old === value) continue;
            if (old !== undefined) delta.push([[String(key), old], -1]);
            if (value !== null) delta.push([[String(key), value], 1]);
            while (known.length < delta.length) known.push(id);
            if (value === null) held.delete(key);
            else held.set(key, value);
          }
          rows.applyKnown(blockOf(pair, delta), Int32Array.from(known));
          if (number === beginAt) index = rows.beginIndex([1], beside ? 0 : Infinity);
          if (index === undefined) continue;
          expectChains(rows, index);
          if (number === wholeAt) rows.removeIndex(rows.addIndex([1]));
          expect(index.limit === Infinity || number < wholeAt).toBe(true);
          if (index.limit !== Infinity) rows.extendIndex(index, places);
          expectChains(rows, index);
        }
      },
    ),
    { numRuns: Number(process.env['RUNS'] ?? 200) },
  );
});

/** Each entry of the table heads the chain of the rows with its key, and of no others. */
function expectChains(rows: Arrangement, index: ReturnType<Arrangement['addIndex']>): void {
  const { memory } = rows;
  const format = compileFormat(rows.layout);
  const key = (id: number): string | null => format(memory, memory.address(id))[index.columns[0]!]!;
  const expected = new Map<string | null, number[]>();
  for (const id of allIds(rows)) if (id < index.limit) expected.set(key(id), [...(expected.get(key(id)) ?? []), id]);
  const chains = new Map<string | null, number[]>();
  for (const [value, [first]] of expected) {
    const hash = index.hash(memory, memory.address(first!));
    for (let head = index.table.find(hash); head !== 0; head = index.table.findNext()) {
      const ids: number[] = [];
      for (let id = head; id !== 0 && ids.length <= rows.count; id = index.next(memory, id)) ids.push(id);
      if (key(head) === value)
        chains.set(
          value,
          ids.sort((a, b) => a - b),
        );
    }
  }
  expect(chains).toEqual(expected);
  expect(index.table.count).toBe(expected.size);
}

function allIds(rows: Arrangement): number[] {
  const ids: number[] = [];
  rows.forEach((id) => ids.push(id));
  return ids;
}

/** Every row, by following its links to the head of the chain and asking the table for that head. */
function chained(rows: Arrangement, index: ReturnType<Arrangement['addIndex']>): number[] {
  const { memory } = rows;
  return allIds(rows).filter((id) => {
    let head = id;
    for (;;) {
      const previous = memory.words[memory.header(head) + index.link + 1]!;
      if (previous === 0) break;
      expect(index.next(memory, previous)).toBe(head);
      head = previous;
    }
    const hash = index.hash(memory, memory.address(id));
    for (let found = index.table.find(hash); found !== 0; found = index.table.findNext()) if (found === head) return true;
    return false;
  });
}

test('a large arrangement splits its table, grows its memory and shrinks again', () => {
  const layout = rowLayout([int4, int4]);
  const rows = Arrangement.keyed(layout, [0]);
  const index = rows.addIndex([1]);
  const n = 60_000;
  const delta = (weight: number): Parameters<typeof blockOf>[1] =>
    Array.from({ length: n }, (_, i) => [[String(i), String(i % 1000)], weight] as const);
  rows.apply(blockOf(layout, delta(1)));
  expect(rows.count).toBe(n);
  expect(index.table.count).toBe(1000);
  const probe = new Probe(rows, index, layout, [1]);
  let found = 0;
  probe.run(
    blockOf(layout, [
      [['0', '7'], 1],
      [['0', '999'], 1],
      [['0', '1000'], 1],
    ]),
    null,
    (pairCount) => (found += pairCount),
  );
  expect(found).toBe(120);
  const full = rows.bytes();
  rows.apply(blockOf(layout, delta(-1)));
  expect(rows.count).toBe(0);
  rows.apply(blockOf(layout, delta(1)));
  expect(rows.bytes()).toBeLessThanOrEqual(full * 1.01);
  expect(full / n).toBeLessThan(60);
});
