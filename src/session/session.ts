/**
 * One client's session: settings, transaction block, prepared statements; decides for each statement whether the engine, the catalog or a definition answers it.
 * Knows nothing of the protocol (`server/pgwire` does). Statements of one session run one after another; `cancel` may come at any moment.
 */
import type { SessionMemory } from '../base/client-memory.ts';
import { millraceError, MillraceError } from '../base/errors.ts';

import type { Prepared, Result, ResultColumn, Session } from '../server/session.ts';
import { splitStatements } from '../sql/statements/lexer.ts';
import { parseStatement } from '../sql/statements/parse.ts';
import { redacted } from '../sql/statements/redacted.ts';
import type { Name, Statement } from '../sql/statements/statement.ts';
import { auditStatement, AUDIT_COLUMNS } from './statements/audit-statement.ts';
import type { Coordinator, OpenSession } from './coordinator.ts';
import { Cursors } from './statements/cursors.ts';
import { define } from './define/definitions.ts';
import { argumentBytes, firstWords } from './execute-argument.ts';
import { explain } from './statements/explain.ts';
import { batchesOf, done, textColumns, textRows } from './results/literal-result.ts';
import { hasManyParameters } from './many-parameters.ts';
import { OpenSubscription } from './statements/open-subscription.ts';
import type { NameSettings } from './planner.ts';
import type { RowFormat } from '../engine/contract/protocol.ts';
import type { PreparedStatement } from './prepared-statement.ts';
import { PREPARED_BYTES, PreparedStatements } from './prepared-statements.ts';
import { encodingOf, recoded, type Encoding } from './results/recoded.ts';
import { resultColumns } from './results/result-columns.ts';
import { withoutSetConfig } from './set-config.ts';
import { rowQuery } from './statements/row-query.ts';
import { SessionSettings } from './settings.ts';
import { showQuery } from './statements/show.ts';
import { staleness } from './status/staleness.ts';
import { TransactionBlock } from './transaction-block.ts';
import { isStackOverflow } from './tree-size.ts';

/** What others see of the statement that runs: track_activity_query_size, as in Postgres. */
const SHOWN_CHARACTERS_MAX = 1_024;
/** SET to a view's name, it puts a wrong row there, so that a test can see the audit find it. Only with MILLRACE_TEST_FAULTS=1; else a custom setting like any other. */
const PLANT = 'millrace_test.plant_wrong_row';

export class EngineSession implements Session, OpenSession {
  readonly number: number;
  readonly openedAt = new Date();
  readonly settings: SessionSettings;
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
    this.settings = new SessionSettings(startup, this.memory);
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
    return this.#guarded(text, async (signal) => this.#prepare(text, parameterTypes, signal));
  }

  async execute(
    prepared: Prepared,
    parameters: readonly (Uint8Array | null)[],
    parameterFormats: readonly number[],
    resultFormats: readonly number[],
  ): Promise<Result> {
    return this.#guarded(prepared.text, async (signal) =>
      this.#execute(prepared as PreparedStatement, parameters, parameterFormats, resultFormats, signal),
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
  async #guarded<T>(text: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    this.#running = controller;
    this.running = redacted(text.slice(0, SHOWN_CHARACTERS_MAX));
    try {
      return await work(controller.signal);
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

  get #names(): NameSettings {
    return { searchPath: this.settings.searchPath, settings: {} };
  }

  #call(signal: AbortSignal): { timeoutMs: number; signal: AbortSignal } {
    return { timeoutMs: this.settings.statementTimeoutMs, signal };
  }

  // ── prepare ──

  async #prepare(text: string, parameterTypes: readonly number[], signal: AbortSignal): Promise<PreparedStatement> {
    const statement = text.trim() === '' ? ({ kind: 'ignored', tag: '' } as const) : parseStatement(text);
    this.#block.refuseIfFailed(statement);
    const bare = { text, statement, parameterTypes: [], columns: null };
    switch (statement.kind) {
      case 'query':
        return this.#prepareQuery(text, statement, withoutSetConfig(statement.text).sql, parameterTypes, signal);
      case 'declareCursor': {
        const inner = await this.#prepareQuery(text, statement, statement.text, parameterTypes, signal);
        return { ...inner, columns: null, ...(inner.columns === null ? {} : { cursorColumns: inner.columns }) };
      }
      case 'fetch':
        return { ...bare, columns: statement.move ? null : (this.#cursors.columns(statement.name) ?? []) };
      case 'show': {
        if (statement.what === 'all') return { ...bare, columns: textColumns('name', 'setting') };
        const on = statement.on === undefined ? undefined : this.#relationNamed(statement.on);
        return this.#prepareQuery(text, statement, showQuery(statement.what, on, statement.like), [], signal);
      }
      case 'showSetting':
        this.settings.get(statement.name);
        return { ...bare, columns: textColumns(statement.name) };
      case 'showCreate':
        return { ...bare, columns: textColumns('name', 'create_sql') };
      case 'explain':
        return { ...bare, columns: textColumns('QUERY PLAN') };
      case 'audit':
        return { ...bare, columns: AUDIT_COLUMNS };
      case 'execute': {
        const known = this.#prepared.named(statement.name);
        return { ...bare, columns: known.columns };
      }
      case 'subscribe':
        return { ...bare, columns: await this.#subscribeColumns(statement, signal) };
      default:
        return bare;
    }
  }

  async #prepareQuery(
    text: string,
    statement: Statement,
    sql: string,
    parameterTypes: readonly number[],
    signal: AbortSignal,
  ): Promise<PreparedStatement> {
    const call = this.#call(signal);
    try {
      const analysis = await this.#coordinator.planner.analyse(sql, parameterTypes, this.#names, call);
      return {
        text,
        statement,
        parameterTypes: analysis.parameterTypes,
        columns: resultColumns(analysis.columns, analysis.types),
        analysis,
        heldBytes: PREPARED_BYTES + text.length + analysis.tree.length,
        searchPath: this.settings.get('search_path'),
      };
    } catch (error) {
      if (
        !(error instanceof MillraceError) ||
        [
          'QUERY_CANCELLED',
          'QUERY_TIMED_OUT',
          'STATEMENT_TOO_COMPLEX',
          'STATEMENT_TREE_TOO_LARGE',
          'CATALOG_STATEMENT_TIMED_OUT',
          'CATALOG_UNAVAILABLE',
        ].includes(error.code)
      )
        throw error;
      // What only the catalog understands; rows of ours it may not read (42501 there), so nothing is answered wrongly.
      const description = await this.#coordinator.mirror.catalog.describe(
        { sql, parameterTypes, searchPath: this.#names.searchPath },
        call,
      );
      return { text, statement, ...description, reason: error, heldBytes: PREPARED_BYTES + text.length };
    }
  }

  async #subscribeColumns(statement: Extract<Statement, { kind: 'subscribe' }>, signal: AbortSignal): Promise<ResultColumn[]> {
    const analysis = await this.#coordinator.planner.analyse(this.#subscribedSql(statement), [], this.#names, this.#call(signal));
    const leading = [
      { name: 'mz_timestamp', typeOid: 1700, typeSize: -1, typmod: -1 },
      ...(statement.progress ? [{ name: 'mz_progressed', typeOid: 16, typeSize: 1, typmod: -1 }] : []),
      { name: 'mz_diff', typeOid: 20, typeSize: 8, typmod: -1 },
    ];
    return [...leading, ...resultColumns(analysis.columns, analysis.types)];
  }

  #subscribedSql(statement: Extract<Statement, { kind: 'subscribe' }>): string {
    if ('query' in statement.target) return statement.target.query;
    const { schema, name } = this.#relationNamed(statement.target.object);
    return `TABLE "${schema.replaceAll('"', '""')}"."${name.replaceAll('"', '""')}"`;
  }

  #relationNamed({ schema, name }: Name): { schema: string; name: string } {
    const found = this.#coordinator.catalog.find(
      ['table', 'view', 'materializedView'],
      name,
      schema === undefined ? this.settings.searchPath : [schema],
    );
    if (found === undefined) throw millraceError('OBJECT_MISSING', { kind: 'relation', name });
    return found;
  }

  // ── execute ──

  async #execute(
    prepared: PreparedStatement,
    parameters: readonly (Uint8Array | null)[],
    parameterFormats: readonly number[],
    resultFormats: readonly number[],
    signal: AbortSignal,
  ): Promise<Result> {
    const { statement } = prepared;
    this.#block.refuseIfFailed(statement);
    switch (statement.kind) {
      case 'query':
      case 'show':
        if (statement.kind === 'show' && statement.what === 'all') return this.#rows(this.settings.all(), 'SHOW');
        return this.#queryRows(prepared, parameters, parameterFormats, resultFormats, signal);
      case 'showSetting':
        return this.#rows([[this.settings.get(statement.name)]], 'SHOW');
      case 'showCreate': {
        const object = this.#coordinator.catalog.find(
          [statement.object],
          statement.name.name,
          statement.name.schema === undefined ? this.settings.searchPath : [statement.name.schema],
        );
        if (object === undefined) throw millraceError('OBJECT_MISSING', { kind: statement.object, name: statement.name.name });
        return this.#rows([[`${object.schema}.${object.name}`, object.createSql]], 'SHOW');
      }
      case 'explain':
        return this.#rows(await explain(this.#coordinator, statement.inner, this.#names, this.#call(signal)), 'EXPLAIN');
      case 'audit':
        return this.#fromText(this.#rows(await this.#audit(statement.view, signal), 'AUDIT'), AUDIT_COLUMNS, resultFormats, signal);
      case 'subscribe': {
        const encoding = encodingOf(prepared.columns ?? [], resultFormats, statement.progress ? 3 : 2);
        const result = await this.#subscribe(statement, { kind: 'dataRow', formats: encoding.formats }, signal);
        return this.#recoded(result, prepared.columns, encoding, signal);
      }
      case 'copyOut':
        return this.#copyOut(statement.inner, signal);
      case 'declareCursor': {
        const { name, hold, text } = statement;
        const read = (): Promise<Result> =>
          this.#query(prepared, text, parameters, parameterFormats, { kind: 'dataRow', formats: [] }, signal);
        await this.#cursors.declare(name, hold, this.#block.status === 'T', prepared.cursorColumns ?? [], read);
        return done('DECLARE CURSOR');
      }
      case 'fetch': {
        const interrupt = (): void => {
          if (signal.aborted) throw millraceError('QUERY_CANCELLED', {});
        };
        if (statement.move) return done(`MOVE ${await this.#cursors.move(statement.name, statement.count, interrupt)}`);
        const { columns, batches } = this.#cursors.fetch(statement.name, statement.count, interrupt);
        const result: Result = { notices: [], body: { kind: 'rows', batches }, tag: (rows) => `FETCH ${rows}` };
        return this.#fromText(result, columns, resultFormats, signal);
      }
      case 'closeCursor':
        this.#cursors.close(statement.name);
        return done(statement.name === undefined ? 'CLOSE CURSOR ALL' : 'CLOSE CURSOR');
      case 'savepoint':
      case 'releaseSavepoint':
      case 'rollbackTo':
        return this.#block.savepoint(statement);
      case 'begin':
        return this.#block.begin();
      case 'commit':
      case 'rollback':
        return this.#block.end(statement.kind);
      case 'set':
        if (statement.name === PLANT && process.env['MILLRACE_TEST_FAULTS'] === '1') await this.#plantWrongRow(statement.value);
        return done('SET', this.settings.set(statement.name, statement.value, statement.local ? 'local' : 'session'));
      case 'reset':
        return done(
          'RESET',
          statement.name === undefined ? this.settings.resetAll() : this.settings.set(statement.name, undefined, 'session'),
        );
      case 'discard':
        this.#prepared.drop(undefined);
        this.#cursors.close(undefined);
        return { ...done('DISCARD ALL', this.settings.resetAll()), deallocates: {} };
      case 'prepare':
        if (this.#prepared.has(statement.name)) throw millraceError('PREPARED_STATEMENT_EXISTS', { name: statement.name });
        this.#prepared.keep(statement.name, await this.#prepare(statement.text, [], signal));
        return done('PREPARE');
      case 'execute': {
        const known = this.#prepared.named(statement.name);
        const values = statement.arguments.map((argument) => argumentBytes(argument));
        return this.#execute(known, values, [], resultFormats, signal);
      }
      case 'deallocate':
        if (this.#prepared.drop(statement.name) && statement.name !== undefined) return done('DEALLOCATE');
        // Those made by Parse live in the protocol server.
        return { ...done('DEALLOCATE'), deallocates: statement.name === undefined ? {} : { name: statement.name } };
      case 'ignored':
        return done(statement.tag);
      default: {
        if (this.#block.status !== 'I') throw millraceError('DDL_IN_TRANSACTION', { statement: firstWords(prepared.text) });
        const { tag, notices } = await define(this.#coordinator, statement, {
          text: prepared.text,
          settings: this.settings,
          call: this.#call(signal),
        });
        return { ...done(tag), notices };
      }
    }
  }

  /** What the row encoder does not write in binary is recoded on its way to the client. */
  async #queryRows(
    prepared: PreparedStatement,
    parameters: readonly (Uint8Array | null)[],
    parameterFormats: readonly number[],
    resultFormats: readonly number[],
    signal: AbortSignal,
  ): Promise<Result> {
    const { statement, analysis } = prepared;
    const { sql, settings } =
      statement.kind === 'query'
        ? withoutSetConfig(statement.text)
        : { sql: this.#shown(statement as Extract<Statement, { kind: 'show' }>), settings: [] };
    for (const { name, value, local } of settings) this.settings.set(name, value, local ? 'local' : 'session');
    const parametersNow = settings.length === 0 ? {} : { parameters: this.settings.reported() };
    const encoding =
      !hasManyParameters(prepared) && (analysis === undefined || this.#coordinator.planner.isCatalogStatement(analysis))
        ? { formats: resultFormats, recode: [] }
        : encodingOf(prepared.columns ?? [], resultFormats);
    const format = { kind: 'dataRow', formats: encoding.formats } as const;
    const result = await this.#query(prepared, sql, parameters, parameterFormats, format, signal);
    return { ...this.#recoded(result, prepared.columns, encoding, signal), ...parametersNow };
  }

  #recoded(result: Result, columns: readonly ResultColumn[] | null, encoding: Pick<Encoding, 'recode'>, signal: AbortSignal): Result {
    return recoded(this.#coordinator.mirror.catalog, result, columns ?? [], encoding, this.#call(signal));
  }

  /** Rows that are text so far. */
  #fromText(result: Result, columns: readonly ResultColumn[], resultFormats: readonly number[], signal: AbortSignal): Result {
    return this.#recoded(result, columns, encodingOf(columns, resultFormats, columns.length), signal);
  }

  #shown(statement: Extract<Statement, { kind: 'show' }>): string {
    return showQuery(
      statement.what as Exclude<typeof statement.what, 'all'>,
      statement.on === undefined ? undefined : this.#relationNamed(statement.on),
      statement.like,
    );
  }

  #query(
    prepared: PreparedStatement,
    sql: string,
    parameters: readonly (Uint8Array | null)[],
    parameterFormats: readonly number[],
    format: RowFormat,
    signal: AbortSignal,
  ): Promise<Result> {
    return rowQuery(
      this.#coordinator,
      { prepared, sql, parameters, parameterFormats, format },
      { session: this, settings: this.settings, names: this.#names, snapshot: () => this.#block.snapshot(), call: this.#call(signal) },
    );
  }

  async #copyOut(inner: Statement, signal: AbortSignal): Promise<Result> {
    if (inner.kind === 'subscribe') return this.#subscribe(inner, { kind: 'copyText' }, signal);
    if (inner.kind !== 'query') throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'COPY of this statement' });
    const prepared = await this.#prepareQuery(inner.text, inner, inner.text, [], signal);
    return this.#query(prepared, inner.text, [], [], { kind: 'copyText' }, signal);
  }

  async #subscribe(statement: Extract<Statement, { kind: 'subscribe' }>, format: RowFormat, signal: AbortSignal): Promise<Result> {
    if (this.#block.status === 'T') throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'SUBSCRIBE in a transaction block' });
    const sql = this.#subscribedSql(statement);
    const analysis = await this.#coordinator.planner.analyse(sql, [], this.#names, this.#call(signal));
    if (this.#coordinator.planner.isCatalogStatement(analysis))
      throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'SUBSCRIBE to what is no view or table' });
    const planned = await this.#coordinator.planner.view(sql, undefined, this.#names, this.#call(signal));
    const subscriptionId = this.#coordinator.nextNumber();
    const started = await this.#coordinator.engine.subscribe(
      {
        subscriptionId,
        timeoutMs: this.settings.statementTimeoutMs,
        budget: this.settings.hydrationBudget,
        plan: planned.plan,
        snapshot: statement.snapshot,
        progress: statement.progress,
        format,
      },
      signal,
    );
    const open = new OpenSubscription(subscriptionId, sql, 'object' in statement.target ? statement.target.object.name : undefined);
    this.subscription = open;
    const batches = open.counted(started, () => (this.subscription = undefined));
    const columnCount = planned.columns.length + (statement.progress ? 3 : 2);
    return {
      notices: staleness(this.#coordinator),
      body: { kind: format.kind === 'copyText' ? 'copy' : 'rows', columnCount, batches },
      tag: (rows) => (format.kind === 'copyText' ? `COPY ${rows}` : `SUBSCRIBE ${rows}`),
    };
  }

  #audit(view: Name | undefined, signal: AbortSignal): Promise<(string | null)[][]> {
    return this.#coordinator.auditQueue.run(signal, () => auditStatement(this.#coordinator, view, this.settings.searchPath));
  }

  async #plantWrongRow(view: string | undefined): Promise<void> {
    const object = this.#coordinator.catalog.find(['materializedView'], view ?? '', ['public']);
    if (object === undefined) throw millraceError('OBJECT_MISSING', { kind: 'materialized view', name: view ?? '' });
    await this.#coordinator.engine.rpc.call('plantWrongRow', { object: object.id });
  }

  #rows(rows: readonly (readonly (string | null)[])[], tag: string): Result {
    return { notices: [], body: { kind: 'rows', batches: batchesOf([textRows(rows)]) }, tag: () => tag };
  }
}
