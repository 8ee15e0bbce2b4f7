/** The binary forms that are not plain. */
import { expect, test } from 'vitest';
import { charByte, numericBytes } from './binary.ts';

test.each([
  ['a', 0x61],
  ['', 0],
  ['\\', 0x5c],
  [String.raw`\377`, 0xff],
  [String.raw`\200`, 0x80],
])('"char" %j is one byte', (text, byte) => expect(charByte(text)).toBe(byte));

test.each([
  ['0', '0000000000000000'],
  ['1.50', '0002000000000002' + '00011388'],
  ['-12345.6', '0003000140000001' + '000109291770'],
  ['NaN', '00000000c0000000'],
])('numeric %s', (text, hex) => expect(numericBytes(text).toString('hex')).toBe(hex));
