/** What a generated loop does with rows: filter, project, pad, fail a row at a time, wait for Postgres. */
import { expect, test } from 'vitest';
import { rowLayout } from '../../values/layout.ts';
import type { ErrorSink } from '../../values/space.ts';
import { storageOf, type PgType } from '../../values/type.ts';
import { DeltaBlock } from '../arrangement/delta-block.ts';
import type { Expression } from '../../plan/expression.ts';
import { compileBlock, compilePredicate } from './compile-block.ts';
import type { BlockSpec, Evaluator } from './contract.ts';
import { compileFormat, compileParse } from './rows.ts';

const type = (oid: number, name: string): PgType => ({ oid, name, kind: 'base', storage: storageOf(oid), typmod: -1 });
const INT4 = type(23, 'integer');
const TEXT = type(25, 'text');
const BOOL = type(16, 'boolean');

const column = (index: number, of: PgType): Expression => ({ kind: 'column', index, type: of });
const constant = (text: string | null, of: PgType): Expression => ({ kind: 'constant', text, type: of });
const call = (proc: number, of: PgType, ...args: Expression[]): Expression => ({
  kind: 'call',
  proc,
  procName: 'pg_catalog.f',
  args,
  strict: true,
  type: of,
});

function blockOf(
  types: readonly PgType[],
  rows: readonly (readonly (string | null)[])[],
): { block: DeltaBlock; addresses: Int32Array; weights: Int32Array } {
  const block = new DeltaBlock(rowLayout(types));
  const parse = compileParse(block.layout);
  for (const row of rows) parse(row, block, block.push(1));
  return {
    block,
    addresses: Int32Array.from(rows, (_, i) => block.rowAddress(i)),
    weights: Int32Array.from(rows, (_, i) => i + 1),
  };
}

function collecting(): ErrorSink & { seen: string[] } {
  const seen: string[] = [];
  return { seen, add: (sqlstate, message, weight) => void seen.push(`${sqlstate} ${message} ×${weight}`) };
}

function run(spec: BlockSpec, input: ReturnType<typeof blockOf>, evaluator?: Evaluator): { rows: unknown[]; errors: string[] } {
  const out = new DeltaBlock(spec.output);
  const errors = collecting();
  compileBlock(spec, evaluator)(
    input.block,
    input.addresses,
    input.block,
    input.addresses,
    input.weights,
    input.addresses.length,
    out,
    errors,
  );
  const format = compileFormat(spec.output);
  return {
    rows: Array.from({ length: out.length }, (_, i) => [...format(out, out.rowAddress(i)), out.weights[i]]),
    errors: errors.seen,
  };
}

test('keeps the rows for which every predicate is true, projected', () => {
  const input = blockOf(
    [INT4, TEXT],
    [
      ['1', 'one'],
      ['2', 'a text longer than twelve bytes'],
      [null, 'none'],
      ['4', null],
    ],
  );
  const spec: BlockSpec = {
    inputs: [input.block.layout],
    where: [call(147, BOOL, column(0, INT4), constant('1', INT4))], // >
    outputs: [column(1, TEXT), call(177, INT4, column(0, INT4), constant('10', INT4))], // +
    output: rowLayout([TEXT, INT4]),
  };
  expect(run(spec, input)).toEqual({
    rows: [
      ['a text longer than twelve bytes', '12', 2],
      [null, '14', 4],
    ],
    errors: [],
  });
});

test('a failing row is an error with its weight, and the others go on', () => {
  const input = blockOf([INT4], [['2147483647'], ['1'], ['0']]);
  const spec: BlockSpec = {
    inputs: [input.block.layout],
    where: [],
    outputs: [call(154, INT4, call(177, INT4, column(0, INT4), constant('1', INT4)), column(0, INT4))], // (x + 1) / x
    output: rowLayout([INT4]),
  };
  expect(run(spec, input)).toEqual({ rows: [['2', 2]], errors: ['22003 integer out of range ×1', '22012 division by zero ×3'] });
});

test('AND and CASE stop before an argument that would fail', () => {
  const input = blockOf([INT4], [['0'], ['2'], [null]]);
  const inverse = call(154, INT4, constant('10', INT4), column(0, INT4));
  const nonzero = call(144, BOOL, column(0, INT4), constant('0', INT4));
  const spec: BlockSpec = {
    inputs: [input.block.layout],
    where: [],
    outputs: [
      // oxlint-disable-next-line unicorn/no-thenable -- the plan's word for a branch
      { kind: 'case', whens: [{ when: nonzero, then: inverse }], otherwise: constant('-1', INT4), type: INT4 },
      { kind: 'and', args: [nonzero, call(65, BOOL, inverse, constant('5', INT4))], type: BOOL },
    ],
    output: rowLayout([INT4, BOOL]),
  };
  expect(run(spec, input)).toEqual({
    rows: [
      ['-1', 'f', 1],
      ['5', 't', 2],
      ['-1', null, 3],
    ],
    errors: [],
  });
});

test('a predicate decides without writing', () => {
  const input = blockOf([TEXT], [['seven'], ['a text of more than twelve'], [null], ['Seven']]);
  const decide = (text: string): number[] => {
    const pass = new Uint8Array(4);
    const same = call(67, BOOL, column(0, TEXT), constant(text, TEXT));
    const { block, addresses, weights } = input;
    compilePredicate({ inputs: [block.layout], where: [same] })(block, addresses, block, addresses, weights, 4, pass, collecting());
    return [...pass];
  };
  expect(decide('seven')).toEqual([1, 0, 0, 0]);
  expect(decide('a text of more than twelve')).toEqual([0, 1, 0, 0]);
});

test('what only Postgres can do is asked in one batch a block, each distinct argument once', () => {
  const asked: unknown[] = [];
  const evaluator: Evaluator = {
    evaluate(sql, argumentTypes, rows) {
      asked.push([sql, argumentTypes, rows]);
      return rows.map(([text]) =>
        text === 'bad' ? { sqlstate: '22023', message: 'no such thing' } : text === 'null' ? null : `<${text}>`,
      );
    },
  };
  const input = blockOf([TEXT], [['a'], ['b'], ['a'], ['bad'], [null], ['null']]);
  const unknown: Expression = {
    kind: 'call',
    proc: 99_999_999,
    procName: 'pg_catalog.soundex',
    args: [column(0, TEXT)],
    strict: true,
    type: TEXT,
  };
  const spec: BlockSpec = { inputs: [input.block.layout], where: [], outputs: [unknown], output: rowLayout([TEXT]) };
  const result = run(spec, input, evaluator);
  expect(new Set(result.rows)).toEqual(
    new Set([
      [null, 5],
      [null, 6],
      ['<a>', 1],
      ['<a>', 3],
      ['<b>', 2],
    ]),
  );
  expect(result.errors).toEqual(['22023 no such thing ×4']);
  expect(asked).toEqual([['pg_catalog.soundex($1::text)', ['text'], [['a'], ['b'], ['bad'], ['null']]]]);
});
