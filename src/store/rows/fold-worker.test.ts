import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseTuple } from '../../wire/testing/parse-tuple.ts';
import { realDisk } from '../disk.ts';
import { LogBounds } from '../log/bounds.ts';
import { LogReader } from '../log/reader.ts';
import { listSegments } from '../log/segment.ts';
import { LogWriter } from '../log/writer.ts';
import { TableReading } from '../table-reader.ts';
import { begin, commit, insert, testTable, tuple } from '../testing/stream.ts';
import { FoldClient } from './fold-client.ts';
import { RowStore } from './row-store.ts';

const events = testTable(2, 'f', ['what', 'serial'], []);
let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'millrace-fold-'));
});
afterEach(() => rmSync(home, { recursive: true }));

function start(idleMs = 60_000): { bounds: LogBounds; rows: RowStore; writer: LogWriter; reader: LogReader; fold: FoldClient } {
  const bounds = new LogBounds();
  const [logDirectory, rowsDirectory] = [join(home, 'log'), join(home, 'rows')];
  const rows = new RowStore(rowsDirectory);
  const writer = LogWriter.open(realDisk, logDirectory, { bounds, segmentBytesMax: 4000, atLeast: rows.logAtLeast });
  const fold = new FoldClient({ rowsDirectory, logDirectory, bounds, idleMs, chunkRowsMax: 10, passBytesMax: 3000 });
  return { bounds, rows, writer, reader: new LogReader(realDisk, logDirectory), fold };
}

async function readTable({ fold, rows, reader }: ReturnType<typeof start>, oid: number, upTo: number): Promise<TableReading> {
  await fold.foldTo(upTo);
  await fold.hold();
  const snapshot = rows.snapshot();
  fold.release();
  try {
    return new TableReading(snapshot, reader, oid, upTo);
  } catch (error) {
    snapshot.close();
    throw error;
  }
}

async function count(all: ReturnType<typeof start>, upTo: number): Promise<number> {
  const reading = await readTable(all, 2, upTo);
  let total = 0;
  for (const batch of reading.batches()) for (let i = 0; i < batch.count; i++) total += batch.weights[i]!;
  reading.close();
  return total;
}

test('folds up to the pin, deletes what nobody needs, and reads as of the pin', async () => {
  const all = start();
  const { writer, fold, rows, bounds } = all;
  writer.appendTable(events);
  writer.appendCopy(2, [tuple(['copied', '0'])]);
  writer.appendCopied({ oid: 2, snapshotLsn: '0/1', rows: 1 });
  const offsets: number[] = [];
  for (let i = 1n; i <= 300n; i++) offsets.push(writer.appendWal([begin(i + 10n), insert(2, ['made', String(i)]), commit(i + 10n)]));
  writer.sync();
  bounds.pin('engine', offsets[99]!);
  expect(await count(all, offsets[99]!)).toBe(101);
  expect((await fold.status()).foldedTo).toBe(offsets[99]);
  // Ahead of the rows: the log is laid over them.
  expect(await count(all, offsets[149]!)).toBe(151);
  bounds.pin('engine', writer.end);
  await fold.foldTo(writer.end);
  expect(await count(all, writer.end)).toBe(301);
  expect(bounds.foldedOffset).toBe(writer.end);
  expect(listSegments(realDisk, join(home, 'log')).length).toBeLessThanOrEqual(2);
  await expect(readTable(all, 7, writer.end)).rejects.toThrow(/with OID 7 cannot be read yet/);
  await fold.close();
  expect(await fold.ended).toBeUndefined();
  await rows.close();
});

test('nothing is folded while it is held', async () => {
  const all = start(1);
  const { writer, fold, rows, bounds } = all;
  await fold.hold();
  writer.appendTable(events);
  writer.sync();
  const folding = fold.foldTo(writer.end);
  await fold.hold();
  expect((await fold.status()).foldedTo).toBe(0);
  fold.release();
  expect((await fold.status()).foldedTo).toBe(0);
  fold.release();
  await folding;
  expect(bounds.foldedOffset).toBe(writer.end);
  await fold.close();
  await rows.close();
});

test('what is little is folded when idle', async () => {
  const { writer, fold, rows, bounds } = start(50);
  writer.appendTable(events);
  writer.sync();
  const deadline = performance.now() + 5_000;
  while (bounds.foldedOffset < writer.end && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(bounds.foldedOffset).toBe(writer.end);
  await fold.close();
  await rows.close();
});

test.each(['fold-commit:1', 'fold-commit:7', 'segment-deletion:2', 'sync:3', 'append:200'])(
  'killed at %s, it is exact after the restart',
  async (failpoint) => {
    const here = (path: string): string => JSON.stringify(join(import.meta.dirname, path));
    // Every insert of a hundred is taken out again but the last, over and over, so that a row counted twice shows.
    const script = `
    import { LogBounds } from ${here('../log/bounds.ts')}; import { LogWriter } from ${here('../log/writer.ts')}; import { realDisk } from ${here('../disk.ts')};
    import { FoldClient } from ${here('fold-client.ts')}; import { begin, commit, insert, remove, testTable } from ${here('../testing/stream.ts')};
    const home = ${JSON.stringify(home)}; const bounds = new LogBounds();
    const writer = LogWriter.open(realDisk, home + '/log', { bounds, segmentBytesMax: 4000 });
    const fold = new FoldClient({ rowsDirectory: home + '/rows', logDirectory: home + '/log', bounds, chunkRowsMax: 10, passBytesMax: 3000 });
    writer.appendTable(testTable(2, 'f', ['what', 'serial'], []));
    writer.appendCopied({ oid: 2, snapshotLsn: '0/1', rows: 0 });
    for (let i = 1; i <= 300; i++) {
      const lsn = BigInt(i) + 10n;
      writer.appendWal([begin(lsn), insert(2, ['made', String(i % 100)]), ...(i > 100 ? [remove(2, ['O', ['made', String(i % 100)]])] : []), commit(lsn)]);
      if (i % 20 === 0) { writer.sync(); await fold.foldTo(writer.end); }
    }
    await fold.foldTo(writer.end); await new Promise((resolve) => setTimeout(resolve, 10_000));`;
    const program = join(home, 'program.mjs');
    writeFileSync(program, script);
    const child = spawn(process.execPath, [program], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, MILLRACE_FAILPOINT: failpoint },
    });
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
    expect(signal).toBe('SIGKILL');
    const all = start();
    const { writer, rows, fold } = all;
    const commits = Number(writer.inForce.lastCommitLsn) - 10;
    expect(commits).toBeGreaterThan(0);
    const reading = await readTable(all, 2, writer.end);
    const found = new Map<string, number>();
    for (const { bytes, offsets, count, weights } of reading.batches())
      for (let i = 0; i < count; i++) found.set(String(parseTuple(bytes, offsets[i]!)[1]), weights[i]!);
    reading.close();
    const expected = new Map<string, number>();
    for (let i = 1; i <= Math.min(commits, 100); i++) expected.set(String(i % 100), 1);
    expect(found).toEqual(expected);
    await fold.close();
    await rows.close();
  },
);
