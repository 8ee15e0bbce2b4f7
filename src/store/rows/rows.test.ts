import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseTuple } from '../../wire/testing/parse-tuple.ts';
import { armFailpoint } from '../failpoints.ts';
import { LogReader } from '../log/reader.ts';
import { LogWriter } from '../log/writer.ts';
import { SimulatedDisk } from '../testing/simulated-disk.ts';
import { TableReading } from '../table-reader.ts';
import { appendAltered, begin, commit, insert, relation, remove, testTable, truncate, tuple, update } from '../testing/stream.ts';
import { Fold, type FoldOptions } from './fold.ts';
import { RowStore } from './row-store.ts';

const DIRECTORY = '/log';

/** A log, a row store and a fold over them. */
class Bench {
  readonly disk = new SimulatedDisk();
  readonly writer = LogWriter.open(this.disk, DIRECTORY, { segmentBytesMax: 2000 });
  readonly reader = new LogReader(this.disk, DIRECTORY);
  readonly path = mkdtempSync(join(tmpdir(), 'millrace-rows-'));
  readonly options: FoldOptions;
  rows = new RowStore(this.path);

  constructor(options: FoldOptions = {}) {
    this.options = options;
  }

  fold(limit = this.writer.end): void {
    const fold = new Fold(this.rows, this.reader, this.options);
    for (;;) {
      const steps = fold.pass(limit);
      let step = steps.next();
      while (step.done !== true) step = steps.next();
      if (!step.value) return;
    }
  }

  /** Every row as often as it is there, as text, sorted. */
  read(oid: number, upTo = this.writer.end): string[] {
    const reading = new TableReading(this.rows.snapshot(), this.reader, oid, upTo);
    try {
      const found: string[] = [];
      for (const { bytes, count, offsets, weights } of reading.batches())
        for (let i = 0; i < count; i++) for (let n = 0; n < weights[i]!; n++) found.push(JSON.stringify(parseTuple(bytes, offsets[i]!)));
      return found.sort();
    } finally {
      reading.close();
    }
  }

  async reopen(): Promise<void> {
    await this.rows.close();
    this.rows = new RowStore(this.path);
  }

  async close(): Promise<void> {
    await this.rows.close();
    rmSync(this.path, { recursive: true });
  }
}

const orders = testTable(1, 'd', ['id', 'note', 'document'], ['id']);
const events = testTable(2, 'f', ['what', 'when'], []);

let bench: Bench;
let lsn = 100n;
beforeEach(() => {
  bench = new Bench({ chunkRowsMax: 2, blockBytesMax: 60 });
});
afterEach(() => bench.close());

function transaction(...messages: Buffer[]): number {
  lsn += 10n;
  return bench.writer.appendWal([begin(lsn), ...messages, commit(lsn)]);
}

function copied(table: typeof orders, ...rows: string[][]): void {
  bench.writer.appendTable(table);
  bench.writer.appendCopy(table.oid, rows.map(tuple));
  bench.writer.appendCopied({ oid: table.oid, snapshotLsn: '0/1', rows: rows.length });
}

/** The table must be the same read from the log, half folded, and folded. */
function expectRows(oid: number, ...rows: (string | null)[][]): void {
  const expected = rows.map((row) => JSON.stringify(row)).sort();
  expect(bench.read(oid)).toEqual(expected);
  bench.fold();
  expect(bench.read(oid)).toEqual(expected);
}

describe('a table with a key', () => {
  test('its copy, and what the stream brings', () => {
    copied(orders, ['1', 'a', 'x'], ['2', 'b', 'y'], ['3', 'c', 'z']);
    expectRows(1, ['1', 'a', 'x'], ['2', 'b', 'y'], ['3', 'c', 'z']);
    transaction(relation(orders), insert(1, ['4', 'd', 'w']), update(1, undefined, ['2', 'B', 'Y']), remove(1, ['K', ['1', null, null]]));
    expectRows(1, ['2', 'B', 'Y'], ['3', 'c', 'z'], ['4', 'd', 'w']);
  });

  test('an unchanged TOAST value is taken from the row, also when the key changes, twice', () => {
    copied(orders, ['1', 'a', 'long'], ['9', 'z', 'other']);
    transaction(update(1, undefined, ['1', 'b', undefined]));
    expectRows(1, ['1', 'b', 'long'], ['9', 'z', 'other']);
    transaction(
      update(1, undefined, ['1', 'c', undefined]),
      update(1, ['K', ['1', null, null]], ['5', 'd', undefined]),
      update(1, ['K', ['5', null, null]], ['0', 'e', undefined]),
      update(1, ['K', ['9', null, null]], ['1', 'f', undefined]),
    );
    expectRows(1, ['0', 'e', 'long'], ['1', 'f', 'other']);
  });

  test('TRUNCATE, then rows again', () => {
    copied(orders, ['1', 'a', 'x'], ['2', 'b', 'y'], ['3', 'c', 'z']);
    bench.fold();
    transaction(insert(1, ['4', 'd', 'w']), truncate(1), insert(1, ['2', 'new', 'v']));
    expectRows(1, ['2', 'new', 'v']);
  });

  test('a column comes, another goes, a third is renamed: old rows are read in the new shape', () => {
    copied(orders, ['1', 'a', 'x'], ['2', 'b', 'y']);
    bench.fold();
    const [id, , document] = orders.columns;
    const extra = { ...document!, attnum: 4, name: 'extra' };
    const altered = { ...orders, columns: [id!, { ...document!, name: 'paper' }, extra] };
    appendAltered(bench.writer, altered);
    expectRows(1, ['1', 'x', null], ['2', 'y', null]);
    transaction(relation(altered), update(1, undefined, ['1', undefined, 'e']), insert(1, ['3', 'z', 'f']));
    expectRows(1, ['1', 'x', 'e'], ['2', 'y', null], ['3', 'z', 'f']);
  });

  test('a tuple of another shape is never read: from there on the table is broken, folded or not', () => {
    copied(orders, ['1', 'a', 'x']);
    const narrower = testTable(1, 'd', ['id', 'document'], ['id']);
    const before = transaction(relation(narrower));
    // The stream's word alone makes nothing wrong: no tuple has come by it.
    expect(bench.read(1)).toEqual([JSON.stringify(['1', 'a', 'x'])]);
    transaction(update(1, undefined, ['1', 'y']));
    expect(() => bench.read(1)).toThrow(/its columns changed; they are now \(id, document\)/);
    bench.fold();
    expect(() => bench.read(1)).toThrow(/its columns changed; they are now \(id, document\)/);
    // Neither by its old shape, nor by what the catalog then says.
    appendAltered(bench.writer, narrower);
    expect(() => bench.read(1)).toThrow(/its columns changed/);
    expect(before).toBeGreaterThan(0);
    // What a snapshot has that is taken in again is not judged by what came before it.
    bench.writer.appendRemoved(1);
    copied(orders, ['2', 'b', 'z']);
    expectRows(1, ['2', 'b', 'z']);
  });

  test('what has stopped a table is thrown, before and after the fold, until it is copied anew', () => {
    copied(orders, ['1', 'a', 'x']);
    const error = { code: 'TABLE_CHANGED', sqlstate: '55000', message: 'it is another one now' };
    bench.writer.appendStopped({ oid: 1, error });
    transaction(relation(orders), insert(1, ['2', 'b', 'y']));
    expect(() => bench.read(1)).toThrow('it is another one now');
    bench.fold();
    expect(() => bench.read(1)).toThrow('it is another one now');
    bench.writer.appendRemoved(1);
    copied(orders, ['3', 'c', 'z']);
    expectRows(1, ['3', 'c', 'z']);
  });

  test('changes that came during the copy count from its snapshot on', () => {
    bench.writer.appendTable(orders);
    const before = transaction(relation(orders), insert(1, ['1', 'a', 'x']));
    const snapshotLsn = lsn + 5n;
    transaction(update(1, undefined, ['1', 'b', undefined]), insert(1, ['2', 'c', 'y']));
    bench.fold();
    expect(() => bench.read(1)).toThrow(/cannot be read yet: it is copying/);
    bench.writer.appendCopy(1, [tuple(['1', 'a', 'x'])]);
    bench.writer.appendCopied({ oid: 1, snapshotLsn: `0/${snapshotLsn.toString(16)}`, rows: 1 });
    expect(new Fold(bench.rows, bench.reader).neededFrom).toBeLessThan(before);
    bench.fold();
    expectRows(1, ['1', 'b', 'x'], ['2', 'c', 'y']);
    expect(new Fold(bench.rows, bench.reader).neededFrom).toBe(bench.writer.end);
  });

  test('a row that is changed but not there stops this table alone', () => {
    copied(orders, ['1', 'a', 'x']);
    copied(events, ['made', 'now']);
    transaction(remove(1, ['K', ['7', null, null]]));
    expect(() => bench.read(1)).toThrow(/contradict the stream: a row was/);
    bench.fold();
    expect(() => bench.read(1)).toThrow(/the stored rows of table public.t1 contradict the stream/);
    expectRows(2, ['made', 'now']);
    // Its next copy mends it.
    bench.writer.appendRemoved(1);
    copied(orders, ['1', 'a', 'x']);
    expectRows(1, ['1', 'a', 'x']);
  });
});

describe('a table without a key', () => {
  test('counts equal rows', () => {
    copied(events, ['made', 'now'], ['made', 'now'], ['sold', 'then']);
    transaction(relation(events), insert(2, ['made', 'now']), remove(2, ['O', ['sold', 'then']]));
    expectRows(2, ['made', 'now'], ['made', 'now'], ['made', 'now']);
    transaction(update(2, ['O', ['made', 'now']], ['lost', undefined]));
    expectRows(2, ['lost', 'now'], ['made', 'now'], ['made', 'now']);
  });
});

describe('a fold that is interrupted', () => {
  test.each([1, 2, 3, 4, 5, 6])('at commit %i is finished first, and nothing counts twice', async (nth) => {
    copied(events, ['a', '1'], ['b', '1'], ['c', '1']);
    copied(orders, ['1', 'a', 'long'], ['2', 'b', 'longer'], ['3', 'c', 'longest']);
    bench.fold();
    transaction(insert(2, ['a', '1']), insert(2, ['b', '1']), insert(2, ['b', '1']), insert(2, ['d', '1']), insert(2, ['e', '1']));
    transaction(update(1, ['K', ['3', null, null]], ['0', 'c', undefined]), update(1, ['K', ['1', null, null]], ['5', 'A', undefined]));
    const disarm = armFailpoint('fold-commit', nth, () => {
      throw new Error('killed');
    });
    try {
      bench.fold();
    } catch (error) {
      expect(String(error)).toMatch(/killed/);
    }
    disarm();
    await bench.reopen();
    bench.fold();
    expectRows(2, ['a', '1'], ['a', '1'], ['b', '1'], ['b', '1'], ['b', '1'], ['c', '1'], ['d', '1'], ['e', '1']);
    expectRows(1, ['0', 'c', 'longest'], ['5', 'A', 'long'], ['2', 'b', 'longer']);
  });
});
