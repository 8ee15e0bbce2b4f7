import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HashTable } from './hash-table.ts';
import { SegmentSpace } from './segment-space.ts';

test('blocks are aligned, zeroed and apart, and what is freed is used again', () => {
  const step = fc.record({ level: fc.integer({ min: 4, max: 10 }), free: fc.boolean(), which: fc.nat() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const space = new SegmentSpace();
      const blocks: { at: number; size: number; mark: number }[] = [];
      let mark = 0;
      for (const { level, free, which } of steps) {
        if (free && blocks.length > 0) {
          const [block] = blocks.splice(which % blocks.length, 1);
          space.free(block!.at, block!.size);
        } else {
          const size = 2 ** level;
          const at = space.allocate(size);
          expect(at % size).toBe(0);
          expect(space.words.subarray(at, at + size).every((word) => word === 0)).toBe(true);
          space.words.fill(++mark, at, at + size);
          blocks.push({ at, size, mark });
        }
        for (const block of blocks)
          expect(space.words.subarray(block.at, block.at + block.size).every((word) => word === block.mark)).toBe(true);
      }
      const bytes = space.bytes();
      for (const { at, size } of blocks) space.free(at, size);
      // All of it is free again, whatever its pieces were.
      for (let at = 0; at < bytes / 4; at += 16) space.allocate(16);
      expect(space.bytes()).toBe(bytes);
    }),
    { numRuns: 100 },
  );
});

test('a table of any size holds what was put in, also under hashes that fill one segment', () => {
  const hashOf = (id: number, poor: boolean): number => (poor ? id & 0x3fff : Math.imul(id, 0x9e3779b1));
  for (const poor of [false, true]) {
    const table = new HashTable();
    const n = 70_000;
    const find = (id: number): boolean => {
      for (let found = table.find(hashOf(id, poor)); found !== 0; found = table.findNext()) if (found === id) return true;
      return false;
    };
    for (let id = 1; id <= n; id++) {
      find(id);
      table.insertHere(id);
    }
    expect(table.count).toBe(n);
    for (let id = 1; id <= n; id += 2) {
      expect(find(id)).toBe(true);
      table.remove();
    }
    for (let id = 1; id <= n; id++) expect(find(id)).toBe(id % 2 === 0);
    expect(table.count).toBe(n / 2);
  }
});
