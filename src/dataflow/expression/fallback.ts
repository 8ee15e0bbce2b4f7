/**
 * Calls that only Postgres itself can answer: memoised over distinct arguments, asked in batches. A row that meets an unanswered call is set aside,
 * the batch is evaluated, and the rows set aside are run again; each round answers at least one call of every waiting row, so the rounds end.
 * A failed evaluation is that row's error. The memo is bounded (I-6): it forgets everything between two blocks once it is full, never within one.
 */
import { assert } from '../../base/assert.ts';
import { codecOf, type Value } from '../../values/codec.ts';
import { ValueFailure } from '../../values/failure.ts';
import type { PgType } from '../../values/type.ts';
import type { Evaluator } from './contract.ts';
import { plainTypeName } from '../../values/type-name.ts';

const MEMO_ENTRIES_MAX = 100_000;
/** Of questions and answers together, as characters. */
const MEMO_CHARACTERS_MAX = 16 << 20;
const BATCH_ROWS_MAX = 10_000;

/** The fallback calls of one compiled function. */
export class FallbackCalls {
  readonly #evaluator: Evaluator | undefined;
  readonly #memos: Memo[] = [];

  constructor(evaluator: Evaluator | undefined) {
    this.#evaluator = evaluator;
  }

  get used(): boolean {
    return this.#memos.length > 0;
  }

  add(sql: string, argumentTypes: readonly PgType[], type: PgType): Memo {
    const memo = new Memo(sql, argumentTypes, type);
    this.#memos.push(memo);
    return memo;
  }

  /** Answers every open question. */
  evaluate(): void {
    let asked = 0;
    for (const memo of this.#memos) asked += memo.evaluate(this.#evaluator);
    assert(asked > 0, 'rows were set aside without a question');
  }

  /** Between blocks. */
  trim(): void {
    for (const memo of this.#memos) memo.trim();
  }
}

export class Memo {
  readonly #sql: string;
  readonly #argumentTypes: readonly string[];
  readonly #format: readonly ((value: Value) => string)[];
  readonly #parse: (text: string) => Value;
  readonly #answers = new Map<string, Value | null | ValueFailure>();
  #open = new Map<string, readonly (string | null)[]>();
  #characters = 0;

  constructor(sql: string, argumentTypes: readonly PgType[], type: PgType) {
    this.#sql = sql;
    this.#argumentTypes = argumentTypes.map(plainTypeName);
    this.#format = argumentTypes.map((argument) => {
      const codec = codecOf(argument);
      return (value: Value) => codec.format(value);
    });
    const codec = codecOf(type);
    this.#parse = (text) => codec.parse(text);
  }

  /** The value, null for NULL, undefined when it must be asked first. Throws the failure that Postgres gave. */
  answer(args: readonly (Value | null)[]): Value | null | undefined {
    const texts = args.map((value, i) => (value === null ? null : this.#format[i]!(value)));
    const key = texts.length === 1 ? (texts[0] === null ? 'n' : `v${texts[0]!}`) : JSON.stringify(texts);
    const answer = this.#answers.get(key);
    if (answer instanceof ValueFailure) throw answer;
    if (answer === undefined) this.#open.set(key, texts);
    return answer;
  }

  evaluate(evaluator: Evaluator | undefined): number {
    if (this.#open.size === 0) return 0;
    assert(evaluator !== undefined, `no evaluator for ${this.#sql}`);
    const open = [...this.#open];
    this.#open = new Map();
    for (let from = 0; from < open.length; from += BATCH_ROWS_MAX) {
      const batch = open.slice(from, from + BATCH_ROWS_MAX);
      const results = evaluator.evaluate(
        this.#sql,
        this.#argumentTypes,
        batch.map(([, texts]) => texts),
      );
      assert(results.length === batch.length, 'the evaluator answers every row');
      batch.forEach(([key], i) => {
        const result = results[i]!;
        this.#characters += key.length + (typeof result === 'string' ? result.length : 0);
        if (result === null) this.#answers.set(key, null);
        else if (typeof result === 'string') this.#answers.set(key, this.#parse(result));
        else this.#answers.set(key, new ValueFailure(result.sqlstate, result.message));
      });
    }
    return open.length;
  }

  trim(): void {
    if (this.#answers.size <= MEMO_ENTRIES_MAX && this.#characters <= MEMO_CHARACTERS_MAX) return;
    this.#answers.clear();
    this.#characters = 0;
  }
}
