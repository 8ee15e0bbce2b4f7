/** What is held to be unable to fail, against Postgres and against the compiled code: over edge values and random ones neither ever reports an error. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pgType, Postgres, sqlLiteral } from '../../values/testing/postgres.ts';
import { edges, sample, seeded, type Random } from '../../values/testing/samples.ts';
import type { PgType } from '../../values/type.ts';
import { rowLayout } from '../../values/layout.ts';
import { DeltaBlock } from '../../dataflow/arrangement/delta-block.ts';
import { compileBlock } from '../../dataflow/expression/compile-block.ts';
import type { Evaluator } from '../../dataflow/expression/contract.ts';
import { NATIVES } from '../../dataflow/expression/natives/table.ts';
import { compileParse } from '../../dataflow/expression/rows.ts';
import type { Call, Expression } from '../expression.ts';
import { ARRAY_COMPARISONS, COMPARISONS } from './comparison.ts';
import { cannotFail } from './failure.ts';

const CASES_EACH = Number(process.env['MILLRACE_CASES'] ?? 30);
const SEED = Number(process.env['MILLRACE_SEED'] ?? 7);

interface Proc {
  readonly oid: number;
  readonly name: string;
  readonly args: readonly string[];
  readonly types: readonly number[];
  readonly returns: string;
  readonly variadic: boolean;
}

let postgres: Postgres;
let procs: readonly Proc[];
beforeAll(async () => {
  postgres = await Postgres.start();
  procs = await postgres.rows<Proc & Record<string, unknown>>(
    `SELECT oid::int4 AS oid, proname AS name, ARRAY(SELECT format_type(t, NULL) FROM unnest(proargtypes) AS t) AS args,
            ARRAY(SELECT t::int4 FROM unnest(proargtypes) AS t) AS types, format_type(prorettype, NULL) AS returns, provariadic <> 0 AS variadic
     FROM pg_proc WHERE prokind = 'f' AND oid < 16384 ORDER BY oid`,
  );
}, 60_000);
afterAll(() => postgres.close());

/** Of types that the samples do not have. */
const MORE: Readonly<Record<string, readonly string[]>> = {
  name: ['', 'a', 'é', 'pg_class'],
  '"char"': ['', 'a', '\\377'],
  'time with time zone': ['00:00:00+00', '24:00:00-15:59', '12:00:00.5+02'],
  money: ['$0.00', '-$92,233,720,368,547,758.08', '$1.50'],
  inet: ['0.0.0.0', '10.0.0.1/8', '::1', 'ffff::/16'],
  macaddr: ['00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff'],
  macaddr8: ['00:00:00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff:ff:ff'],
  bit: ['0', '1'],
  'bit varying': ['', '0', '1', '0101010101'],
  tsvector: ['', `'a':1A 'b'`, `'b':2`],
  tsquery: ['', `'a'`, `'a' & !'b':*A`],
  pg_lsn: ['0/0', 'FFFFFFFF/FFFFFFFF'],
  tid: ['(0,0)', '(4294967295,65535)'],
  cid: ['0', '4294967295'],
  xid8: ['0', '18446744073709551615'],
};

/** Of polymorphic arguments one kind. */
const concrete = (type: string): string => ({ anyarray: 'integer[]', anyenum: 'mood', character: 'bpchar' })[type] ?? type;

function draw(type: string, random: Random): string {
  const some = MORE[type];
  if (some !== undefined) return some[Math.floor(random() * some.length)]!;
  const known = type === 'anyarray' ? 'integer[]' : type;
  const edge = edges(known);
  return random() < 0.3 && edge.length > 0 ? edge[Math.floor(random() * edge.length)]! : sample(known, random);
}

function typeOf(name: string, oid: number): PgType {
  if (name === 'anyarray') return pgType('integer[]');
  if (name in MORE) return { oid, name, kind: 'base', storage: 'text', typmod: -1 };
  try {
    return pgType(name);
  } catch {
    return { oid, name, kind: 'pseudo', storage: 'text', typmod: -1 };
  }
}

function callOf({ oid, name, args, types, returns }: Proc): Call {
  return {
    kind: 'call',
    proc: oid,
    procName: `pg_catalog.${name}`,
    args: args.map((type, index) => ({ kind: 'column', index, type: typeOf(type, types[index]!) })),
    strict: true,
    type: typeOf(returns, 25),
    ...(args.some((type) => type === 'text' || type === 'character') ? { collation: pgType('text').collation! } : {}),
  };
}

/** Errors of the compiled call over these rows. */
function failuresOf(call: Call, rows: readonly (readonly string[])[]): string[] {
  const input = new DeltaBlock(rowLayout(call.args.map(({ type }) => type)));
  const output = rowLayout([call.type]);
  const parse = compileParse(input.layout);
  for (const row of rows) parse(row, input, input.push(1));
  const addresses = Int32Array.from(rows, (_, i) => input.rowAddress(i));
  const weights = Int32Array.from(rows, () => 1);
  const failures: string[] = [];
  const evaluator: Evaluator = { evaluate: (_sql, _types, asked) => asked.map(() => null) };
  const run = compileBlock({ inputs: [input.layout], where: [], outputs: [call], output }, evaluator);
  run(input, addresses, input, addresses, weights, rows.length, new DeltaBlock(output), { add: (state) => void failures.push(state) });
  return failures;
}

test('a function that cannot fail does not, in Postgres and as compiled', async () => {
  const total = procs.filter((proc) => cannotFail(callOf(proc)));
  expect(total.length).toBeGreaterThan(350);
  const wrong: string[] = [];
  for (const proc of total) {
    const random = seeded(SEED + proc.oid);
    const rows = Array.from({ length: CASES_EACH }, () => proc.args.map((type) => draw(type, random)));
    const sqls = rows.map((row) => {
      const args = row.map((text, i) => sqlLiteral(text, concrete(proc.args[i]!)));
      if (proc.variadic) args.push(`VARIADIC ${args.pop()}`);
      return `pg_catalog."${proc.name}"(${args.join(', ')})`;
    });
    for (const [i, answer] of (await postgres.answers(sqls)).entries()) if ('error' in answer) wrong.push(`${sqls[i]}: ${answer.error}`);
    const native = NATIVES.get(proc.oid);
    if (native === undefined) continue;
    // Where its code gives up, Postgres is asked.
    if (native.fails && native.partial !== true) wrong.push(`${proc.oid} ${proc.name}: its code may fail`);
    for (const failure of failuresOf(callOf(proc), rows)) wrong.push(`${proc.oid} ${proc.name} as compiled: ${failure}`);
  }
  expect(wrong.slice(0, 20), `${wrong.length} errors`).toEqual([]);
}, 120_000);

const column = (type: string): Expression => ({ kind: 'column', index: 0, type: pgType(type) });
const constant = (text: string, type: string): Expression => ({ kind: 'constant', text, type: pgType(type) });
const calling = (oid: number, ...args: Expression[]): Call => ({ ...callOf(procs.find((proc) => proc.oid === oid)!), args });
const PATTERNS = ['', '%', 'a%', '_', '\\a%', '%\\%', 'a\\\\b', '%a%b_c%'];
const FIELDS = ['year', 'month', 'day', 'quarter', 'week', 'dow', 'doy', 'isoyear', 'isodow', 'decade', 'century', 'millennium'];

/** With a constant: by what makes the call of it, what is asked of Postgres over a value. */
const WITH_CONSTANT: readonly [
  string,
  string,
  readonly string[],
  (constant: string) => Expression,
  (value: string, constant: string) => string,
][] = [
  [
    'LIKE',
    'text',
    PATTERNS,
    (text) => calling(850, column('text'), constant(text, 'text')),
    (x, text) => `${x} LIKE ${sqlLiteral(text, 'text')}`,
  ],
  ['extract', 'date', FIELDS, (unit) => calling(6199, constant(unit, 'text'), column('date')), (x, unit) => `extract(${unit} from ${x})`],
  [
    'extract',
    'timestamp without time zone',
    FIELDS,
    (unit) => calling(6202, constant(unit, 'text'), column('timestamp without time zone')),
    (x, unit) => `extract(${unit} from ${x})`,
  ],
  [
    'substr',
    'text',
    ['0', '2', '2147483647'],
    (n) => calling(877, column('text'), column('integer'), constant(n, 'integer')),
    (x, n) => `substr(${x}, -3, ${n})`,
  ],
];

test.each(WITH_CONSTANT)('nor does %s of %s with a constant that is known', async (_, type, constants, make, sql) => {
  expect(constants.filter((text) => !cannotFail(make(text)))).toEqual([]);
  const random = seeded(SEED);
  const values = [...edges(type), ...Array.from({ length: CASES_EACH }, () => sample(type, random))];
  const asked = constants.flatMap((text) => values.map((value) => sql(sqlLiteral(value, type), text)));
  expect((await postgres.answers(asked)).filter((answer) => 'error' in answer)).toEqual([]);
});

test('with other constants they can', () => {
  const text = column('text');
  expect([
    cannotFail(calling(850, text, constant('a\\', 'text'))),
    cannotFail(calling(850, text, text)),
    cannotFail(calling(6199, constant('hour', 'text'), column('date'))),
    cannotFail(calling(877, text, column('integer'), constant('-1', 'integer'))),
  ]).toEqual([false, false, false, false]);
});

test('a cast to text cannot fail, one from text can', async () => {
  const types = ['integer', 'numeric', 'real', 'date', 'timestamp with time zone', 'interval', 'uuid', 'bytea', 'jsonb', 'boolean'];
  const cast = (from: string, to: string): boolean => cannotFail({ kind: 'ioCast', arg: column(from), type: pgType(to) });
  expect(types.filter((type) => !cast(type, 'text') || cast('text', type))).toEqual([]);
  const random = seeded(SEED);
  const asked = types.flatMap((type) => Array.from({ length: CASES_EACH }, () => `${sqlLiteral(sample(type, random), type)}::text`));
  expect((await postgres.answers(asked)).filter((answer) => 'error' in answer)).toEqual([]);
});

test('arrays are compared without failing where their elements have the comparison', async () => {
  const compared = (element: PgType): boolean => {
    const type: PgType = { oid: 2277, name: 'x[]', kind: 'array', storage: 'text', typmod: -1, element };
    return cannotFail(calling(ARRAY_COMPARISONS[0], { kind: 'column', index: 0, type }));
  };
  expect([compared(pgType('integer')), compared(pgType('text')), compared(pgType('json'))]).toEqual([true, true, false]);
});

/** Of rows, ranges and the like: as good as what is inside, which is not looked into. */
const NOT_LISTED = ['aclitemeq', 'oidvectoreq', 'multirange_eq', 'range_eq', 'record_eq', 'record_image_eq'];

test('the comparisons are those of pg_amop, with their negators', async () => {
  const rows = await postgres.rows<{ name: string; oids: number[] }>(
    `SELECT e.oprcode::text AS name, ARRAY(SELECT coalesce((SELECT o.oprcode::oid::int4 FROM pg_operator o WHERE (o.oprleft, o.oprright, o.oprname) = (e.oprleft, e.oprright, symbol)), 0)
              FROM unnest(ARRAY['=', '<>', '<', '<=', '>', '>=']) WITH ORDINALITY AS u(symbol, i) ORDER BY i) AS oids
     FROM pg_operator e WHERE e.oid < 16384 AND e.oid IN (SELECT a.amopopr FROM pg_amop a JOIN pg_am m ON m.oid = a.amopmethod
       WHERE (m.amname, a.amopstrategy) IN (('btree', 3), ('hash', 1)))`,
  );
  const ours = [...Object.values(COMPARISONS), ARRAY_COMPARISONS].map((oids) => oids.join(' '));
  expect(
    rows
      .filter(({ name }) => !NOT_LISTED.includes(name))
      .map(({ oids }) => oids.join(' '))
      .sort(),
  ).toEqual(ours.sort());
});
