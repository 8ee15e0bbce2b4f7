/** For tests only: edge values of each type, as Postgres prints them, and random ones between. */
export type Random = () => number;

/** mulberry32: the same values for the same seed. */
export function seeded(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
const between = (random: Random, low: number, high: number): number => low + Math.floor(random() * (high - low + 1));
const digits = (random: Random, count: number): string => Array.from({ length: count }, () => between(random, 0, 9)).join('');
const two = (n: number): string => String(n).padStart(2, '0');

const EDGES: Readonly<Record<string, readonly string[]>> = {
  boolean: ['t', 'f'],
  smallint: ['0', '1', '-1', '2', '7', '-7', '255', '32767', '-32768', '32766'],
  integer: ['0', '1', '-1', '2', '3', '-3', '10', '32768', '46341', '2147483647', '-2147483648', '2147483646'],
  bigint: [
    '0',
    '1',
    '-1',
    '5',
    '2147483648',
    '9007199254740991',
    '9007199254740992',
    '-9007199254740992',
    '-9007199254740991',
    '4294967296',
    '3037000500',
    '9223372036854775807',
    '-9223372036854775808',
  ],
  oid: ['0', '1', '2147483648', '4294967295'],
  xid: ['0', '3', '4294967295'],
  real: [
    '0',
    '-0',
    '1',
    '-1',
    '1.5',
    '0.1',
    '-2.5',
    '3.4028235e+38',
    '-3.4028235e+38',
    '1e-45',
    '1.1754944e-38',
    'NaN',
    'Infinity',
    '-Infinity',
    '1e+06',
    '123456',
    '16777216',
    '0.0001',
    '9.999e-05',
  ],
  'double precision': [
    '0',
    '-0',
    '1',
    '-1',
    '0.5',
    '-0.5',
    '1.5',
    '2.5',
    '-2.5',
    '0.1',
    '1e+15',
    '123456789012345.6',
    '1e+23',
    '9.5367431640625e-07',
    '0.0001',
    '9.999e-05',
    '1e+300',
    '-1e+300',
    '1.7976931348623157e+308',
    '2.2250738585072014e-308',
    '5e-324',
    'NaN',
    'Infinity',
    '-Infinity',
    '2147483647.5',
    '-2147483648.5',
    '9.223372036854775e+18',
    '32767.5',
  ],
  numeric: [
    '0',
    '0.0',
    '0.00',
    '1',
    '-1',
    '1.0',
    '1.00',
    '10',
    '100',
    '-0.5',
    '0.5',
    '1.5',
    '2.5',
    '-2.5',
    '9007199254740991',
    '9007199254740993',
    '-9007199254740992',
    '0.000000000000000000001',
    '123456789012345678901234567890.123456789',
    '99999999999999999999999999999999',
    'NaN',
    'Infinity',
    '-Infinity',
    '3',
    '7',
    '0.0003',
    '10000',
    '9999',
    '9999.9999',
    '32767.5',
    '-32768.5',
    '9223372036854775807.5',
    '2147483647.4999',
    '1e'.replace('e', '0'.repeat(60)),
    '0.' + '0'.repeat(40) + '1',
  ],
  text: [
    '',
    ' ',
    'a',
    'A',
    'abc',
    'ABC',
    'abcdefghijkl',
    'abcdefghijklm',
    'a longer text, of more than 12 bytes',
    '  padded  ',
    'é',
    'žluťoučký kůň',
    '日本語',
    'a😀b',
    '😀😀',
    '%',
    '_',
    'a%b',
    'a\\',
    '\\',
    'x_y',
    'ab',
    'b',
    '100%',
    "o'clock",
    'tab\tnew\nline',
    '\uffff',
    '𐀀',
  ],
  character: ['', ' ', 'a', 'a  ', 'abc', 'abc ', 'a longer text, of more than 12 bytes   ', 'é '],
  bytea: ['\\x', '\\x00', '\\xff', '\\x00ff', '\\xdeadbeefdeadbeefdeadbeef', '\\xde'],
  date: [
    '2000-01-01',
    '1999-12-31',
    '1970-01-01',
    '2024-02-29',
    '2023-02-28',
    '1900-03-01',
    '0001-01-01',
    '0001-12-31 BC',
    '4713-01-01 BC',
    '5874897-12-31',
    '9999-12-31',
    '10000-01-01',
    'infinity',
    '-infinity',
    '2024-12-30',
    '2021-01-03',
  ],
  'time without time zone': ['00:00:00', '23:59:59.999999', '24:00:00', '12:34:56.7', '00:00:00.000001', '01:02:03'],
  'timestamp without time zone': [
    '2000-01-01 00:00:00',
    '1999-12-31 23:59:59.999999',
    '2024-02-29 12:34:56.7',
    '1970-01-01 00:00:00',
    '0001-01-01 00:00:00',
    '0044-03-15 12:00:00 BC',
    '4713-01-01 00:00:00 BC',
    '294276-12-31 23:59:59.999999',
    '2285-06-05 23:47:34.740993',
    '1714-06-05 00:12:25.259007',
    '2400-02-29 00:00:00',
    'infinity',
    '-infinity',
    '2024-01-31 10:00:00',
    '2023-12-31 23:59:59.5',
  ],
  'timestamp with time zone': [
    '2000-01-01 00:00:00+00',
    '1999-12-31 23:59:59.999999+00',
    '2024-02-29 12:34:56.7+00',
    '1970-01-01 00:00:00+00',
    '0044-03-15 12:00:00+00 BC',
    '294276-12-31 23:59:59.999999+00',
    '2400-02-29 00:00:00+00',
    'infinity',
    '-infinity',
    '2024-01-31 10:00:00+00',
  ],
  interval: [
    '00:00:00',
    '1 day',
    '-1 days',
    '1 mon',
    '30 days',
    '24:00:00',
    '1 year',
    '-1 years',
    '1 year 2 mons 3 days 04:05:06.789',
    '-1 years -2 mons +3 days -04:05:06.789',
    '1 mon -1 days',
    '-00:00:00.000001',
    '00:00:00.5',
    '100000000 years',
    '2562047788:00:54.775807',
    '-2562047788:00:54.775807',
    '23:59:59.999999',
    'infinity',
    '-infinity',
    '1 day 00:00:01',
    '-178000000 years',
  ],
  uuid: [
    '00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    '7fffffff-0000-4000-8000-000000000000',
    '80000000-0000-4000-8000-000000000000',
  ],
  anyenum: ['furious', 'sad', 'ok', 'happy'],
  jsonb: [
    '{"a": [1, 2.50, "x,y]"], "q\\"": {"b": "}\\""}}',
    '{"a": {"b": [true, false]}, "k": "tab\\tnew\\nline"}',
    '["a", "two", [], {}, -1.0]',
    '"two"',
    'null',
    '1',
    '1.0',
    '"a"',
    '{}',
    '[]',
    '{"a": 1}',
    '{"a": {"b": [1, 2.50, null]}, "k": "vé"}',
    '[1, "two", {"three": 3}]',
    'true',
    '{"a": null, "long key with spaces": "x"}',
  ],
  numrange: ['empty', '[1,2)', '[1.0,2.00)', '(,)', '[1,)', '(1.50,2]', '(1.5,2.0]'],
  'integer[]': [
    '{}',
    '{1}',
    '{1,2}',
    '{1,NULL}',
    '{NULL}',
    '{2}',
    '{{1,2},{3,4}}',
    '{{1},{2},{3},{4}}',
    '{1,2,3,4}',
    '[0:1]={1,2}',
    '[-1:0]={1,2}',
    '{{1,2,3,4}}',
    '[2:3][1:2]={{1,2},{3,4}}',
  ],
  'numeric[]': ['{}', '{1.0}', '{1}', '{1.00,NULL}', '{1,NULL}', '{NaN,2.50}', '{NaN,2.5}', '{10}', '{9}'],
  'double precision[]': ['{0}', '{-0}', '{NaN}', '{1e+20,-0}', '{1e+20,0}'],
  'text[]': ['{}', '{a}', '{"a b"}', '{"",NULL}', '{"NULL"}', '{NULL}', '{"a\\\\b","q\\"q"}', '{é,"x,y"}', '{"{a}"}'],
  'interval[]': ['{"1 mon"}', '{"30 days"}', '{"1 day",24:00:00}', '{24:00:00,"1 day"}'],
  json: [
    '{"a": "\\u00e9\\ud83d\\ude00", "k":\n1.50 , "k": {"b" :  [ ] } }',
    'null',
    '1',
    '"a"',
    '{}',
    '{"a": 1}',
    '{"a" : 1, "a": "second"}',
    '[1, "two", {"three": 3}]',
    ' {"b":[1 ,2]} ',
  ],
};

/** One value of the type: an edge, or a random one in between. */
export function sample(type: string, random: Random): string {
  const edges = EDGES[type === 'character varying' ? 'text' : type];
  if (edges === undefined) throw new TypeError(`no samples of ${type}`);
  return (random() < 0.5 ? undefined : randomValue(type, random)) ?? pick(random, edges);
}

export function edges(type: string): readonly string[] {
  return EDGES[type] ?? [];
}

const ALPHABET = ['a', 'b', 'c', 'A', 'B', ' ', '%', '_', '\\', '0', '9', '.', 'é', 'ß', '語', '😀', '-', ','];

function randomValue(type: string, random: Random): string | undefined {
  switch (type) {
    case 'smallint':
      return String(between(random, -200, 200));
    case 'integer':
      return String(random() < 0.5 ? between(random, -50, 50) : between(random, -2147483648, 2147483647));
    case 'bigint':
      return String(BigInt(between(random, -1, 1)) * BigInt(`1${digits(random, between(random, 0, 17))}`));
    case 'real':
      return shortest(Math.fround((random() - 0.5) * 10 ** between(random, -8, 10)), true);
    case 'double precision':
      return shortest((random() - 0.5) * 10 ** between(random, -20, 22), false);
    case 'numeric': {
      const whole = BigInt(`0${digits(random, between(random, 0, random() < 0.3 ? 25 : 6))}`);
      const fraction = digits(random, between(random, 0, random() < 0.3 ? 25 : 4));
      const text = `${whole}${fraction === '' ? '' : `.${fraction}`}`;
      return random() < 0.4 && /[1-9]/.test(text) ? `-${text}` : text;
    }
    case 'text':
    case 'character varying':
      return Array.from({ length: between(random, 0, 20) }, () => pick(random, ALPHABET)).join('');
    case 'date':
      return `${between(random, 1800, 2300)}-${two(between(random, 1, 12))}-${two(between(random, 1, 28))}`;
    case 'time without time zone':
      return `${two(between(random, 0, 23))}:${two(between(random, 0, 59))}:${two(between(random, 0, 59))}`;
    case 'timestamp without time zone':
      return `${between(random, 1800, 2300)}-${two(between(random, 1, 12))}-${two(between(random, 1, 28))} ${two(between(random, 0, 23))}:${two(between(random, 0, 59))}:${two(between(random, 0, 59))}.${between(random, 1, 9)}`;
    case 'timestamp with time zone':
      return `${between(random, 1800, 2300)}-${two(between(random, 1, 12))}-${two(between(random, 1, 28))} ${two(between(random, 0, 23))}:${two(between(random, 0, 59))}:${two(between(random, 0, 59))}+00`;
    default:
      return undefined;
  }
}

/** Good enough a text to be read by both sides; the printing is what is tested. */
function shortest(value: number, single: boolean): string {
  return single ? String(Number(value.toPrecision(9))) : String(value);
}
