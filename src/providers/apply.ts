/**
 * Does the steps of a plan, one after the other. Each step: read the state again, skip it if there is nothing to do, do it, wait, read again. Every step can be done twice,
 * so a run that was interrupted anywhere is completed by the next one. Stops at the first failure and at the first restart that was not allowed (I-4, I-6).
 * A step is proved at the end, by the checks that had failed: see `setup.ts`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { must } from '../base/assert.ts';
import { millraceError, MillraceError, reasonOf } from '../base/errors.ts';
import { connectUpstream, type UpstreamConnection } from '../upstream/connection/connect.ts';
import type { ConnectionParameters } from '../upstream/connection/parameters.ts';
import type { AppliedState, SqlStep, Step } from './model.ts';
import { PASSWORD } from './sql-steps.ts';
import { passwordVerifier } from './verifier.ts';

export interface Applied {
  readonly id: string;
  readonly state: AppliedState;
  /** Why it is not done. */
  readonly reason?: string;
}

export interface ApplyOptions {
  /** Of the role that is made; needed by a step that holds `${password}`. */
  readonly password?: string | undefined;
  readonly restartAllowed: boolean;
  readonly onStep?: ((step: Step, state: 'begins' | AppliedState, line?: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** ALTER TABLE queues behind whoever holds the table, and everybody queues behind it: give up soon, try again. */
const LOCK_TIMEOUT_MS = 2_000;
const LOCK_TRIES = 5;
const LOCK_PAUSE_MS = 1_000;
const STATEMENT_TIMEOUT_MS = 30_000;
/** What SQL has set may take a moment to be seen (pg_reload_conf). */
const SATISFIED_TRIES = 40;
const SATISFIED_PAUSE_MS = 100;
const SERVER_BACK_MS = 15 * 60_000;
const SERVER_BACK_PAUSE_MS = 500;

export async function apply(parameters: ConnectionParameters, steps: readonly Step[], options: ApplyOptions): Promise<Applied[]> {
  const sql = new Session(parameters, options.signal);
  const applied: Applied[] = [];
  const tell = options.onStep ?? ((): void => undefined);
  let stopped: string | undefined;
  try {
    for (const step of steps) {
      if (stopped !== undefined) {
        applied.push({ id: step.id, state: 'not reached', reason: stopped });
        continue;
      }
      tell(step, 'begins');
      let outcome: Omit<Applied, 'id'>;
      try {
        outcome = await one(step, sql, options, (line) => tell(step, 'begins', line));
      } catch (error) {
        options.signal?.throwIfAborted();
        outcome = { state: 'failed', reason: reasonInFull(error) };
      }
      applied.push({ id: step.id, ...outcome });
      tell(step, outcome.state, outcome.reason);
      if (outcome.state === 'failed' || outcome.state === 'not allowed') stopped = `after ${step.id}`;
    }
  } finally {
    await sql.end();
  }
  return applied;
}

async function one(step: Step, sql: Session, options: ApplyOptions, progress: (line: string) => void): Promise<Omit<Applied, 'id'>> {
  switch (step.via) {
    case 'hand':
      if (await satisfied(step, sql)) return { state: 'skipped' };
      return { state: 'by hand', reason: step.because };
    case 'sql':
      if (await satisfied(step, sql)) return { state: 'skipped' };
      await run(step, sql, options);
      return { state: 'done' };
    case 'api': {
      const state = await step.state(options.signal);
      if (state === 'done') return { state: 'skipped' };
      if (step.restarts && state === 'todo' && !options.restartAllowed)
        return { state: 'not allowed', reason: 'it restarts the server: --yes-restart allows that' };
      if (step.restarts) await sql.end();
      await step.apply(progress, options.signal);
      if (step.restarts) await sql.back(progress);
      return { state: 'done' };
    }
  }
}

async function run(step: SqlStep, sql: Session, options: ApplyOptions): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const connection = await sql.connection();
    try {
      if (step.transaction !== false) await connection.query('BEGIN');
      for (const statement of step.statements) await connection.query(withPassword(statement, options.password));
      if (step.transaction !== false) await connection.query('COMMIT');
      break;
    } catch (error) {
      await connection.query('ROLLBACK').catch(() => undefined);
      const { code } = error as { code?: unknown };
      if (code === '55P03' && attempt < LOCK_TRIES) {
        await sleep(LOCK_PAUSE_MS, undefined, { signal: options.signal });
        continue;
      }
      if (connection.lost !== undefined) throw connection.failure(error, { doing: step.title });
      throw millraceError('SETUP_STEP_REFUSED', { step: step.title, said: reasonOf(error), request: step.request }, error);
    }
  }
  if (step.satisfied === undefined) return;
  for (let attempt = 0; attempt < SATISFIED_TRIES; attempt++) {
    if (await satisfied(step, sql)) return;
    await sleep(SATISFIED_PAUSE_MS);
  }
  throw millraceError('SETUP_STEP_WITHOUT_EFFECT', { step: step.title, request: step.request });
}

function withPassword(statement: string, password: string | undefined): string {
  if (!statement.includes(PASSWORD)) return statement;
  return statement.replaceAll(PASSWORD, passwordVerifier(must(password, 'the password of the new role')));
}

async function satisfied(step: { readonly satisfied?: string | undefined }, sql: Session): Promise<boolean> {
  if (step.satisfied === undefined) return false;
  const connection = await sql.connection();
  const [row] = await connection.query(step.satisfied);
  return row !== undefined && Object.values(row)[0] === 't';
}

function reasonInFull(error: unknown): string {
  if (error instanceof MillraceError)
    return [error.message, error.detail, error.hint].filter((part) => part !== undefined && part !== '').join(' · ');
  return reasonOf(error);
}

/** One SQL session, made when it is needed and made again after it was lost. */
class Session {
  readonly #parameters: ConnectionParameters;
  readonly #signal: AbortSignal | undefined;
  #connection: UpstreamConnection | undefined;

  constructor(parameters: ConnectionParameters, signal: AbortSignal | undefined) {
    this.#parameters = parameters;
    this.#signal = signal;
  }

  async connection(): Promise<UpstreamConnection> {
    if (this.#connection !== undefined && this.#connection.lost === undefined) return this.#connection;
    this.#connection = await connectUpstream(this.#parameters, {
      purpose: 'setup',
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
      lockTimeoutMs: LOCK_TIMEOUT_MS,
      signal: this.#signal,
    });
    return this.#connection;
  }

  /** The control plane says that the restart is over; now the server itself must say so. */
  async back(progress: (line: string) => void): Promise<void> {
    const deadline = Date.now() + SERVER_BACK_MS;
    for (;;) {
      try {
        await this.connection();
        return;
      } catch (error) {
        this.#signal?.throwIfAborted();
        if (Date.now() > deadline) throw error;
        progress('waiting for the server to accept connections');
        await sleep(SERVER_BACK_PAUSE_MS, undefined, { signal: this.#signal });
      }
    }
  }

  async end(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.end();
  }
}
