import { expect, test } from 'vitest';
import { isIncomplete, joined, readReply, request, textRows } from './messages.ts';

const bytes = (type: string, ...body: (number | string)[]): Uint8Array => {
  const content = Buffer.concat(body.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from([part]))));
  const length = Buffer.alloc(4);
  length.writeInt32BE(4 + content.length);
  return joined(Buffer.from(type), length, content);
};
const READY = bytes('Z', 'I');
const [PARSED, BOUND, NO_DATA, EMPTY] = [bytes('1'), bytes('2'), bytes('n'), bytes('I')];
const ONE_COLUMN = bytes('T', 0, 1, 'a\0', 0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0);
const statement = joined(request.parse('SELECT a'), request.bind(), request.describePortal(), request.execute(), request.sync());

test('rows, NULL and the tag', () => {
  const reply = readReply(
    joined(
      PARSED,
      BOUND,
      ONE_COLUMN,
      bytes('D', 0, 1, 0, 0, 0, 2, 'hi'),
      bytes('D', 0, 1, 255, 255, 255, 255),
      bytes('C', 'SELECT 2\0'),
      READY,
    ),
  );
  expect(reply).toMatchObject({
    columns: [{ name: 'a', typeOid: 25, typeSize: -1, typmod: -1 }],
    rowCount: 2,
    tag: 'SELECT 2',
    status: 'I',
  });
  expect(textRows(reply.rows)).toEqual([['hi'], [null]]);
});

test('an error with its fields', () => {
  const { error } = readReply(joined(bytes('E', 'SERROR\0VERROR\0C42703\0Mno column\0P8\0\0'), READY));
  expect(error).toMatchObject({ severity: 'ERROR', sqlstate: '42703', message: 'no column', position: 8 });
});

test.each<[string, Uint8Array, Uint8Array, boolean]>([
  ['all that was asked for', statement, joined(PARSED, BOUND, ONE_COLUMN, bytes('C', 'SELECT 0\0'), READY), false],
  ['an empty statement', statement, joined(PARSED, BOUND, NO_DATA, EMPTY, READY), false],
  ['an error', statement, joined(PARSED, bytes('E', 'C22012\0\0'), READY), false],
  ['nothing', statement, new Uint8Array(), true],
  ['an end in the middle', statement, joined(PARSED, BOUND), true],
  ['half a message', statement, joined(PARSED, READY.subarray(0, 4)), true],
  // Seen after ten million nested brackets cast to json: Bind was thrown away, and Execute found no portal.
  ['rows of a portal that was never bound', statement, joined(PARSED, NO_DATA, EMPTY, READY), true],
  ['a simple query with an answer', request.query('BEGIN; SET x = 1'), joined(bytes('C', 'BEGIN\0'), bytes('C', 'SET\0'), READY), false],
  ['a simple query without', request.query('SELECT 1'), READY, true],
])('is it an answer: %s', (_, requests, reply, incomplete) => {
  expect(isIncomplete(requests, readReply(reply))).toBe(incomplete);
});
