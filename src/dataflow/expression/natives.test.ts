/** Every native implementation against Postgres itself: the same text, NULL, or SQLSTATE and message, over edge values and random ones. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { rowLayout } from '../../values/layout.ts';
import { pgType, Postgres, sqlLiteral, type Answer } from '../../values/testing/postgres.ts';
import { sample, seeded, type Random } from '../../values/testing/samples.ts';
import { DeltaBlock } from '../arrangement/delta-block.ts';
import type { Call, Expression } from '../../plan/expression.ts';
import { compileBlock } from './compile-block.ts';
import type { Evaluator } from './contract.ts';
import { NATIVES } from './natives/table.ts';
import { compileFormat, compileParse } from './rows.ts';

const CASES_EACH = Number(process.env['MILLRACE_CASES'] ?? 40);
const SEED = Number(process.env['MILLRACE_SEED'] ?? 18);

let postgres: Postgres;
let procs: Map<number, { name: string; args: string[]; returns: string; variadic: boolean }>;

beforeAll(async () => {
  postgres = await Postgres.start();
  const rows = await postgres.rows<{ oid: number; name: string; args: string[]; returns: string; variadic: boolean }>(
    `SELECT oid::int4 AS oid, proname AS name, ARRAY(SELECT format_type(t, NULL) FROM unnest(proargtypes) AS t) AS args, format_type(prorettype, NULL) AS returns, provariadic <> 0 AS variadic FROM pg_proc`,
  );
  // What takes any type is tried with an integer; concat is in compile.test.ts.
  procs = new Map(rows.map((row) => [row.oid, { ...row, args: row.args.map((type) => (type === 'anynonarray' ? 'integer' : type)) }]));
});

afterAll(() => postgres.close());

/** What this argument of this function should be drawn from, where its type alone makes dull cases. */
function draw(name: string, index: number, type: string, random: Random): string {
  const some = (...list: string[]): string => list[Math.floor(random() * list.length)]!;
  if (type === 'integer') {
    if (['repeat', 'lpad', 'rpad', 'left', 'right', 'substr', 'substring', 'split_part'].includes(name)) {
      return some('0', '1', '2', '3', '-1', '-3', '5', '13', '30', ...(name === 'substr' ? ['2147483647', '-2147483648'] : []));
    }
    if (name === 'chr') return some('0', '-1', '65', '128512', '1114112', '55296', '233');
    if (name === 'numeric') return some('-1', '655366', '262148', '1310736', '655364', '131078', '329730');
    if (['varchar', 'bpchar'].includes(name)) return some('-1', '5', '7', '16', '24');
    if (['round', 'trunc'].includes(name)) return some('0', '1', '2', '-1', '-3', '20', '2147483647', '-2147483648', '4');
    if (['time', 'timestamp', 'timestamptz', 'interval'].includes(name) && index === 1) return some('0', '1', '3', '6');
  }
  if (type === 'text' && index === 0 && ['date_part', 'extract', 'date_trunc'].includes(name)) {
    return some(
      'year',
      'month',
      'day',
      'hour',
      'minute',
      'second',
      'week',
      'quarter',
      'dow',
      'doy',
      'isoyear',
      'isodow',
      'epoch',
      'milliseconds',
      'microseconds',
      'decade',
      'century',
      'millennium',
      'YEAR',
      'julian',
      'days',
      'fortnight',
      'timezone',
    );
  }
  if (
    type === 'text' &&
    [
      'like',
      'notlike',
      'textlike',
      'textnlike',
      'texticlike',
      'texticnlike',
      'bpcharlike',
      'bpcharnlike',
      'bpchariclike',
      'bpcharicnlike',
    ].includes(name) &&
    index === 1
  ) {
    return some(
      '%',
      'a%',
      '%c',
      '_',
      'a_c',
      '%b%',
      'abc',
      'A%',
      '',
      '%%',
      '_%_',
      'a\\%b',
      'a\\',
      '\\',
      '%\\',
      '%😀%',
      '___',
      '%a%b%',
      '%of%12%',
    );
  }
  if (name === 'make_date') return some('2024', '1', '2', '29', '30', '12', '0', '-44', '2023', '13', '-4713', '5874898');
  if (type === 'text' && (name === 'timezone' || (name === 'date_trunc' && index === 2))) return some('UTC', 'GMT', 'Europe/Berlin');
  if (type === 'text[]' && name.startsWith('json'))
    return some('{a}', '{a,b}', '{a,b,1}', '{1}', '{-1}', '{2,three}', '{}', '{a,NULL}', '{k}');
  if (type === 'text' && name.startsWith('json')) return some('a', 'b', 'k', 'x', '', 'long key with spaces', 'two', 'q"');
  if (type === 'integer' && name.startsWith('json')) return some('0', '1', '2', '-1', '-4', '5', '2147483647', '-2147483648');
  return sample(type, random);
}

function evaluate(
  call: Call,
  tuples: readonly (readonly (string | null)[])[],
  constants: ((tuple: readonly (string | null)[]) => boolean) | undefined,
): Answer[] {
  const types = call.args.map((arg) => arg.type);
  const input = new DeltaBlock(rowLayout(types));
  const output = rowLayout([call.type]);
  const out = new DeltaBlock(output);
  const format = compileFormat(output);
  const answers: Answer[] = Array.from({ length: tuples.length });
  const errors = {
    add: (sqlstate: string, message: string, weight: number) => void (answers[weight - 1] = { error: `${sqlstate} ${message}` }),
  };
  const parse = compileParse(input.layout);
  tuples.forEach((tuple) => parse(tuple, input, input.push(1)));
  // What a native leaves to Postgres is not this test's: such rows get no answer here.
  const spec = (expression: Expression) => ({ inputs: [input.layout] as const, where: [], outputs: [expression], output });
  if (constants !== undefined) {
    tuples.forEach((tuple, i) => {
      if (!constants(tuple)) return;
      const folded: Call = { ...call, args: tuple.map((text, n) => ({ kind: 'constant', text, type: types[n]! })) };
      compileBlock(spec(folded), LEFT_TO_POSTGRES)(input, Int32Array.of(0), input, Int32Array.of(0), Int32Array.of(i + 1), 1, out, errors);
    });
  } else {
    const addresses = Int32Array.from(tuples, (_, i) => input.rowAddress(i));
    compileBlock(spec(call), LEFT_TO_POSTGRES)(
      input,
      addresses,
      input,
      addresses,
      Int32Array.from(tuples, (_, i) => i + 1),
      tuples.length,
      out,
      errors,
    );
  }
  for (let i = 0; i < out.length; i++) answers[out.weights[i]! - 1] = { text: format(out, out.rowAddress(i))[0]! };
  return answers;
}

const LEFT = '55000 left to Postgres';
const LEFT_TO_POSTGRES: Evaluator = {
  evaluate: (_sql, _types, rows) => rows.map(() => ({ sqlstate: LEFT.slice(0, 5), message: LEFT.slice(6) })),
};

const show = (answer: Answer): string => ('error' in answer ? answer.error : answer.text === null ? 'NULL' : JSON.stringify(answer.text));

test('every native equals Postgres', async () => {
  const failures: string[] = [];
  for (const [oid, native] of NATIVES) {
    const proc = procs.get(oid);
    if (proc === undefined) {
      failures.push(`${oid} ${native.name}: no such function`);
      continue;
    }
    if (proc.args.includes('"any"')) continue;
    const random = seeded(SEED + oid);
    const tuples = Array.from({ length: CASES_EACH }, () =>
      proc.args.map((type, i) => (random() < 0.03 ? null : draw(proc.name, i, type, random))),
    );
    const typeNames = proc.args.map((type) => (type === 'anyenum' ? 'mood' : type === 'character' ? 'bpchar' : type));
    const expected = await postgres.answers(
      tuples.map(
        (tuple) =>
          `pg_catalog."${proc.name}"(${tuple.map((text, i) => (proc.variadic && i === tuple.length - 1 ? 'VARIADIC ' : '') + sqlLiteral(text, typeNames[i]!)).join(', ')})`,
      ),
    );
    const call: Call = {
      kind: 'call',
      proc: oid,
      procName: `pg_catalog.${proc.name}`,
      args: proc.args.map((type, index) => ({ kind: 'column', index, type: pgType(type) })),
      strict: true,
      type: pgType(proc.returns),
      ...(typeNames.some((name) => name === 'text' || name === 'bpchar') ? { collation: pgType('text').collation! } : {}),
    };
    // Some want a constant argument (a unit, a zone); what they do not cover is the fallback's.
    const constantCall = (tuple: readonly (string | null)[]): Call => ({
      ...call,
      args: tuple.map((text, n) => ({ kind: 'constant', text, type: call.args[n]!.type })),
    });
    const covered = (tuple: readonly (string | null)[]): boolean => native.covers?.(constantCall(tuple)) !== false;
    if (!tuples.some(covered)) failures.push(`${oid} ${proc.name}: no case is covered`);
    const modes = native.covers?.(call) === false ? [true] : [false, true];
    for (const constants of modes) {
      const actual = evaluate(call, tuples, constants ? covered : undefined);
      tuples.forEach((tuple, i) => {
        if ((constants && !covered(tuple)) || (native.partial === true && show(actual[i]!) === LEFT)) return;
        if (show(actual[i]!) !== show(expected[i]!)) {
          failures.push(
            `${oid} ${proc.name}(${tuple.map((text) => (text === null ? 'NULL' : `'${text}'`)).join(', ')})${constants ? ' constant' : ''}: ${show(actual[i]!)}, Postgres ${show(expected[i]!)}`,
          );
        }
      });
    }
  }
  expect(failures.slice(0, 60), `${failures.length} differences`).toEqual([]);
});
