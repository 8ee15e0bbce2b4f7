import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SimulatedDisk } from '../testing/simulated-disk.ts';
import { begin, commit, frame } from '../testing/stream.ts';
import { LogBounds } from './bounds.ts';
import { LogReader } from './reader.ts';
import { recordKind } from './record.ts';
import { deleteSegments } from './retention.ts';
import { segmentPath, listSegments } from './segment.ts';
import { cutAt, walk, type Cut, type LogVisitor } from './transactions.ts';
import { LogWriter } from './writer.ts';

const DIRECTORY = '/log';

function payload(text: string): Buffer {
  return frame(Buffer.from(`M${text}`));
}

function relation(oid: number): Buffer {
  const message = Buffer.alloc(20);
  message.write('R');
  message.writeUInt32BE(oid, 1);
  return frame(message);
}

/** What a walk sees, as text. */
function recorder(seen: string[]): LogVisitor {
  return {
    begin: (lsn) => seen.push(`begin ${lsn}`),
    message: (_kind, bytes, at, end) => seen.push(bytes.toString('utf8', at + 1, end)),
    commit: (lsn) => seen.push(`commit ${lsn}`),
    removed: (oid) => seen.push(`removed ${oid}`),
    progress: (lsn) => seen.push(`progress ${lsn}`),
  };
}

function walked(disk: SimulatedDisk, from: number | Cut, to: number | Cut): { seen: string[]; cut: Cut } {
  const seen: string[] = [];
  const reader = new LogReader(disk, DIRECTORY);
  const cut = walk(reader, from, to, recorder(seen));
  reader.close();
  return { seen, cut };
}

describe('the log', () => {
  test('what is appended is read back, in order', () => {
    const disk = new SimulatedDisk();
    const writer = LogWriter.open(disk, DIRECTORY);
    writer.appendWal([begin(10n), payload('a'), payload('b'), commit(10n)]);
    writer.appendProgress(11n);
    const end = writer.appendWal([begin(20n), payload('c'), commit(20n)]);
    expect(walked(disk, 0, end)).toEqual({
      seen: ['begin 10', 'a', 'b', 'commit 11', 'progress 11', 'begin 20', 'c', 'commit 21'],
      cut: cutAt(end),
    });
  });

  test('a walk to a place inside a record sees what ends there, though it began in the record before', () => {
    const disk = new SimulatedDisk();
    const writer = LogWriter.open(disk, DIRECTORY);
    writer.appendWal([begin(10n), payload('a')]);
    const end = writer.appendWal([payload('b'), commit(10n), begin(20n), payload('c')]);
    const { seen, cut } = walked(disk, 0, end);
    expect(seen).toEqual(['begin 10', 'a', 'b', 'commit 11']);
    expect(cut.skip).toBeGreaterThan(0);
    expect(walked(disk, 0, cut)).toEqual({ seen, cut });
  });

  test('a transaction may span records and segments', () => {
    const disk = new SimulatedDisk();
    const writer = LogWriter.open(disk, DIRECTORY, { segmentBytesMax: 600 });
    const start = writer.appendWal([begin(10n)]);
    for (let i = 0; i < 20; i++) writer.appendWal([payload(`row ${i}`)]);
    const end = writer.appendWal([commit(10n)]);
    expect(listSegments(disk, DIRECTORY).length).toBeGreaterThan(2);
    expect(walked(disk, 0, end).seen).toEqual(['begin 10', ...Array.from({ length: 20 }, (_, i) => `row ${i}`), 'commit 11']);
    // Before its Commit is in sight, nothing of it is seen; the walk stops in front of it.
    expect(walked(disk, 0, start).seen).toEqual([]);
    const early = walked(disk, 0, writer.appendWal([begin(20n), payload('x')]));
    expect(early.seen.at(-1)).toBe('commit 11');
    expect(walked(disk, early.cut, writer.appendWal([commit(20n)])).seen).toEqual(['begin 20', 'x', 'commit 21']);
  });

  test('a transaction cut short by a lost connection is void', () => {
    const disk = new SimulatedDisk();
    const writer = LogWriter.open(disk, DIRECTORY);
    writer.appendWal([begin(10n), payload('lost')]);
    writer.appendRemoved(7);
    const end = writer.appendWal([begin(10n), payload('whole'), commit(10n)]);
    expect(walked(disk, 0, end).seen).toEqual(['removed 7', 'begin 10', 'whole', 'commit 11']);
    // Until it is known to be void, nothing behind it is seen; a restart knows.
    const open = writer.appendWal([begin(20n), payload('lost again')]);
    expect(walked(disk, end, writer.appendRemoved(8))).toEqual({ seen: [], cut: { offset: end, skip: 0 } });
    const again = LogWriter.open(disk, DIRECTORY);
    expect(again.end).toBeGreaterThan(open);
    expect(walked(disk, end, again.end).seen).toEqual(['removed 8']);
  });

  test('a segment says what is in force where it begins', () => {
    const disk = new SimulatedDisk();
    const writer = LogWriter.open(disk, DIRECTORY, { segmentBytesMax: 300 });
    writer.moveTo({ systemId: 's', timeline: 3, slotName: 'millrace_1', lsn: 0n, ordinal: 0 });
    writer.appendWal([begin(10n), relation(1), relation(2), commit(10n)]);
    writer.appendProgress(12n);
    for (let i = 0; i < 9; i++) writer.appendWal([begin(20n + BigInt(i)), payload('padding'), commit(20n + BigInt(i))]);
    writer.sync();
    const again = LogWriter.open(disk, DIRECTORY);
    expect(again.end).toBe(writer.end);
    expect(again.inForce.position).toMatchObject({ systemId: 's', timeline: 3, slotName: 'millrace_1', lsn: 29n });
    expect(again.inForce.progressLsn).toBe(12n);
    expect(again.inForce.lastCommitLsn).toBe(28n);
    expect([...again.inForce.relations.keys()]).toEqual([1, 2]);
  });

  test('damage to what was synced is refused, not cut off', () => {
    const disk = new SimulatedDisk();
    const writer = LogWriter.open(disk, DIRECTORY);
    const first = writer.appendWal([begin(10n), payload('precious'), commit(10n)]);
    writer.sync();
    writer.appendWal([begin(20n), commit(20n)]);
    writer.sync();
    disk.damage(segmentPath(DIRECTORY, 0), first - 20);
    expect(() => LogWriter.open(disk, DIRECTORY)).toThrow(/damaged.*written after it had been synced/);
    const reader = new LogReader(disk, DIRECTORY);
    expect(() => walk(reader, 0, writer.end, {})).toThrow(/checksum/);
  });

  test('a full disk stops the append, not the log', () => {
    const disk = new SimulatedDisk();
    const writer = LogWriter.open(disk, DIRECTORY);
    const before = writer.appendWal([begin(10n), commit(10n)]);
    disk.capacityBytes = disk.usedBytes + 30;
    expect(() => writer.appendWal([begin(20n), commit(20n)])).toThrow(/no space left/);
    expect(writer.end).toBe(before);
    disk.capacityBytes = Infinity;
    const end = writer.appendWal([begin(30n), commit(30n)]);
    writer.sync();
    expect(walked(disk, 0, end).seen).toEqual(['begin 10', 'commit 11', 'begin 30', 'commit 31']);
  });

  test('a failed sync is final', async () => {
    const disk = new SimulatedDisk();
    const bounds = new LogBounds();
    const writer = LogWriter.open(disk, DIRECTORY, { bounds });
    writer.appendProgress(1n);
    const synced = writer.sync();
    writer.appendProgress(2n);
    disk.syncsToFail = 1;
    await expect(writer.syncLater()).rejects.toThrow(/could not sync/);
    expect(() => writer.sync()).toThrow(/could not sync/);
    expect(() => writer.appendProgress(3n)).toThrow(/could not sync/);
    expect(bounds.syncedOffset).toBe(synced);
  });

  test('segments go once nobody needs them, and reading behind them says so', () => {
    const disk = new SimulatedDisk();
    const bounds = new LogBounds();
    const writer = LogWriter.open(disk, DIRECTORY, { bounds, segmentBytesMax: 300 });
    for (let i = 1n; i < 30n; i++) writer.appendWal([begin(i), payload('padding'), commit(i)]);
    writer.sync();
    const starts = listSegments(disk, DIRECTORY);
    bounds.pin('engine', starts[3]! + 1);
    expect(deleteSegments(disk, DIRECTORY, Math.min(bounds.lowestPin, writer.end), bounds.syncedOffset)).toBe(3);
    expect(walked(disk, starts[3]!, writer.end).seen.at(-1)).toBe('commit 30');
    expect(() => walked(disk, 0, writer.end)).toThrow(/the log begins at offset/);
    bounds.unpin('engine');
    deleteSegments(disk, DIRECTORY, writer.end, bounds.syncedOffset);
    expect(listSegments(disk, DIRECTORY)).toEqual([starts.at(-1)]);
    expect(LogWriter.open(disk, DIRECTORY).end).toBe(writer.end);
  });
});

type Step =
  | { readonly do: 'append'; readonly bytes: number }
  | { readonly do: 'sync' }
  | { readonly do: 'fill' }
  | { readonly do: 'free' }
  | { readonly do: 'fail sync' }
  | { readonly do: 'crash'; readonly luck: readonly number[] };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('append' as const), bytes: fc.oneof(fc.constant(500), fc.integer({ min: 0, max: 1500 })) }),
  },
  { weight: 3, arbitrary: fc.constantFrom<Step>({ do: 'sync' }, { do: 'fill' }, { do: 'free' }, { do: 'fail sync' }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('crash' as const),
      luck: fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 8, maxLength: 24 }),
    }),
  },
);

describe('on a disk that forgets, tears, fills up and fails', () => {
  test('nothing synced is lost, nothing torn is read', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
        const disk = new SimulatedDisk();
        let writer = LogWriter.open(disk, DIRECTORY, { segmentBytesMax: 4000 });
        let appended: { text: string; end: number }[] = [];
        let syncedCount = 0;
        let serial = 0;
        const reopen = (): void => {
          disk.capacityBytes = Infinity;
          disk.syncsToFail = 0;
          writer = LogWriter.open(disk, DIRECTORY, { segmentBytesMax: 4000 });
          const found: string[] = [];
          const reader = new LogReader(disk, DIRECTORY);
          reader.seek(0, writer.end);
          while (reader.next()) if (reader.kind === recordKind.wal) found.push(reader.bytes.toString('latin1', reader.start, reader.end));
          expect(found.length).toBeGreaterThanOrEqual(syncedCount);
          expect(found).toEqual(appended.slice(0, found.length).map((record) => record.text));
          appended = appended.slice(0, found.length);
          syncedCount = found.length;
        };
        for (const step of steps) {
          try {
            if (step.do === 'append') {
              const bytes = payload(`${serial++} ${'x'.repeat(step.bytes)}`);
              appended.push({ text: bytes.toString('latin1'), end: writer.appendWal([bytes]) });
            } else if (step.do === 'sync') {
              writer.sync();
              syncedCount = appended.length;
            } else if (step.do === 'fill') disk.capacityBytes = disk.usedBytes + 700;
            else if (step.do === 'free') disk.capacityBytes = Infinity;
            else if (step.do === 'fail sync') disk.syncsToFail = 1;
            else if (step.do === 'crash') {
              let at = 0;
              disk.crash(() => step.luck[at++ % step.luck.length]!);
              reopen();
            }
          } catch (error) {
            if (!(error instanceof Error) || !/no space|could not sync/.test(error.message)) throw error;
            if (/could not sync/.test(error.message)) {
              // As the process would: it dies, the machine lives.
              disk.crash(() => 0.3);
              reopen();
            }
          }
        }
        disk.crash(() => 0.4);
        reopen();
      }),
      { numRuns: Number(process.env['MILLRACE_RUNS'] ?? 300) },
    );
  });
});
