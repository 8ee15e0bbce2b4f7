/** Casts from and to text: what is read natively is what Postgres reads, and what is not is left to it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { codecOf, type Value } from '../../values/codec.ts';
import { ValueFailure } from '../../values/failure.ts';
import { pgType, Postgres, sqlLiteral, type Answer } from '../../values/testing/postgres.ts';
import { Generator } from './generator.ts';
import { nativeIoCast } from './io-cast.ts';
import { UTC_SESSION } from './session.ts';

let postgres: Postgres;
beforeAll(async () => {
  postgres = await Postgres.start();
});
afterAll(() => postgres.close());

const NUMBERS = [
  '1',
  ' 42 ',
  '-7',
  '+7',
  '',
  ' ',
  'x',
  '1.5',
  '.5',
  '5.',
  '-',
  '1e3',
  '1E-2',
  '1e',
  '1_000',
  '0x1F',
  '0b101',
  '0o17',
  '1__0',
  '_1',
  '99999',
  '-32769',
  '2147483648',
  '-2147483648',
  '9223372036854775807',
  '9223372036854775808',
  'NaN',
  'nan',
  'inf',
  '-Infinity',
  '1e400',
  '1e-400',
  '1e39',
  '1e-46',
  '0.1',
  '123456789.123456789',
  '٣',
  '1\u00a0',
  '00012',
  '-0',
  '-0.0',
  '1e-5000',
  '16777217',
];

const CASES: Readonly<Record<string, readonly string[]>> = {
  smallint: NUMBERS,
  integer: NUMBERS,
  bigint: NUMBERS,
  real: NUMBERS,
  'double precision': NUMBERS,
  numeric: NUMBERS,
  boolean: ['t', 'true', 'TRUE', ' tr ', 'f', 'fals', 'y', 'yes', 'n', 'no', 'on', 'of', 'off', 'o', '1', '0', '10', '', 'truex'],
  uuid: [
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    'A0EEBC999C0B4EF8BB6D6BB9BD380A11',
    '{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}',
    '{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11',
    'a0eebc9-99c0b-4ef8-bb6d-6bb9bd380a11',
    '',
    ' a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
  ],
  date: [
    '2024-02-29',
    '2023-02-29',
    '2024-1-1',
    '0000-01-01',
    '0001-01-01',
    '2024-13-01',
    'infinity',
    '20240229',
    '9999-12-31',
    '2024-04-31',
  ],
  'timestamp without time zone': [
    '2024-02-29 12:34:56',
    '2024-02-29T12:34:56.789',
    '2024-02-29 12:34',
    '2024-02-29',
    '2024-02-29 24:00:00',
    '2024-02-30 00:00:00',
    '2024-02-29 12:34:56.7+02',
    '2024-02-29 23:59:60',
    '2024-02-29 12:34:56.1234567',
  ],
  'timestamp with time zone': [
    '2024-02-29 12:34:56+00',
    '2024-02-29T12:34:56.789Z',
    '2024-02-29 12:34+05:30',
    '2024-02-29 12:34:56-0330',
    '2024-02-29 12:34:56',
    '2024-02-29 12:34:56+15:59',
    '2024-02-29 12:34:56 Europe/Berlin',
    '2024-02-29 00:00:00-14',
  ],
};

test.each(Object.entries(CASES))('text → %s', async (typeName, texts) => {
  const to = pgType(typeName);
  const generator = new Generator();
  const code = nativeIoCast(pgType('text'), to, UTC_SESSION)!.code(generator, ['text'], { args: [], type: to });
  const read = generator.finish<(text: string) => Value | undefined>(`(text) => ${code}`);
  const answer = (text: string): Answer | undefined => {
    try {
      const value = read(text);
      return value === undefined ? undefined : { text: codecOf(to).format(value) };
    } catch (failure) {
      if (!(failure instanceof ValueFailure)) throw failure;
      return { error: `${failure.sqlstate} ${failure.message}` };
    }
  };
  const actual = texts.map(answer);
  const expected = await postgres.answers(texts.map((text) => `(${sqlLiteral(text, 'text')})::${typeName}`));
  const differences = texts.flatMap((text, i) =>
    actual[i] === undefined || JSON.stringify(actual[i]) === JSON.stringify(expected[i])
      ? []
      : [`'${text}': ${JSON.stringify(actual[i])}, Postgres ${JSON.stringify(expected[i])}`],
  );
  expect(differences).toEqual([]);
  expect(actual.filter((given) => given !== undefined && 'text' in given).length).toBeGreaterThanOrEqual(3);
});
