import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MillraceError } from '../../base/errors.ts';
import { Arrangement } from '../../dataflow/arrangement/arrangement.ts';
import { blockOf, int4, text, type Row } from '../../dataflow/testing/rows.ts';
import { rowLayout } from '../../values/layout.ts';
import { rowsIn } from '../../wire/data-row.ts';
import { OpenResults } from './open-results.ts';
import type { Finish } from '../contract/protocol.ts';
import { ResultRows } from './result-rows.ts';
import { realTime } from '../ticks/time.ts';
import { Piece, Turns } from '../ticks/turns.ts';
import { ViewCursor } from './view-cursor.ts';

const layout = rowLayout([int4, text]);
const WHOLE: Finish = { order: [], limit: null, offset: 0, project: [0, 1] };
const BY_NUMBER = [{ column: 0, descending: true, nullsFirst: false }];
const long = 'a long text that lies in the heap, ';

function rowsOf(weights: ReadonlyMap<number, number>): Arrangement {
  const arrangement = Arrangement.counted(layout);
  arrangement.apply(
    blockOf(
      layout,
      [...weights].map(([number, weight]) => [[String(number), long + number], weight]),
    ),
  );
  return arrangement;
}

function result(arrangement: Arrangement, finish: Finish): ResultRows {
  return new ResultRows(new ViewCursor('v', arrangement, 0), layout, finish, { kind: 'dataRow', formats: [] });
}

/** All of it, in the batches in which it comes. */
function read(rows: ResultRows): Row[] {
  const shown: Row[] = [];
  while (!rows.isDone) {
    rows.run(new Piece(realTime));
    for (const { bytes } of rows.take())
      for (const fields of rowsIn(bytes)) shown.push(fields.map((field) => field?.toString('utf8') ?? null));
  }
  return shown;
}

const weights = fc.uniqueArray(fc.tuple(fc.nat(20_000), fc.integer({ min: 1, max: 3 })), {
  selector: ([number]) => number,
  maxLength: 400,
});

test('rows come in order, behind the offset, up to the limit, each as often as it is there', () => {
  fc.assert(
    fc.property(weights, fc.option(fc.nat(300)), fc.nat(50), fc.boolean(), (list, limit, offset, ordered) => {
      const shown = read(result(rowsOf(new Map(list)), { ...WHOLE, limit, offset, order: ordered ? BY_NUMBER : [] })).map(([number]) =>
        Number(number),
      );
      const all = list.flatMap(([number, weight]) => Array.from<number>({ length: weight }).fill(number));
      if (ordered) expect(shown).toEqual(all.sort((a, b) => b - a).slice(offset, offset + (limit ?? Infinity)));
      else {
        expect(shown).toHaveLength(Math.min(limit ?? Infinity, Math.max(0, all.length - offset)));
        const left = new Map(list);
        for (const number of shown) left.set(number, left.get(number)! - 1);
        expect([...left.values()].every((weight) => weight >= 0)).toBe(true);
      }
    }),
    { numRuns: 150 },
  );
});

test('more rows than a run holds are sorted, whole and cut', () => {
  const numbers = Array.from({ length: 20_000 }, (_, i) => (i * 7_919) % 20_000);
  const arrangement = rowsOf(new Map(numbers.map((number) => [number, 1])));
  const sorted = numbers.toSorted((a, b) => b - a);
  for (const [limit, offset] of [
    [null, 0],
    [10, 0],
    [10, 500],
    [1_000, 24],
    [3_000, 2_000],
    [0, 0],
  ] as const) {
    const shown = read(result(arrangement, { ...WHOLE, order: BY_NUMBER, limit, offset }));
    expect(shown.map(([number]) => Number(number))).toEqual(sorted.slice(offset, offset + (limit ?? Infinity)));
  }
});

test('a row that occurs a thousand million times takes no more than a piece at once, and may be left', () => {
  const rows = result(rowsOf(new Map([[1, 1_000_000_000]])), WHOLE);
  for (let i = 0; i < 5; i++) {
    const startedMs = performance.now();
    rows.run(new Piece(realTime));
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    expect(rows.take().reduce((sum, batch) => sum + batch.bytes.length, 0)).toBeLessThan(1 << 20);
  }
  expect(rows.isDone).toBe(false);
  expect(read(result(rowsOf(new Map([[1, 1_000]])), { ...WHOLE, offset: 100, limit: 700 }))).toHaveLength(700);
});

test('a result that fails ends alone, and gives back what it holds', async () => {
  const results = new OpenResults(new Turns(realTime));
  const released: string[] = [];
  let reads = 0;
  const failing = new ResultRows(
    {
      read: () => {
        if (++reads === 2) throw new Error('planted');
        return false;
      },
    },
    layout,
    WHOLE,
    { kind: 'dataRow', formats: [] },
  );
  const whole = result(
    rowsOf(
      new Map([
        [1, 2],
        [2, 1],
      ]),
    ),
    WHOLE,
  );
  const failure = results.begin(1, { rows: failing, release: () => released.push('failing') }, () => {}).catch((error: unknown) => error);
  const { batches, isDone } = await results.begin(2, { rows: whole, release: () => released.push('whole') }, () => {});
  expect(batches.reduce((sum, batch) => sum + batch.rows, 0)).toBe(3);
  expect(isDone).toBe(true);
  expect(await failure).toMatchObject({ message: 'planted' });
  expect(released.sort()).toEqual(['failing', 'whole']);
  expect(results.size).toBe(0);
});

test('a result that is closed between two answers is gone', async () => {
  const results = new OpenResults(new Turns(realTime));
  const rows = result(rowsOf(new Map([[1, 1_000_000]])), WHOLE);
  let released = 0;
  const first = await results.begin(1, { rows, release: () => released++ }, () => {});
  expect(first.isDone).toBe(false);
  results.close(1);
  expect(released).toBe(1);
  await expect(results.next(1, () => {})).rejects.toThrow(MillraceError);
});
