/**
 * One client's session: settings, transaction block, prepared statements; decides for each statement whether the engine, the catalog or a definition answers it.
 * Knows nothing of the protocol (`server/pgwire` does). Statements of one session run one after another; `cancel` may come at any moment.
 */
import { millraceError, MillraceError } from '../base/errors.ts';

import type { Notice, Prepared, Result, ResultColumn, Session } from '../server/session.ts';
import type { Analysed } from '../sql/mirror/mirror.ts';
import { splitStatements } from '../sql/statements/lexer.ts';
import { parseStatement } from '../sql/statements/parse.ts';
import { redacted } from '../sql/statements/redacted.ts';
import type { Name, Statement } from '../sql/statements/statement.ts';
import { printPlan } from '../sql/plan/print.ts';
import { auditStatement, AUDIT_COLUMNS } from './audit-statement.ts';
import type { Coordinator, OpenSession } from './coordinator.ts';
import { Cursors } from './cursors.ts';
import { define } from './definitions.ts';
import { batchesOf, textColumns, textRows } from './literal-result.ts';
import { parameterTexts } from './parameters.ts';
import type { NameSettings } from './planner.ts';
import type { RowFormat } from './protocol.ts';
import { catalogQuery, peek } from './queries.ts';
import { encodingOf, recoded } from './recoded.ts';
import { resultColumns } from './result-columns.ts';
import { Savepoints } from './savepoints.ts';
import { withoutSetConfig } from './set-config.ts';
import { SessionSettings } from './settings.ts';
import { showQuery } from './show.ts';

interface PreparedStatement extends Prepared {
  readonly statement: Statement;
  /** Of a query: what it is made of. */
  readonly analysis?: Analysed;
  /** In force when it was analysed. */
  readonly searchPath?: string;
}

/** SET to a view's name, it puts a wrong row there, so that a test can see the audit find it. Only with MILLRACE_TEST_FAULTS=1; else a custom setting like any other. */
const PLANT = 'millrace_test.plant_wrong_row';

const NOTHING: Result['body'] = { kind: 'none' };

export class EngineSession implements Session, OpenSession {
  readonly number: number;
  readonly openedAt = new Date();
  readonly settings: SessionSettings;
  readonly #coordinator: Coordinator;
  readonly #prepared = new Map<string, PreparedStatement>();
  readonly #savepoints = new Savepoints();
  readonly #cursors = new Cursors();
  #status: 'I' | 'T' | 'E' = 'I';
  #running: AbortController | undefined;
  #snapshotId: number | undefined;
  /** The text of the statement that runs. */
  running: string | undefined;
  subscription: { readonly query: string; readonly startedAt: Date } | undefined;

  constructor(coordinator: Coordinator, startup: ReadonlyMap<string, string>) {
    this.#coordinator = coordinator;
    this.number = coordinator.nextNumber();
    this.settings = new SessionSettings(startup);
    coordinator.sessions.add(this);
  }

  get applicationName(): string {
    return this.settings.get('application_name');
  }

  get parameters(): ReadonlyMap<string, string> {
    return this.settings.reported();
  }

  get transactionStatus(): 'I' | 'T' | 'E' {
    return this.#status;
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
    if (this.#status === 'T') this.#status = 'E';
  }

  cancel(): void {
    this.#running?.abort();
  }

  async close(): Promise<void> {
    this.cancel();
    this.#coordinator.sessions.delete(this);
    await this.#endBlock(false);
  }

  /** A statement that fails fails its block; in a failed block nothing but its end is heard. */
  async #guarded<T>(text: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    this.#running = controller;
    this.running = redacted(text);
    try {
      return await work(controller.signal);
    } catch (error) {
      this.fail();
      throw error instanceof MillraceError
        ? error
        : millraceError('ENGINE_FAULT', { reason: error instanceof Error ? (error.stack ?? error.message) : String(error) }, error);
    } finally {
      this.running = undefined;
    }
  }

  #refuseInFailedBlock({ kind }: Statement): void {
    if (this.#status === 'E' && !['commit', 'rollback', 'rollbackTo'].includes(kind)) throw millraceError('TRANSACTION_ABORTED', {});
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
    this.#refuseInFailedBlock(statement);
    const bare = { text, statement, parameterTypes: [], columns: null };
    switch (statement.kind) {
      case 'query':
        return this.#prepareQuery(text, statement, withoutSetConfig(statement.text).sql, parameterTypes, signal);
      case 'declareCursor':
        return { ...(await this.#prepareQuery(text, statement, statement.text, parameterTypes, signal)), columns: null };
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
        const known = this.#preparedNamed(statement.name);
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
        searchPath: this.settings.get('search_path'),
      };
    } catch (error) {
      if (
        !(error instanceof MillraceError) ||
        ['QUERY_CANCELLED', 'QUERY_TIMED_OUT', 'STATEMENT_TOO_COMPLEX', 'CATALOG_UNAVAILABLE'].includes(error.code)
      )
        throw error;
      // What only the catalog understands; rows of ours it may not read (42501 there), so nothing is answered wrongly.
      const description = await this.#coordinator.mirror.catalog.describe(
        { sql, parameterTypes, searchPath: this.#names.searchPath },
        call,
      );
      return { text, statement, parameterTypes: description.parameterTypes, columns: description.columns };
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

  #preparedNamed(name: string): PreparedStatement {
    const known = this.#prepared.get(name);
    if (known === undefined) throw millraceError('PREPARED_STATEMENT_MISSING', { name });
    return known;
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
    this.#refuseInFailedBlock(statement);
    switch (statement.kind) {
      case 'query':
      case 'show':
        if (statement.kind === 'show' && statement.what === 'all') return this.#rows(this.settings.all(), 'SHOW');
        return this.#shownQuery(prepared, parameters, parameterFormats, resultFormats, signal);
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
        return this.#explain(statement.inner, signal);
      case 'audit':
        return this.#inFormats(
          this.#rows(await auditStatement(this.#coordinator, statement.view, this.settings.searchPath), 'AUDIT'),
          AUDIT_COLUMNS,
          resultFormats,
          signal,
        );
      case 'subscribe':
        return this.#subscribeRows(prepared, statement, resultFormats, signal);
      case 'copyOut':
        return this.#copyOut(statement.inner, signal);
      case 'declareCursor': {
        const { name, hold, text } = statement;
        const { columns } = await this.#prepareQuery(text, statement, text, prepared.parameterTypes, signal);
        const read = (): Promise<Result> =>
          this.#query(prepared, text, parameters, parameterFormats, { kind: 'dataRow', formats: [] }, signal);
        await this.#cursors.declare(name, hold, this.#status === 'T', columns ?? [], read);
        return this.#done('DECLARE CURSOR');
      }
      case 'fetch': {
        const { columns, ...batch } = this.#cursors.fetch(statement.name, statement.count);
        if (statement.move) return this.#done(`MOVE ${batch.rows}`);
        const result: Result = { notices: [], body: { kind: 'rows', batches: batchesOf([batch]) }, tag: (rows) => `FETCH ${rows}` };
        return this.#inFormats(result, columns, resultFormats, signal);
      }
      case 'closeCursor':
        this.#cursors.close(statement.name);
        return this.#done(statement.name === undefined ? 'CLOSE CURSOR ALL' : 'CLOSE CURSOR');
      case 'savepoint':
      case 'releaseSavepoint':
      case 'rollbackTo':
        return this.#savepoint(statement);
      case 'begin':
        return this.#begin();
      case 'commit':
      case 'rollback':
        return this.#end(statement.kind);
      case 'set':
        if (statement.name === PLANT && process.env['MILLRACE_TEST_FAULTS'] === '1') await this.#plantWrongRow(statement.value);
        return this.#done('SET', this.settings.set(statement.name, statement.value, statement.local ? 'local' : 'session'));
      case 'reset':
        return this.#done(
          'RESET',
          statement.name === undefined ? this.settings.resetAll() : this.settings.set(statement.name, undefined, 'session'),
        );
      case 'discard':
        this.#prepared.clear();
        this.#cursors.close(undefined);
        return { ...this.#done('DISCARD ALL', this.settings.resetAll()), deallocates: {} };
      case 'prepare':
        if (this.#prepared.has(statement.name)) throw millraceError('PREPARED_STATEMENT_EXISTS', { name: statement.name });
        this.#prepared.set(statement.name, await this.#prepare(statement.text, [], signal));
        return this.#done('PREPARE');
      case 'execute': {
        const known = this.#preparedNamed(statement.name);
        const values = statement.arguments.map((argument) => argumentBytes(argument));
        return this.#execute(known, values, [], resultFormats, signal);
      }
      case 'deallocate':
        if (statement.name === undefined) this.#prepared.clear();
        else if (this.#prepared.delete(statement.name)) return this.#done('DEALLOCATE');
        // Those made by Parse live in the protocol server.
        return { ...this.#done('DEALLOCATE'), deallocates: statement.name === undefined ? {} : { name: statement.name } };
      case 'ignored':
        return this.#done(statement.tag);
      default: {
        if (this.#status !== 'I') throw millraceError('DDL_IN_TRANSACTION', { statement: firstWords(prepared.text) });
        const { tag, notices } = await define(this.#coordinator, statement, {
          text: prepared.text,
          settings: this.settings,
          call: this.#call(signal),
        });
        return { notices, body: NOTHING, tag: () => tag };
      }
    }
  }

  /** What the row encoder does not write in binary is recoded on its way. */
  async #shownQuery(
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
    const changed = settings.map(({ name, value, local }) => this.settings.set(name, value, local ? 'local' : 'session'));
    const parametersChanged = changed.length === 0 ? {} : { parameters: new Map(changed.flatMap((map) => [...map])) };
    if (analysis === undefined || this.#coordinator.planner.isCatalogStatement(analysis))
      return {
        ...(await this.#query(prepared, sql, parameters, parameterFormats, { kind: 'dataRow', formats: resultFormats }, signal)),
        ...parametersChanged,
      };
    const columns = prepared.columns ?? [];
    const { formats } = encodingOf(columns, resultFormats);
    const result = await this.#query(prepared, sql, parameters, parameterFormats, { kind: 'dataRow', formats }, signal);
    return { ...this.#inFormats(result, columns, resultFormats, signal, formats), ...parametersChanged };
  }

  async #subscribeRows(
    prepared: PreparedStatement,
    statement: Extract<Statement, { kind: 'subscribe' }>,
    resultFormats: readonly number[],
    signal: AbortSignal,
  ): Promise<Result> {
    const columns = prepared.columns ?? [];
    const leading = statement.progress ? 3 : 2;
    const { formats, recode } = encodingOf(columns, resultFormats, leading);
    const result = await this.#subscribe(statement, { kind: 'dataRow', formats }, signal);
    return recodedResult(result, recoded(this.#coordinator.mirror.catalog, columns, { recode }, batchesIn(result), this.#call(signal)));
  }

  #shown(statement: Extract<Statement, { kind: 'show' }>): string {
    return showQuery(
      statement.what as Exclude<typeof statement.what, 'all'>,
      statement.on === undefined ? undefined : this.#relationNamed(statement.on),
      statement.like,
    );
  }

  async #query(
    prepared: PreparedStatement,
    sql: string,
    parameters: readonly (Uint8Array | null)[],
    parameterFormats: readonly number[],
    format: RowFormat,
    signal: AbortSignal,
  ): Promise<Result> {
    const { analysis } = prepared;
    if (analysis === undefined || this.#coordinator.planner.isCatalogStatement(analysis))
      return catalogQuery(
        this.#coordinator,
        {
          sql,
          parameterTypes: prepared.parameterTypes,
          parameters,
          parameterFormats,
          searchPath: this.#names.searchPath,
        },
        format,
        this.#call(signal),
      );
    const { catalog } = this.#coordinator.mirror;
    const texts = await parameterTexts(catalog, parameters, parameterFormats, prepared.parameterTypes, this.#call(signal));
    // Names are resolved anew when the catalog or the search path has changed: what was prepared may have been dropped and made again.
    const isCurrent =
      prepared.searchPath === this.settings.get('search_path') && (await this.#coordinator.mirror.types()) === analysis.types;
    const current = isCurrent
      ? analysis
      : await this.#coordinator.planner.analyse(sql, prepared.parameterTypes, this.#names, this.#call(signal));
    const planned = await this.#coordinator.planner.query(current, texts, this.#names, this.#call(signal));
    const batches = await peek(this.#coordinator, planned, format, this.settings, () => this.#snapshot(), signal);
    const rows = batches.reduce((sum, batch) => sum + batch.rows, 0);
    if (format.kind === 'copyText')
      return {
        notices: [],
        body: { kind: 'copy', columnCount: planned.finish.project.length, batches: batchesOf(batches) },
        tag: () => `COPY ${rows}`,
      };
    return { notices: [], body: { kind: 'rows', batches: batchesOf(batches) }, tag: (sent) => `SELECT ${sent}` };
  }

  /** In a block, all reads are of the first one's tick (DESIGN 5). */
  async #snapshot(): Promise<number | undefined> {
    if (this.#status !== 'T') return undefined;
    if (this.#snapshotId === undefined) {
      const snapshotId = this.#coordinator.nextNumber();
      await this.#coordinator.engine.rpc.call('openSnapshot', { snapshotId });
      this.#snapshotId = snapshotId;
    }
    return this.#snapshotId;
  }

  async #copyOut(inner: Statement, signal: AbortSignal): Promise<Result> {
    if (inner.kind === 'subscribe') return this.#subscribe(inner, { kind: 'copyText' }, signal);
    if (inner.kind !== 'query') throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'COPY of this statement' });
    const prepared = await this.#prepareQuery(inner.text, inner, inner.text, [], signal);
    return this.#query(prepared, inner.text, [], [], { kind: 'copyText' }, signal);
  }

  async #subscribe(statement: Extract<Statement, { kind: 'subscribe' }>, format: RowFormat, signal: AbortSignal): Promise<Result> {
    if (this.#status === 'T') throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'SUBSCRIBE in a transaction block' });
    const sql = this.#subscribedSql(statement);
    const analysis = await this.#coordinator.planner.analyse(sql, [], this.#names, this.#call(signal));
    if (this.#coordinator.planner.isCatalogStatement(analysis))
      throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'SUBSCRIBE to what is no view or table' });
    const planned = await this.#coordinator.planner.view(sql, undefined, this.#names, this.#call(signal));
    const batches = await this.#coordinator.engine.subscribe(
      {
        subscriptionId: this.#coordinator.nextNumber(),
        plan: planned.plan,
        snapshot: statement.snapshot,
        progress: statement.progress,
        format,
      },
      signal,
    );
    this.subscription = { query: sql, startedAt: new Date() };
    const columnCount = planned.columns.length + (statement.progress ? 3 : 2);
    return {
      notices: [],
      body: { kind: format.kind === 'copyText' ? 'copy' : 'rows', columnCount, batches },
      tag: (rows) => (format.kind === 'copyText' ? `COPY ${rows}` : `SUBSCRIBE ${rows}`),
    };
  }

  async #explain(inner: Statement, signal: AbortSignal): Promise<Result> {
    if (inner.kind !== 'query' && inner.kind !== 'createView')
      throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'EXPLAIN of this statement' });
    const sql = inner.kind === 'query' ? inner.text : inner.query;
    const planned = await this.#coordinator.planner.view(sql, undefined, this.#names, this.#call(signal));
    const lines = printPlan(planned.plan, (id) => this.#coordinator.catalog.get(id)?.name ?? id).split('\n');
    return this.#rows(
      [...lines, `Exactness: ${planned.exactness}`, ...planned.reasons.map((reason) => `  ${reason}`)].map((line) => [line]),
      'EXPLAIN',
    );
  }

  async #plantWrongRow(view: string | undefined): Promise<void> {
    const object = this.#coordinator.catalog.find(['materializedView'], view ?? '', ['public']);
    if (object === undefined) throw millraceError('OBJECT_MISSING', { kind: 'materialized view', name: view ?? '' });
    await this.#coordinator.engine.rpc.call('plantWrongRow', { object: object.id });
  }

  // ── transaction blocks and settings ──

  #begin(): Result {
    if (this.#status === 'T')
      return {
        ...this.#done('BEGIN'),
        notices: [{ severity: 'WARNING', sqlstate: '25001', message: 'there is already a transaction in progress' }],
      };
    this.#status = 'T';
    this.settings.begin();
    return this.#done('BEGIN');
  }

  async #end(kind: 'commit' | 'rollback'): Promise<Result> {
    const failed = this.#status === 'E';
    const outside = this.#status === 'I';
    await this.#endBlock(kind === 'commit' && !failed);
    const notices: Notice[] = outside ? [{ severity: 'WARNING', sqlstate: '25P01', message: 'there is no transaction in progress' }] : [];
    return { ...this.#done(kind === 'commit' && !failed ? 'COMMIT' : 'ROLLBACK'), notices, parameters: this.settings.reported() };
  }

  async #endBlock(committed: boolean): Promise<void> {
    const snapshotId = this.#snapshotId;
    this.#snapshotId = undefined;
    this.#status = 'I';
    this.settings.end(committed);
    if (snapshotId !== undefined) await this.#coordinator.engine.rpc.call('closeSnapshot', { snapshotId }).catch(() => undefined);
  }

  #done(tag: string, parameters?: ReadonlyMap<string, string>): Result {
    return { notices: [], body: NOTHING, tag: () => tag, ...(parameters === undefined ? {} : { parameters }) };
  }

  #rows(rows: readonly (readonly (string | null)[])[], tag: string): Result {
    return { notices: [], body: { kind: 'rows', batches: batchesOf([textRows(rows)]) }, tag: () => tag };
  }
}

/** `CREATE MATERIALIZED VIEW`: for a message. */
function firstWords(text: string): string {
  return text.trim().split(/\s+/, 2).join(' ').toUpperCase();
}

/** An EXECUTE argument: a string, number, NULL, true or false, as Bind would bring it. */
function argumentBytes(argument: string): Uint8Array | null {
  if (/^null$/i.test(argument)) return null;
  const quoted = /^'((?:[^']|'')*)'$/s.exec(argument);
  return Buffer.from(quoted === null ? argument : quoted[1]!.replaceAll("''", "'"));
}
