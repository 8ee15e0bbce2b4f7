import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { LogReader } from '../store/log/reader.ts';
import { walk } from '../store/log/transactions.ts';
import { LogWriter } from '../store/log/writer.ts';
import { SimulatedDisk } from '../store/testing/simulated-disk.ts';
import { ByteWriter } from '../wire/bytes.ts';
import { BEGIN, COMMIT, COPY_DATA, INSERT, KEEPALIVE, XLOG_DATA } from '../wire/pgoutput.ts';
import { Receiver } from './receiver.ts';

/** A transaction: its rows are only their sizes and a number. */
interface Transaction {
  readonly commitLsn: number;
  readonly rows: readonly number[];
}

function message(out: ByteWriter, body: (out: ByteWriter) => void): void {
  out.begin(COPY_DATA);
  out.int8(XLOG_DATA);
  for (let i = 0; i < 3; i++) out.int64(0n);
  body(out);
  out.end();
}

function keepalive(out: ByteWriter, walEnd: number, reply: boolean): void {
  out.begin(COPY_DATA);
  out.int8(KEEPALIVE);
  out.int64(BigInt(walEnd));
  out.int64(0n);
  out.int8(reply ? 1 : 0);
  out.end();
}

function encode(out: ByteWriter, { commitLsn, rows }: Transaction): void {
  message(out, () => {
    out.int8(BEGIN);
    out.int64(BigInt(commitLsn));
    out.int64(0n);
    out.int32(1);
  });
  for (const size of rows) {
    message(out, () => {
      out.int8(INSERT);
      out.int32(commitLsn);
      out.raw(Buffer.alloc(size, 'x'));
    });
  }
  message(out, () => {
    out.int8(COMMIT);
    out.int8(0);
    out.int64(BigInt(commitLsn));
    out.int64(BigInt(commitLsn + 1));
    out.int64(0n);
  });
}

class Fixture {
  readonly disk = new SimulatedDisk();
  readonly writer = LogWriter.open(this.disk, '/log', { segmentBytesMax: 4_000_000 });
  readonly heard: string[] = [];
  committedOffset = 0;
  readonly receiver = new Receiver(this.writer, {
    committed: (offset, endLsn) => {
      this.committedOffset = offset;
      this.heard.push(`committed ${endLsn}`);
    },
    idle: (walEnd) => this.heard.push(`idle ${walEnd}`),
    replyRequested: () => this.heard.push('reply'),
  });

  /** What a stream does: shows what is whole, keeps what is to be shown again. `pieces`: how many messages come at once. */
  receive(bytes: Buffer, pieces: readonly number[]): void {
    let from = 0;
    let to = 0;
    for (let i = 0; to < bytes.length; i++) {
      for (let n = pieces[i % pieces.length]!; n > 0 && to < bytes.length; n--) to += 1 + bytes.readInt32BE(to + 1);
      // Elsewhere in memory each time, as in a buffer that moves.
      const shown = Buffer.from(bytes.subarray(from, to));
      from += this.receiver.take(shown, 0, shown.length);
    }
  }

  /** Whole transactions in the log, as a reader sees them. */
  read(): Transaction[] {
    const found: { commitLsn: number; rows: number[] }[] = [];
    walk(new LogReader(this.disk, '/log'), 0, this.committedOffset, {
      begin: (lsn) => void found.push({ commitLsn: Number(lsn), rows: [] }),
      message: (_kind, _bytes, at, end) => void found.at(-1)!.rows.push(end - at - 5),
    });
    return found;
  }
}

test('a transaction goes into the log whole, and its end is told', () => {
  const fixture = new Fixture();
  const out = new ByteWriter();
  encode(out, { commitLsn: 10, rows: [3, 4] });
  fixture.receive(out.copy(), [1]);
  expect(fixture.read()).toEqual([{ commitLsn: 10, rows: [3, 4] }]);
  expect(fixture.heard).toEqual(['committed 11']);
});

test('keepalives between transactions say that nothing is missing; within one they do not', () => {
  const fixture = new Fixture();
  const out = new ByteWriter();
  keepalive(out, 5, false);
  encode(out, { commitLsn: 10, rows: [] });
  keepalive(out, 12, true);
  fixture.receive(out.copy(), [1]);
  expect(fixture.heard).toEqual(['idle 5', 'committed 11', 'idle 12', 'reply']);
  out.reset();
  encode(out, { commitLsn: 20, rows: [1] });
  const whole = out.copy();
  const half = whole.subarray(0, 1 + whole.readInt32BE(1));
  out.reset();
  out.raw(half);
  keepalive(out, 15, false);
  out.raw(whole.subarray(half.length));
  fixture.heard.length = 0;
  fixture.receive(out.copy(), [2]);
  expect(fixture.heard).toEqual(['committed 21']);
});

test('a huge transaction does not wait in memory for its end', () => {
  const fixture = new Fixture();
  const out = new ByteWriter();
  encode(out, { commitLsn: 10, rows: Array.from({ length: 60 }, () => 100_000) });
  const bytes = out.copy();
  fixture.receive(bytes.subarray(0, bytes.length - 35), [5]);
  expect(fixture.writer.end).toBeGreaterThan(4_000_000);
  expect(fixture.receiver.betweenTransactions).toBe(false);
  expect(fixture.read()).toEqual([]);
});

test('whatever the pieces, the cuts and the repetitions: each transaction once, in order', () => {
  const script = fc.record({
    transactions: fc.array(
      fc.array(fc.oneof({ weight: 20, arbitrary: fc.integer({ min: 0, max: 50 }) }, fc.constant(700_000)), { maxLength: 8 }),
      { minLength: 1, maxLength: 12 },
    ),
    pieces: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
    // Each connection is cut after so many messages, and the next begins so many transactions earlier than it need.
    cuts: fc.array(fc.record({ messages: fc.nat(40), back: fc.nat(3) }), { maxLength: 5 }),
    keepalives: fc.boolean(),
  });
  fc.assert(
    fc.property(script, ({ transactions, pieces, cuts, keepalives }) => {
      const fixture = new Fixture();
      const sent = transactions.map((rows, i) => ({ commitLsn: 10 * (i + 1), rows }));
      for (const cut of [...cuts, { messages: Infinity, back: 1 }]) {
        const done = fixture.read().length;
        const out = new ByteWriter();
        for (const transaction of sent.slice(Math.max(0, done - cut.back))) {
          encode(out, transaction);
          if (keepalives) keepalive(out, transaction.commitLsn + 2, transaction.commitLsn % 20 === 0);
        }
        const bytes = out.copy();
        let end = 0;
        for (let n = 0; n < cut.messages && end < bytes.length; n++) end += 1 + bytes.readInt32BE(end + 1);
        fixture.receiver.reconnected();
        fixture.receive(bytes.subarray(0, end), pieces);
      }
      expect(fixture.read()).toEqual(sent);
      expect(fixture.writer.inForce.lastCommitLsn).toBe(BigInt(sent.at(-1)!.commitLsn));
    }),
    { numRuns: 60 },
  );
});
