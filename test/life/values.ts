/**
 * Values as users have them, as SQL expressions (so that a step with a megabyte in it is still a short line): every type of the store, NULLs, multi-byte text, and
 * lengths around every buffer. Text is made of its table's *canary*, so that a byte of it in another session's answer is a leak that can be named.
 */
import { literal } from '../../src/base/ident.ts';
import type { Dice } from '../property/random-schema.ts';

/** Around the sizes of buffers, pages and packets. */
export const LENGTHS = [0, 1, 1_023, 1_024, 1_025, 8_191, 8_192, 8_193, 70_000, 1_048_576] as const;
const SMALL = [0, 1, 3, 13, 40, 200];

/** Few are long: each is read by every road after every step. */
export function lengthOf(dice: Dice): number {
  if (dice.chance(0.8)) return dice.pick(SMALL);
  return dice.chance(0.03) ? LENGTHS.at(-1)! : dice.chance(0.1) ? 70_000 : dice.pick(LENGTHS.slice(0, -2));
}

/** `length` characters of text that carries the canary; now and then multi-byte, or such that it does not compress (and goes out of line). */
export function textOf(dice: Dice, canary: string, length = lengthOf(dice)): string {
  if (length === 0) return `''`;
  const piece = dice.chance(0.3) ? `${canary}é日😀` : canary;
  if (length > 2_000 && dice.chance(0.5))
    return `left((SELECT string_agg(md5(n::text) || ${literal(canary)}, '') FROM generate_series(1, ${Math.ceil(length / 36)}) n), ${length})`;
  return `left(repeat(${literal(piece)}, ${Math.ceil(length / piece.length)}), ${length})`;
}

const FIXED: Readonly<Record<string, readonly string[]>> = {
  smallint: ['0', '1', '-1', '32767', '-32768'],
  integer: ['0', '1', '2', '7', '-1', '2147483647', '-2147483648'],
  bigint: ['0', '1', '9007199254740993', '-9223372036854775808', '9223372036854775807'],
  numeric: ['0', '1.0', '1.00', '-2.5', '12345678901234567890.123456789', 'NaN', '1e30', '-0.00000001'],
  'numeric(8,2)': ['0', '1.5', '123.45', '-99999.99', 'NaN'],
  real: ['0', '1.5', '-0', 'NaN', 'Infinity', '3.4e38', '1e-40'],
  'double precision': ['0', '0.1', '-0', 'NaN', '-Infinity', '1.7e308', '5e-324'],
  'character(6)': ['a', 'ab    ', 'é日😀', ''],
  '"char"': ['a', ' ', '', '\\377'],
  date: ['2024-02-29', '0044-03-15 BC', 'infinity', '-infinity', '5874897-12-31'],
  timestamp: ['2024-02-29 12:34:56.789', '0044-03-15 10:00:00 BC', 'infinity', '1999-12-31 23:59:59.999999'],
  timestamptz: ['2024-03-31 01:30:00+02', 'infinity', '1900-01-01 00:00:00+00', '12000-01-01 00:00:00+00'],
  time: ['00:00:00', '24:00:00', '12:34:56.000001'],
  timetz: ['00:00:00+00', '12:34:56.789-15:59', '24:00:00+15:59'],
  interval: ['1 mon', '30 days', '-1 day 00:00:00.000001', '1 year 2 mons -3 days 04:05:06.7'],
  boolean: ['true', 'false'],
  uuid: ['00000000-0000-0000-0000-000000000000', '11111111-2222-3333-4444-555555555555'],
  inet: ['10.0.0.1', '10.0.0.0/8', '2001:db8::1', '::/0'],
  cidr: ['10.0.0.0/8', '2001:db8::/32'],
  macaddr: ['08:00:2b:01:02:03'],
  money: ['0', '12.34', '-92233720368547758.08'],
  'bit(8)': ['10101010', '00000000'],
  'bit varying': ['', '1', '101'],
  point: ['(1,2)', '(-0.5,1e10)'],
  box: ['(2,2),(1,1)'],
  'integer[]': ['{}', '{1,2,NULL}', '{{1,2},{3,4}}', '[0:1]={7,8}'],
  'text[]': ['{}', '{"a b",NULL,"\\"q\\""}', '{é,日}'],
  int4range: ['empty', '[1,5)', '(,)'],
  tstzrange: ['empty', '["2024-01-01 00:00:00+00","2024-06-01 00:00:00+00")'],
  int4multirange: ['{}', '{[1,3),[5,7)}'],
  tsvector: ["'a':1 'b':2", ''],
  tsquery: ["'a' & 'b'"],
  pg_lsn: ['0/0', '16/B374D848'],
  oid: ['0', '4294967295'],
  jsonpath: ['$."a"[*]'],
  json: ['{"b": 1,  "a": 1.0}', '[]', 'null', '"é"'],
  jsonb: ['{"a": 1, "b": [1, 2]}', '[]', 'null', '{"n": 1.00, "deep": {"é": true}}'],
  mood: [],
  pair: ['(1,a)', '(,"b c")', '(2,)'],
  short_text: ['', 'a', 'é日😀'],
};

/** Types whose values carry text of any length. */
const LONG = ['text', 'character varying', 'character varying(60)', 'bytea', 'json', 'jsonb', 'text[]'];

export const TYPES: readonly string[] = [...Object.keys(FIXED), ...LONG.filter((type) => !(type in FIXED))];

/** An expression of this type; `moods` are the labels that the enum has now. */
export function valueOf(dice: Dice, type: string, canary: string, moods: readonly string[]): string {
  if (type === 'mood') return `${literal(dice.pick(moods))}::mood`;
  const fixed = FIXED[type];
  if (fixed !== undefined && !(LONG.includes(type) && dice.chance(0.3))) return `${literal(dice.pick(fixed))}::${type}`;
  switch (type) {
    case 'bytea':
      return `convert_to(${textOf(dice, canary)}, 'UTF8')`;
    case 'json':
    case 'jsonb':
      return `${type}_build_object('text', ${textOf(dice, canary)})`;
    case 'text[]':
      return `ARRAY[${textOf(dice, canary)}, NULL]`;
    case 'character varying(60)':
      return `(${textOf(dice, canary, dice.pick([0, 1, 59, 60]))})::varchar(60)`;
    default:
      return textOf(dice, canary);
  }
}
