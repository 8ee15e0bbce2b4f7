/** Random expressions of every kind of node over rows with NULLs: value, NULL or error as Postgres itself gives it for the same SQL. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { literal } from '../../base/ident.ts';
import { rowLayout } from '../../values/layout.ts';
import { pgType, Postgres, type Answer } from '../../values/testing/postgres.ts';
import { sample, seeded, type Random } from '../../values/testing/samples.ts';
import type { PgType } from '../../values/type.ts';
import { DeltaBlock } from '../arrangement/delta-block.ts';
import type { Expression } from '../../plan/expression.ts';
import { cannotFail } from '../../plan/facts/failure.ts';
import { compileBlock } from './compile-block.ts';
import type { EvaluationFailure, Evaluator } from './contract.ts';
import { compileFormat, compileParse } from './rows.ts';

const BOOL = pgType('boolean');
const INT = pgType('integer');
const NUMERIC = pgType('numeric');
const TEXT = pgType('text');
const COLUMNS = [
  { name: 'b', type: BOOL },
  { name: 'c', type: BOOL },
  { name: 'i', type: INT },
  { name: 'j', type: INT },
  { name: 'n', type: NUMERIC },
  { name: 't', type: TEXT },
  { name: 'u', type: TEXT },
] as const;
const EXPRESSIONS = Number(process.env['MILLRACE_CASES'] ?? 250);
const SEED = Number(process.env['MILLRACE_SEED'] ?? 41);
const ROWS_EACH = 10;

/** [proc, name, result, arguments] */
const FUNCTIONS: readonly (readonly [number, string, PgType, readonly PgType[]])[] = [
  [177, 'int4pl', INT, [INT, INT]],
  [181, 'int4mi', INT, [INT, INT]],
  [141, 'int4mul', INT, [INT, INT]],
  [154, 'int4div', INT, [INT, INT]],
  [66, 'int4lt', BOOL, [INT, INT]],
  [65, 'int4eq', BOOL, [INT, INT]],
  [67, 'texteq', BOOL, [TEXT, TEXT]],
  [740, 'text_lt', BOOL, [TEXT, TEXT]],
  [1720, 'numeric_gt', BOOL, [NUMERIC, NUMERIC]],
  [1258, 'textcat', TEXT, [TEXT, TEXT]],
  [877, 'substr', TEXT, [TEXT, INT, INT]],
  [1317, 'length', INT, [TEXT]],
  [1724, 'numeric_add', NUMERIC, [NUMERIC, NUMERIC]],
  [1727, 'numeric_div', NUMERIC, [NUMERIC, NUMERIC]],
  [1740, 'numeric', NUMERIC, [INT]],
  [1744, 'int4', INT, [NUMERIC]],
  [2558, 'int4', INT, [BOOL]],
  [2971, 'text', TEXT, [BOOL]],
  // Not native: asked of Postgres.
  [1282, 'quote_ident', TEXT, [TEXT]],
];
const EQUAL = new Map<PgType, readonly [number, string]>([
  [BOOL, [60, '=']],
  [INT, [65, '=']],
  [NUMERIC, [1718, '=']],
  [TEXT, [67, '=']],
]);

interface Printed {
  readonly expression: Expression;
  readonly sql: string;
}

class Maker {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)]!;
  }

  column(type: PgType): Printed {
    const index = this.#pick(COLUMNS.flatMap((column, i) => (column.type === type ? [i] : [])));
    return { expression: { kind: 'column', index, type }, sql: COLUMNS[index]!.name };
  }

  constant(type: PgType): Printed {
    const text = sample(type.name, this.#random);
    return { expression: { kind: 'constant', text, type }, sql: `${literal(text)}::${type.name}` };
  }

  /** Never a constant by itself: Postgres would evaluate that (and its error) while planning. */
  make(type: PgType, depth: number): Printed {
    if (depth === 0) return this.column(type);
    const choice = this.#pick([
      'call',
      'call',
      'call',
      'case',
      'coalesce',
      'nullIf',
      'minMax',
      'ioCast',
      'canonical',
      ...(type === BOOL ? ['logic', 'logic', 'test', 'isNull', 'distinct', 'anyAll', 'not'] : []),
    ]);
    const down = depth - 1;
    const arg = (of: PgType): Printed => (this.#random() < 0.25 ? this.constant(of) : this.make(of, down));
    switch (choice) {
      case 'case': {
        const whens = [1, 2].map(() => ({ when: this.make(BOOL, down), result: arg(type) }));
        const otherwise = this.make(type, down);
        return {
          expression: {
            kind: 'case',
            whens: whens.map(({ when, result }) => branch(when.expression, result.expression)),
            otherwise: otherwise.expression,
            type,
          },
          sql: `CASE ${whens.map(({ when, result }) => `WHEN ${when.sql} THEN ${result.sql}`).join(' ')} ELSE ${otherwise.sql} END`,
        };
      }
      case 'coalesce': {
        const args = [this.make(type, down), this.make(type, down), arg(type)];
        return {
          expression: { kind: 'coalesce', args: args.map(({ expression }) => expression), type },
          sql: `coalesce(${args.map(({ sql }) => sql).join(', ')})`,
        };
      }
      case 'minMax': {
        const args = [this.make(type, down), arg(type), this.make(type, down)];
        const which = this.#pick(['greatest', 'least'] as const);
        return {
          expression: { kind: 'minMax', which, args: args.map(({ expression }) => expression), type },
          sql: `${which}(${args.map(({ sql }) => sql).join(', ')})`,
        };
      }
      case 'nullIf': {
        const [a, b] = [this.make(type, down), arg(type)];
        return {
          expression: { kind: 'nullIf', equal: EQUAL.get(type)![0], args: [a.expression, b.expression], type },
          sql: `nullif(${a.sql}, ${b.sql})`,
        };
      }
      case 'distinct': {
        const of = this.#pick([INT, TEXT, NUMERIC, BOOL]);
        const [a, b] = [this.make(of, down), arg(of)];
        return {
          expression: { kind: 'isDistinct', equal: EQUAL.get(of)![0], args: [a.expression, b.expression], type },
          sql: `(${a.sql} IS DISTINCT FROM ${b.sql})`,
        };
      }
      case 'logic': {
        const kind = this.#pick(['and', 'or'] as const);
        const args = [this.make(BOOL, down), this.make(BOOL, down), this.make(BOOL, down)];
        return {
          expression: { kind, args: args.map(({ expression }) => expression), type },
          sql: `(${args.map(({ sql }) => sql).join(` ${kind.toUpperCase()} `)})`,
        };
      }
      case 'not': {
        const a = this.make(BOOL, down);
        return { expression: { kind: 'not', arg: a.expression, type }, sql: `(NOT ${a.sql})` };
      }
      case 'test': {
        const a = this.make(BOOL, down);
        const [test, sql] = this.#pick([
          ['true', 'IS TRUE'],
          ['notTrue', 'IS NOT TRUE'],
          ['false', 'IS FALSE'],
          ['notFalse', 'IS NOT FALSE'],
          ['unknown', 'IS UNKNOWN'],
          ['notUnknown', 'IS NOT UNKNOWN'],
        ] as const);
        return { expression: { kind: 'booleanTest', test, arg: a.expression, type }, sql: `(${a.sql} ${sql})` };
      }
      case 'isNull': {
        const a = this.make(this.#pick([INT, TEXT, NUMERIC, BOOL]), down);
        const negated = this.#random() < 0.5;
        return { expression: { kind: 'isNull', arg: a.expression, negated, type }, sql: `(${a.sql} IS ${negated ? 'NOT ' : ''}NULL)` };
      }
      case 'anyAll': {
        const of = this.#pick([INT, TEXT, NUMERIC]);
        const left = this.make(of, down);
        const elements = [1, 2, 3, 4, 5].map(() =>
          this.#random() < 0.1
            ? { expression: { kind: 'constant', text: null, type: of } as const, sql: `NULL::${of.name}` }
            : this.#random() < 0.8
              ? this.constant(of)
              : this.column(of),
        );
        const quantifier = this.#pick(['any', 'all'] as const);
        const [proc, operator] = EQUAL.get(of)!;
        return {
          expression: {
            kind: 'anyAll',
            quantifier,
            proc,
            procName: 'pg_catalog.eq',
            left: left.expression,
            elements: elements.map(({ expression }) => expression),
            type,
          },
          sql: `(${left.sql} ${operator} ${quantifier.toUpperCase()} (ARRAY[${elements.map(({ sql }) => sql).join(', ')}]))`,
        };
      }
      case 'ioCast': {
        const from = type === TEXT ? this.#pick([INT, NUMERIC]) : TEXT;
        const a = this.make(from, down);
        return { expression: { kind: 'ioCast', arg: a.expression, type }, sql: `(${a.sql})::${type.name}` };
      }
      case 'canonical': {
        const a = this.make(type, down);
        return { expression: { kind: 'canonical', arg: a.expression, type }, sql: type === NUMERIC ? `trim_scale(${a.sql})` : a.sql };
      }
      default: {
        const [proc, name, , types] = this.#pick(FUNCTIONS.filter(([, , result]) => result === type));
        const args = types.map((of, i) => (i === 0 ? this.make(of, down) : arg(of)));
        return {
          expression: {
            kind: 'call',
            proc,
            procName: `pg_catalog.${name}`,
            args: args.map(({ expression }) => expression),
            strict: true,
            type,
          },
          sql: `pg_catalog."${name}"(${args.map(({ sql }) => sql).join(', ')})`,
        };
      }
    }
  }
}

// oxlint-disable-next-line unicorn/no-thenable -- the plan's word for a branch
const branch = (when: Expression, result: Expression): { when: Expression; then: Expression } => ({ when, then: result });

/** Answers what has been asked of Postgres before; what has not is noted, and the block is run once more when Postgres has answered. */
class NotingEvaluator implements Evaluator {
  readonly #known = new Map<string, Answer>();
  #noted = new Map<string, string>();

  evaluate(
    sql: string,
    argumentTypes: readonly string[],
    rows: readonly (readonly (string | null)[])[],
  ): (string | null | EvaluationFailure)[] {
    return rows.map((row) => {
      const question = sql.replace(
        /\$(\d+)::\w+/g,
        (_, n: string) => `(${row[Number(n) - 1] === null ? 'NULL' : literal(row[Number(n) - 1]!)}::${argumentTypes[Number(n) - 1]!})`,
      );
      const answer = this.#known.get(question);
      if (answer === undefined) this.#noted.set(question, question);
      if (answer === undefined) return null;
      return 'error' in answer ? { sqlstate: answer.error.slice(0, 5), message: answer.error.slice(6) } : answer.text;
    });
  }

  /** Were there new questions? */
  async settle(): Promise<boolean> {
    const questions = [...this.#noted.keys()];
    this.#noted = new Map();
    const answers = await postgres.answers(questions);
    questions.forEach((question, i) => this.#known.set(question, answers[i]!));
    return questions.length > 0;
  }
}

let postgres: Postgres;
beforeAll(async () => {
  postgres = await Postgres.start();
});
afterAll(() => postgres.close());

test('every kind of expression equals Postgres', async () => {
  const random = seeded(SEED);
  const maker = new Maker(random);
  const input = new DeltaBlock(rowLayout(COLUMNS.map(({ type }) => type)));
  const small = (type: PgType): string => (type === INT ? String(Math.floor(random() * 7) - 3) : sample(type.name, random));
  const rows = Array.from({ length: ROWS_EACH }, () => COLUMNS.map(({ type }) => (random() < 0.25 ? null : small(type))));
  const parse = compileParse(input.layout);
  for (const row of rows) parse(row, input, input.push(1));
  const sources = rows.map(
    (row) =>
      `(VALUES (${row.map((text, i) => `${text === null ? 'NULL' : literal(text)}::${COLUMNS[i]!.type.name}`).join(', ')}) OFFSET 0) AS r(${COLUMNS.map(({ name }) => name).join(', ')})`,
  );
  const addresses = Int32Array.from(rows, (_, i) => input.rowAddress(i));
  const weights = Int32Array.from(rows, (_, i) => i + 1);

  const cases = Array.from({ length: EXPRESSIONS }, () =>
    maker.make([BOOL, INT, NUMERIC, TEXT][Math.floor(random() * 4)]!, 1 + Math.floor(random() * 3)),
  );
  const expected = await postgres.answers(cases.flatMap(({ sql }) => sources.map((source) => `(SELECT ${sql} FROM ${source})`)));
  const differences: string[] = [];
  const evaluator = new NotingEvaluator();
  const evaluate = (expression: Expression): Answer[] => {
    const output = rowLayout([expression.type]);
    const out = new DeltaBlock(output);
    const answers: Answer[] = [];
    const errors = {
      add: (sqlstate: string, message: string, weight: number) => void (answers[weight - 1] = { error: `${sqlstate} ${message}` }),
    };
    const block = compileBlock({ inputs: [input.layout], where: [], outputs: [expression], output }, evaluator);
    block(input, addresses, input, addresses, weights, rows.length, out, errors);
    const format = compileFormat(output);
    for (let i = 0; i < out.length; i++) answers[out.weights[i]! - 1] = { text: format(out, out.rowAddress(i))[0]! };
    return answers;
  };
  let actual: Answer[][];
  do actual = cases.map(({ expression }) => evaluate(expression));
  while (await evaluator.settle());
  cases.forEach(({ sql, expression }, n) => {
    const answers = actual[n]!;
    rows.forEach((row, i) => {
      const want = expected[n * rows.length + i]!;
      if ('error' in want && cannotFail(expression)) differences.push(`${sql} fails, and was held to be unable to: ${want.error}`);
      if (JSON.stringify(answers[i]) !== JSON.stringify(want)) {
        differences.push(`${sql} over ${JSON.stringify(row)}: ${JSON.stringify(answers[i])}, Postgres ${JSON.stringify(want)}`);
      }
    });
  });
  expect(differences.slice(0, 10), `${differences.length} differences`).toEqual([]);
});
