import { afterAll, beforeAll, expect, test } from 'vitest';
import { CatalogClient } from '../pglite/catalog-client.ts';
import { MillraceError } from '../base/errors.ts';
import { parameterTexts } from './parameters.ts';

const catalog = new CatalogClient();
beforeAll(() => catalog.open());
afterAll(() => catalog.close());

const TEXTS: Readonly<Record<number, readonly string[]>> = {
  16: ['t', 'f', 'true', 'FALSE', ' t', 'maybe'],
  20: [
    '0',
    '-0',
    '7',
    '-7',
    '007',
    ' 7 ',
    '+7',
    '999999999999999999',
    '9223372036854775807',
    '9223372036854775808',
    '1e3',
    '0x10',
    '1_000',
    '',
  ],
  21: ['32767', '32768', '-32768', '-32769', '99999'],
  23: ['2147483647', '2147483648', '-2147483648', '9999999999'],
  1700: ['0', '-0', '0.0', '1.50', '01.5', '-1.50', '.5', '5.', '1e5', 'NaN', `${'9'.repeat(99)}.5`, '1_0'],
  2950: ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{a0eebc999c0b4ef8bb6d6bb9bd380a11}', 'a0'],
};
const BINARIES: Readonly<Record<number, readonly string[]>> = {
  16: ['00', '01', '02'],
  20: ['8000000000000000', '7fffffffffffffff', '00'],
  21: ['8000', '0001', '000001'],
  23: ['ffffffff', '00000007'],
  701: [
    '3ff8000000000000',
    '8000000000000000',
    '7ff0000000000000',
    '7ff8000000000000',
    '0000000000000001',
    '4340000000000001',
    '444b1ae4d6e2ef50',
  ],
  2950: ['a0eebc999c0b4ef8bb6d6bb9bd380a11'],
};
const cases = [
  ...Object.entries(TEXTS).flatMap(([oid, texts]) => texts.map((text) => [Number(oid), 0, text, Buffer.from(text)] as const)),
  ...Object.entries(BINARIES).flatMap(([oid, all]) => all.map((hex) => [Number(oid), 1, hex, Buffer.from(hex, 'hex')] as const)),
];

test('a value that is read here is what Postgres makes of it', async () => {
  const wrong: unknown[] = [];
  let here = 0;
  for (const [oid, format, shown, bytes] of cases) {
    const said = (error: unknown): string => (error instanceof MillraceError ? error.message : String(error));
    const statement = { sql: 'SELECT $1', parameterTypes: [oid], parameters: [bytes], parameterFormats: [format], resultFormats: [0] };
    // Beside one that only Postgres reads, all are Postgres's.
    const wanted = await catalog.queryRaw(statement).then(({ rows }) => Buffer.from(rows).toString('utf8', 11), said);
    let isAsked = false;
    const asked = { queryRaw: (...given: Parameters<CatalogClient['queryRaw']>) => ((isAsked = true), catalog.queryRaw(...given)) };
    const got = await parameterTexts(asked, [bytes], [format], [oid], {}).catch(said);
    if (String(got) !== wanted) wrong.push({ oid, format, shown, got, wanted });
    if (!isAsked) here++;
  }
  expect(wrong).toEqual([]);
  expect(here).toBeGreaterThan(25);
});

test('NULLs, and values of which some only Postgres reads', async () => {
  const given = ['7', null, '{1,2}', 'x'].map((text) => (text === null ? null : Buffer.from(text)));
  expect(await parameterTexts(catalog, given, [], [23, 20, 1007, 25], {})).toEqual(['7', null, '{1,2}', 'x']);
});
