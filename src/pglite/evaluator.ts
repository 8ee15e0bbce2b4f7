/**
 * Postgres's own functions, for the expressions that have no native form (the `Evaluator` of dataflow/expression/contract.ts): called synchronously from the
 * engine's thread, which sleeps on a shared counter with a deadline while the evaluator worker works. Started when first needed (0.4 s, +80 MB or so).
 * Past its deadline, or when Postgres dies, the worker is terminated; that call throws, the next one opens another. Owned by the engine worker.
 */
import { MessageChannel, receiveMessageOnPort, type MessagePort, type Worker } from 'node:worker_threads';
import { MillraceError, millraceError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { startWorker } from '../base/worker.ts';
import type { Evaluator } from '../dataflow/expression/contract.ts';
import { STACK_MB } from './stack.ts';
import type { EvaluatorAnswer, EvaluatorRequest, EvaluatorWorkerData } from './evaluator-contract.ts';
import { decodeTextArray, encodeTextArray } from './text-array.ts';

/** Larger batches gain nothing. The deadline is for a part of one (batches.ts), so that a busy machine is not taken for an endless call. */
const BATCH_ROWS_MAX = 10_000;
const BATCH_CHARACTERS_MAX = 4 << 20;
/** Booting on a machine that is busy with hydration. */
const OPEN_TIMEOUT_MS = 30_000;
/** Prepared expressions in one worker; beyond, a new worker starts with none (views come and go for weeks). */
const EXPRESSIONS_MAX = 2_000;

type Rows = Parameters<Evaluator['evaluate']>[2];
type Results = ReturnType<Evaluator['evaluate']>;
type Settings = Readonly<Record<string, string>>;

export interface EvaluatorOptions {
  /** Without a sign of life. */
  readonly batchTimeoutMs?: number;
}

interface Opened {
  readonly worker: Worker;
  readonly port: MessagePort;
  readonly counters: Int32Array;
  readonly expressions: Set<string>;
}

export class PgliteEvaluator implements Evaluator {
  readonly #preparedTgz: Uint8Array;
  readonly #batchTimeoutMs: number;
  #types: readonly string[] = [];
  #opened: Opened | undefined;

  /** `preparedTgz`: from `preparedDirectory()`. */
  constructor(preparedTgz: Uint8Array, { batchTimeoutMs = limits.evaluatorBatchMsMax }: EvaluatorOptions = {}) {
    this.#preparedTgz = preparedTgz;
    this.#batchTimeoutMs = batchTimeoutMs;
  }

  /** The same evaluator under a view's captured settings (TimeZone, DateStyle, search_path …). */
  withSettings(settings: Settings): Evaluator {
    return { evaluate: (sql, argumentTypes, rows) => this.#evaluate(sql, argumentTypes, rows, settings) };
  }

  evaluate(sql: string, argumentTypes: readonly string[], rows: Rows): Results {
    return this.#evaluate(sql, argumentTypes, rows, {});
  }

  /**
   * All enums, domains, composites and ranges (and their schemas) as DDL, in order. A list that only grew is added to the running worker;
   * any other change starts a new one.
   */
  defineTypes(ddl: readonly string[]): void {
    const grown = this.#types.every((sql, i) => ddl[i] === sql);
    const added = ddl.slice(this.#types.length);
    this.#types = ddl;
    if (this.#opened === undefined) return;
    if (!grown) this.#drop();
    else if (added.length > 0) this.#ask(this.#opened, { kind: 'defineTypes', types: added }, OPEN_TIMEOUT_MS, 'CREATE TYPE');
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    opened?.port.close();
    await opened?.worker.terminate();
  }

  #evaluate(sql: string, argumentTypes: readonly string[], rows: Rows, settings: Settings): Results {
    const results: Results = [];
    for (let from = 0; from < rows.length;) {
      const to = batchEnd(rows, from);
      results.push(...this.#batch(sql, argumentTypes, rows, from, to, settings));
      from = to;
    }
    return results;
  }

  #batch(sql: string, argumentTypes: readonly string[], rows: Rows, from: number, to: number, settings: Settings): Results {
    const opened = this.#open();
    opened.expressions.add(JSON.stringify([settings, sql, argumentTypes]));
    const length = to - from;
    const columns = argumentTypes.map((_, column) => encodeTextArray(length, (i) => rows[from + i]![column] ?? null));
    const answer = this.#ask(
      opened,
      { kind: 'evaluate', sql, argumentTypes, settings, length, arguments: columns },
      this.#batchTimeoutMs,
      sql,
    );
    if (answer.kind !== 'values') throw this.#died(`unexpected answer ${answer.kind}`);
    const results: Results = answer.values.flatMap(decodeTextArray);
    if (results.length !== length) throw this.#died(`${results.length} values for ${length} rows`);
    for (const { row, sqlstate, message } of answer.failures) results[row] = { sqlstate, message };
    return results;
  }

  #open(): Opened {
    if (this.#opened !== undefined && this.#opened.expressions.size >= EXPRESSIONS_MAX) this.#drop();
    if (this.#opened !== undefined) return this.#opened;
    const { port1, port2 } = new MessageChannel();
    const counters = new SharedArrayBuffer(8);
    const worker = startWorker(import.meta.url, './evaluator-worker.ts', {
      workerData: { preparedTgz: this.#preparedTgz, port: port2, counters } satisfies EvaluatorWorkerData,
      transferList: [port2],
      resourceLimits: { stackSizeMb: STACK_MB },
    });
    // It is waited for by its counter, never by the event loop; what it dies of shows as a missed deadline.
    worker.on('error', () => this.#forget(worker));
    worker.on('exit', () => this.#forget(worker));
    worker.unref();
    const opened: Opened = { worker, port: port1, counters: new Int32Array(counters), expressions: new Set() };
    this.#opened = opened;
    this.#ask(opened, { kind: 'boot', types: this.#types }, OPEN_TIMEOUT_MS, 'the start of the evaluator');
    return opened;
  }

  #ask(opened: Opened, request: EvaluatorRequest, timeoutMs: number, what: string): EvaluatorAnswer {
    const before = Atomics.load(opened.counters, 0);
    let progress = Atomics.load(opened.counters, 1);
    opened.port.postMessage(request);
    while (Atomics.wait(opened.counters, 0, before, timeoutMs) === 'timed-out') {
      const seen = Atomics.load(opened.counters, 1);
      if (seen === progress) {
        this.#drop();
        throw millraceError('EVALUATION_TIMED_OUT', { timeoutMs, sql: what });
      }
      progress = seen;
    }
    const answer = receiveMessageOnPort(opened.port)?.message as EvaluatorAnswer | undefined;
    if (answer === undefined) throw this.#died('no answer');
    if (answer.kind === 'dead') throw this.#died(answer.reason);
    if (answer.kind === 'error') throw MillraceError.fromPlain(answer.error);
    return answer;
  }

  #died(reason: string): Error {
    this.#drop();
    return millraceError('STATEMENT_TOO_COMPLEX', {}, new Error(reason));
  }

  #drop(): void {
    const opened = this.#opened;
    this.#opened = undefined;
    opened?.port.close();
    // Takes effect in that thread at once; its end is not waited for.
    void opened?.worker.terminate();
  }

  #forget(worker: Worker): void {
    if (this.#opened?.worker === worker) this.#opened = undefined;
  }
}

/** As many rows from `from` on as make one batch; at least one. */
function batchEnd(rows: Rows, from: number): number {
  let characters = 0;
  let to = from;
  while (to < rows.length && to - from < BATCH_ROWS_MAX && characters < BATCH_CHARACTERS_MAX) {
    for (const value of rows[to]!) characters += value?.length ?? 0;
    to++;
  }
  return to;
}
