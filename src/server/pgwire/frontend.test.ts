import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BodyReader, MessageReader } from './frontend.ts';
import { codePoints } from './position.ts';
import { message } from './testing/raw-client.ts';

const limits = { typed: true, bodyBytesMax: 1_000 };

test('messages come out whole, whatever the pieces they came in', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
      (bodies, cuts) => {
        const bytes = Buffer.concat(bodies.map((body) => message('Q', body)));
        const reader = new MessageReader();
        const found: Buffer[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = cuts[i % cuts.length]!;
          reader.push(bytes.subarray(at, at + size));
          at += size;
          for (let next = reader.next(limits); next !== undefined; next = reader.next(limits)) found.push(next.body);
        }
        expect(found).toEqual(bodies.map((body) => Buffer.from(body)));
        expect(reader.availableBytes).toBe(0);
      },
    ),
  );
});

test('a message over the limit is refused at its header, before its body comes', () => {
  const reader = new MessageReader();
  reader.push(message('Q', Buffer.alloc(1_001)).subarray(0, 5));
  expect(() => reader.next(limits)).toThrow('a message of 1001 bytes exceeds the limit of 1000');
});

test.each([
  ['a number past the end', (body: BodyReader) => body.int32()],
  ['text without its zero', (body: BodyReader) => body.text()],
  ['a count that cannot be true', (body: BodyReader) => body.count(4)],
  ['bytes left over', (body: BodyReader) => body.end()],
])('%s is a protocol violation', (_, read) => {
  expect(() => read(new BodyReader(Buffer.from([0x7f, 0xff, 1])))).toThrow(expect.objectContaining({ sqlstate: '08P01' }));
});

test.each([
  ['abc', 2, 2],
  ['é🦆x', 3, 2],
  ['', 0, 0],
])('characters of %j before index %i: %i', (written, end, count) => expect(codePoints(written, end)).toBe(count));
