import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { splitStatements, tokenAt, tokenize } from './lexer.ts';

test('the plainest text', () => {
  expect(tokenize(`SELECT "A""b", 'it''s' , $1`).map(({ kind, value }) => [kind, value])).toEqual([
    ['word', 'select'],
    ['quoted', 'A"b'],
    ['symbol', ','],
    ['string', "it's"],
    ['symbol', ','],
    ['parameter', '$1'],
    ['end', ''],
  ]);
});

test.each([
  [String.raw`E'a\'b\n\x41\u00e4\U0001F600\101'`, 'string', "a'b\nAä😀A"],
  [`date'2020-01-01'`, 'word', 'date'],
  [`$x$it's$x$`, 'string', "it's"],
  ['$$$$', 'string', ''],
  ['a$b$c', 'word', 'a$b$c'],
  ['1.5e-3x', 'number', '1.5e-3'],
  ['.5', 'number', '.5'],
  ['.', 'symbol', '.'],
  ["''", 'string', ''],
  ["B'101'", 'string', '101'],
  ['/* a /* b */ c */ -- d\n x', 'word', 'x'],
])('%s begins with a %s', (text, kind, value) => expect(tokenAt(text, 0)).toMatchObject({ kind, value }));

test.each(["'open", "E'open\\'", '"open', '$a$open', '/* open', String.raw`E'\UFFFFFFFF'`])('not closed, or no character: %s', (text) => {
  expect(() => tokenize(text)).toThrow(expect.objectContaining({ code: 'SYNTAX_ERROR', position: 1 }));
});

test('statements are cut where the tokens say so', () => {
  const pieces = fc.constantFrom(
    ' ',
    ';',
    "'a;b'",
    '"c;d"',
    '$x$;$x$',
    "e';\\''",
    '-- ;\n',
    '/* ; */',
    'word',
    '1.5',
    '$1',
    '.',
    "type'x'",
    'ä',
  );
  fc.assert(
    fc.property(fc.array(pieces), (parts) => {
      const text = parts.join(' ');
      const expected: string[] = [];
      let from: number | undefined;
      let to = 0;
      for (const token of tokenize(text)) {
        if (token.kind === 'end' || (token.kind === 'symbol' && token.value === ';')) {
          if (from !== undefined) expected.push(text.slice(from, to));
          from = undefined;
        } else {
          from ??= token.start;
          to = token.end;
        }
      }
      expect(splitStatements(text).map((statement) => statement.text)).toEqual(expected);
    }),
  );
});

describe('a long text takes one pass', () => {
  const MIB = 1 << 20;
  test.each([
    ['one literal', `SELECT '${'x'.repeat(MIB)}'`],
    ['many literals', `SELECT ${"'a',".repeat(MIB / 4)}1`],
    ['doubled quotes', `SELECT '${"''".repeat(MIB / 2)}'`],
    ['backslashes', `SELECT E'${'\\\\'.repeat(MIB / 2)}'`],
    ['comments', `SELECT ${'/*'.repeat(MIB / 4)}${'*/'.repeat(MIB / 4)}1`],
    ['dollars', `SELECT ${'$a '.repeat(MIB / 3)}`],
    ['numbers', `SELECT ${'1,'.repeat(MIB / 2)}1`],
  ])('%s', (_, text) => {
    const before = performance.now();
    expect(splitStatements(text)).toHaveLength(1);
    // Some tens of milliseconds at most, alone; quadratic would be minutes.
    expect(performance.now() - before).toBeLessThan(10_000);
  });
});
