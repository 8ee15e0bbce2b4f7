/**
 * One client's session: settings, transaction block, cursors and prepared statements, from its first statement to its close. What a statement does is its own
 * (`statements/`); here it is guarded: one after another, cancelled at any moment, a failure fails the block. Knows nothing of the protocol (`server/pgwire` does).
 */
import type { SessionMemory } from '../base/client-memory.ts';
import { millraceError, MillraceError } from '../base/errors.ts';
import type { Prepared, Result, ResultColumn, Session } from '../server/session.ts';
import { splitStatements } from '../sql/statements/lexer.ts';
import { parseStatement } from '../sql/statements/parse.ts';
import { redacted } from '../sql/statements/redacted.ts';
import type { Coordinator, OpenSession } from './coordinator.ts';
import { Cursors } from './cursors.ts';
import type { OpenSubscription } from './open-subscription.ts';
import { PreparedStatements } from './prepared-statements.ts';
import { Settings } from './settings.ts';
import type { Bind, Parse, PreparedStatement, StatementContext } from './statements/statement.ts';
import { kindOf } from './statements/table.ts';
import { TransactionBlock } from './transaction-block.ts';
import { isStackOverflow } from './tree-size.ts';

/** What others see of the statement that runs: track_activity_query_size, as in Postgres. */
const SHOWN_CHARACTERS_MAX = 1_024;

export class EngineSession implements Session, OpenSession {
  readonly number: number;
  readonly openedAt = new Date();
  readonly settings: Settings;
  readonly #coordinator: Coordinator;
  readonly #prepared: PreparedStatements<PreparedStatement>;
  readonly memory: SessionMemory;
  readonly #cursors: Cursors;
  readonly #block: TransactionBlock;
  #running: AbortController | undefined;
  /** The text of the statement that runs. */
  running: string | undefined;
  subscription: OpenSubscription | undefined;
  readonly clientAddress: string | undefined;

  constructor(coordinator: Coordinator, startup: ReadonlyMap<string, string>, clientAddress?: string) {
    this.clientAddress = clientAddress;
    this.#coordinator = coordinator;
    this.number = coordinator.nextNumber();
    this.memory = coordinator.memory.session();
    this.settings = new Settings(startup, this.memory);
    this.#cursors = new Cursors(this.memory);
    this.#prepared = new PreparedStatements(this.memory);
    this.#block = new TransactionBlock(coordinator, this.settings, this.#cursors, this.memory);
    coordinator.sessions.add(this);
  }

  get applicationName(): string {
    return this.settings.get('application_name');
  }

  get parameters(): ReadonlyMap<string, string> {
    return this.settings.reported();
  }

  get transactionStatus(): 'I' | 'T' | 'E' {
    return this.#block.status;
  }

  cursorColumns(name: string): readonly ResultColumn[] | undefined {
    return this.#cursors.columns(name);
  }

  split(text: string): { text: string; offset: number }[] {
    return splitStatements(text);
  }

  async prepare(text: string, parameterTypes: readonly number[]): Promise<Prepared> {
    return this.#guarded(text, (context) => this.#prepare({ text, parameterTypes }, context));
  }

  async execute(
    prepared: Prepared,
    parameters: readonly (Uint8Array | null)[],
    parameterFormats: readonly number[],
    resultFormats: readonly number[],
  ): Promise<Result> {
    return this.#guarded(prepared.text, (context) =>
      this.#execute(prepared as PreparedStatement, { parameters, parameterFormats, resultFormats }, context),
    );
  }

  fail(): void {
    this.#block.fail();
  }

  cancel(): void {
    this.#running?.abort();
  }

  async close(): Promise<void> {
    this.cancel();
    this.#coordinator.sessions.delete(this);
    await this.#block.close(false);
    this.memory.close();
  }

  /** A statement that fails fails its block; in a failed block nothing but its end is heard. */
  async #guarded<T>(text: string, work: (context: StatementContext) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    this.#running = controller;
    this.running = redacted(text.slice(0, SHOWN_CHARACTERS_MAX));
    try {
      return await work(this.#context(controller.signal));
    } catch (error) {
      this.fail();
      if (isStackOverflow(error)) throw millraceError('STATEMENT_TOO_COMPLEX', {}, error);
      throw error instanceof MillraceError
        ? error
        : millraceError('ENGINE_FAULT', { reason: error instanceof Error ? (error.stack ?? error.message) : String(error) }, error);
    } finally {
      this.running = undefined;
    }
  }

  async #prepare({ text, parameterTypes }: Parse, context: StatementContext): Promise<PreparedStatement> {
    const statement = text.trim() === '' ? ({ kind: 'ignored', tag: '' } as const) : parseStatement(text);
    this.#block.refuseIfFailed(statement);
    const shape = await kindOf(statement).prepare(statement, context, { text, parameterTypes });
    return { text, statement, parameterTypes: [], ...shape };
  }

  async #execute(prepared: PreparedStatement, bind: Omit<Bind, 'text' | 'columns'>, context: StatementContext): Promise<Result> {
    const { text, columns, statement, form } = prepared;
    this.#block.refuseIfFailed(statement);
    return kindOf(statement).execute(statement, context, { text, columns, ...bind }, form);
  }

  /** What one statement may touch, while it runs. */
  #context(signal: AbortSignal): StatementContext {
    const { settings } = this;
    const context: StatementContext = {
      coordinator: this.#coordinator,
      client: this,
      settings,
      block: this.#block,
      cursors: this.#cursors,
      prepared: this.#prepared,
      // As they are when they are asked for: the statement may have set them.
      get names() {
        return { searchPath: settings.searchPath, settings: {} };
      },
      get call() {
        return { timeoutMs: settings.statementTimeoutMs, signal };
      },
      prepare: (parse) => this.#prepare(parse, context),
      execute: (prepared, bind) => this.#execute(prepared, bind, context),
    };
    return context;
  }
}
