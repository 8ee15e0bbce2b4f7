/** Blocks against a plain map of rows: random keys and sizes, many passes, each looked at whole. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutAt } from '../log/transactions.ts';
import { testTable, tuple } from '../testing/stream.ts';
import { BlockMerge } from './block-merge.ts';
import { BlockReader } from './block.ts';
import { Changes } from './changes.ts';
import { RowStore } from './row-store.ts';
import { entered } from './table-state.ts';
import { OID_BYTES, tableEnd, tablePrefix } from './tuple.ts';

const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 40);

/** Neighbours on both sides must not be touched. */
const OIDS = [1, 2, 0xffffffff];

interface Pass {
  readonly table: number;
  readonly from: number;
  readonly step: number;
  readonly count: number;
  readonly deletes: boolean;
  readonly bytes: number;
}

const pass: fc.Arbitrary<Pass> = fc.record({
  table: fc.nat(2),
  from: fc.nat(300),
  step: fc.constantFrom(1, 1, 2, 7),
  count: fc.constantFrom(1, 3, 40, 200),
  deletes: fc.boolean(),
  bytes: fc.constantFrom(0, 5, 40, 300, 5_000),
});

test('what is merged is found, in order, in blocks that are neither too large nor in the wrong place', async () => {
  const path = mkdtempSync(join(tmpdir(), 'millrace-blocks-'));
  const rows = new RowStore(path);
  try {
    fc.assert(
      fc.property(
        fc.array(pass, { minLength: 1, maxLength: 12 }),
        fc.constantFrom(64, 300, 8176),
        fc.integer({ min: 1, max: 50 }),
        (passes, blockBytesMax, keysMax) => {
          const model = OIDS.map(() => new Map<string, string>());
          const merge = new BlockMerge(rows, blockBytesMax);
          rows.transaction(() => {
            for (const oid of OIDS) for (const bound of rows.boundsOf(oid, 1e6)) rows.removeBlock(bound);
          });
          for (const { table, from, step, count, deletes, bytes } of passes) {
            const oid = OIDS[table]!;
            const upstream = testTable(oid, 'd', ['id', 'note'], ['id']);
            const changes = new Changes({
              tables: new Map([[oid, { ...entered(upstream, 0), state: 'live' as const, snapshotLsn: '0/0' }]]),
              relations: new Map(),
              from: cutAt(0),
            });
            changes.begin(1n, 0n);
            const keys = new Set(Array.from({ length: count }, (_, i) => String(from + i * step)));
            for (const id of keys) {
              const isThere = model[table]!.has(id);
              const note = 'x'.repeat((Number(id) * 13) % (bytes + 1));
              const row = tuple([id, note]);
              const message = deletes && isThere ? [0x44, 0x4b, tuple([id, null])] : [isThere ? 0x55 : 0x49, 0x4e, row];
              const body = Buffer.concat([
                Buffer.from([message[0] as number]),
                tablePrefix(oid),
                Buffer.from([message[1] as number]),
                message[2] as Buffer,
              ]);
              changes.message(message[0] as number, body, 0, body.length);
              if (deletes && isThere) model[table]!.delete(id);
              else model[table]!.set(id, note);
            }
            changes.arena.sort();
            const contradictions = new Map<number, string>();
            for (let place = 0; place < changes.arena.order.length;)
              place = rows.transaction(() => merge.merge(changes, place, keysMax, contradictions));
            expect([...contradictions]).toEqual([]);
            OIDS.forEach((one, i) => expectTable(rows, one, model[i]!, blockBytesMax));
          }
        },
      ),
      { numRuns: RUNS },
    );
  } finally {
    await rows.close();
    rmSync(path, { recursive: true });
  }
});

function expectTable(rows: RowStore, oid: number, model: ReadonlyMap<string, string>, blockBytesMax: number): void {
  const found: [string, number][] = [];
  const bounds = rows.boundsOf(oid, 1e6);
  bounds.forEach((bound, i) => {
    const block = rows.block(bound)!;
    const next = bounds[i + 1] ?? tableEnd(oid);
    const reader = new BlockReader();
    reader.open(block, block.length);
    let entries = 0;
    while (reader.next()) {
      const key = Buffer.concat([tablePrefix(oid), block.subarray(reader.keyStart, reader.valueStart)]);
      expect(bound.compare(key)).toBeLessThanOrEqual(0);
      expect(key.compare(next)).toBeLessThan(0);
      expect(rows.get(key)).toEqual(block.subarray(reader.valueStart, reader.valueEnd));
      found.push([key.toString('latin1', OID_BYTES, key.length - 1), reader.valueEnd - reader.valueStart]);
      entries++;
    }
    expect(entries).toBeGreaterThan(0);
    // Halves may keep a large row and its neighbours together.
    if (entries > 1) expect(block.length).toBeLessThanOrEqual(2 * blockBytesMax);
  });
  const expected = [...model].map(([id, note]): [string, number] => [id, 2 + 2 + 5 + id.length + 5 + note.length]);
  expect(found).toEqual(expected.sort(([a], [b]) => (a < b ? -1 : 1)));
}
