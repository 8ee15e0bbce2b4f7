/** Errors of the room: engine. */
import { ident, literal, qualified } from '../ident.ts';
import { defineErrors, of } from './define.ts';

type NotCopied = {
  readonly schema: string;
  readonly table: string;
  readonly reason: string;
  /** What mends the reason. */
  readonly mend: string | undefined;
  readonly seconds: number | undefined;
};

/** What SHOW lists a kind of object under; what is of several kinds is among the objects. */
const SHOWN_AS: Readonly<Record<string, string>> = {
  secret: 'SECRETS',
  connection: 'CONNECTIONS',
  source: 'SOURCES',
  table: 'TABLES',
  view: 'VIEWS',
  'materialized view': 'MATERIALIZED VIEWS',
  materializedView: 'MATERIALIZED VIEWS',
  index: 'INDEXES',
};

export const engineErrors = defineErrors({
  SETTING_UNKNOWN: {
    sqlstate: '42704',
    says: ({ name }: { name: string }) => `unrecognized configuration parameter "${name}"`,
    because: 'Millrace knows the settings that Postgres clients commonly set; a misspelt name must not pass silently.',
    mend: () => 'SHOW ALL;',
  },
  SETTING_READ_ONLY: {
    sqlstate: '55P02',
    says: ({ name }: { name: string }) => `parameter "${name}" cannot be changed`,
    because: 'The value is a fact about the server.',
  },
  SETTING_REFUSED: of<{ name: string; value: string; accepted: string }>({
    sqlstate: '22023',
    says: ({ name, value }) => `Millrace cannot honour ${name} = ${JSON.stringify(value)}`,
    because:
      'Another value would change what answers look like or mean, and Millrace does not have that other form yet; answering wrongly in silence would be worse.',
    mend: ({ name, value, accepted }) =>
      name.toLowerCase() === 'timezone'
        ? `write the zone into the query: at AT TIME ZONE ${literal(value)}`
        : `SET ${name} = ${literal(accepted)};`,
  }),
  SETTINGS_EXHAUSTED: {
    sqlstate: '53400',
    says: ({ customSettingsMax }: { customSettingsMax: number }) => `the session has ${customSettingsMax} settings of its own already`,
    because: 'Whatever grows has a limit (I-6).',
    mend: () => 'RESET ALL;',
  },
  OBJECT_EXISTS: of<{ kind: string; name: string }>({
    sqlstate: '42P07',
    says: ({ kind, name }) => `${kind} "${name}" already exists`,
    because: 'Tables, views, materialized views, indexes and sources share one namespace, as relations do in Postgres.',
    mend: ({ name }) => `choose another name, or drop "${name}" first, or write IF NOT EXISTS`,
  }),
  OBJECT_MISSING: of<{ kind: string; name: string }>({
    sqlstate: '42P01',
    says: ({ kind, name }) => `${kind} "${name}" does not exist`,
    because: 'The statement names an object that the catalog does not have in the search path.',
    mend: ({ kind }) => `SHOW ${SHOWN_AS[kind] ?? 'OBJECTS'};`,
  }),
  OBJECT_IN_USE: of<{ kind: string; name: string; dependents: readonly string[] }>({
    sqlstate: '2BP01',
    says: ({ kind, name }) => `cannot drop ${kind} "${name}" because other objects depend on it`,
    because: 'Dropping it would take the dependents with it, which nobody asked for.',
    detail: ({ dependents }) => dependents.join('; '),
    mend: ({ kind, name }) => `DROP ${kind.toUpperCase()} ${ident(name)} CASCADE;   (drops what depends on it, too)`,
  }),
  WRONG_OBJECT_KIND: {
    sqlstate: '42809',
    says: ({ name, wanted }: { name: string; wanted: string }) => `"${name}" is not a ${wanted}`,
    because: 'The statement is for another kind of object.',
    mend: () => 'SHOW OBJECTS;',
  },
  SECOND_SOURCE: of<{ existing: string }>({
    sqlstate: '0A000',
    says: ({ existing }) => `a second source is not supported: "${existing}" exists`,
    because: 'All views are exact at one upstream commit; two databases have no commit in common.',
    mend: ({ existing }) => `DROP SOURCE ${ident(existing)} CASCADE;   (or run another Millrace for the other database)`,
  }),
  SOURCE_GONE: {
    sqlstate: '57P01',
    says: () => 'the source is being taken in again, or is dropped',
    because: 'What was read of it has no continuation: its rows are copied anew.',
    mend: () => 'SELECT name, status, error FROM millrace.sources;   then SUBSCRIBE again',
  },
  NO_SOURCE: {
    sqlstate: '55000',
    says: ({ what }: { what: string }) => `${what} needs a source, and there is none`,
    because: 'Without a source there is no upstream to read from.',
    mend: () => "CREATE SOURCE s FROM POSTGRES CONNECTION c (PUBLICATION 'mz_source') FOR ALL TABLES;",
  },
  TABLE_ALREADY_REFERENCED: of<{ upstream: string; table: string }>({
    sqlstate: '42710',
    says: ({ upstream, table }) => `upstream table ${upstream} is already ingested as "${table}"`,
    because: 'Rows are kept once; a view gives the second name at no cost.',
    mend: ({ table }) => `CREATE VIEW other_name AS SELECT * FROM ${ident(table)};`,
  }),
  NOT_EXACT: of<{ view: string; exactness: string; reasons: readonly string[] }>({
    sqlstate: '0A000',
    says: ({ view, exactness }) => `view "${view}" would be ${exactness}, and require_exact is on`,
    because: 'The session asked to refuse what cannot be exact to the last byte.',
    detail: ({ reasons }) => reasons.join('; '),
    mend: () => 'SET require_exact = off;',
  }),
  MULTIPLICITY_TOO_LARGE: {
    sqlstate: '54000',
    says: () => 'a row of this query occurs more than 2,147,483,647 times in between',
    because: 'How often a row occurs is kept in 32 bits; beyond them a count would silently be wrong, so the statement fails instead.',
    mend: () => 'give the join a key, or aggregate its sides before joining them',
  },
  VIEW_NOT_STARTED: {
    sqlstate: '53200',
    says: ({ view, reason }: { view: string; reason: string }) => `view "${view}" could not be started: ${reason}`,
    because: 'Its first computation failed, or needs more memory than one piece of work may take; nothing was left behind.',
    mend: () => 'EXPLAIN the query: a join without a key multiplies its sides',
  },
  JOIN_TOO_WIDE: of<{ view: string; reason: string; where: string }>({
    sqlstate: '54000',
    says: ({ view, reason, where }) => `view "${view}" could not be started: ${reason} in ${where}`,
    because: 'Each change of such a row would hold up everybody for as long; nothing was left behind.',
    mend: () =>
      'give that join an equality of columns that few rows share (EXPLAIN shows the joins), or aggregate a side before joining it',
  }),
  HYDRATION_TOO_LARGE: of<{ view: string; rowsMax: number; where: string }>({
    sqlstate: '53400',
    says: ({ view, rowsMax, where }) =>
      `view "${view}" could not be started: its joins put more than ${rowsMax} pairs of rows together, most of them ${where}`,
    because: 'A join that multiplies its sides would be computed for hours; nothing was left behind.',
    mend: ({ rowsMax }) => `SET max_hydration_rows = ${10 * rowsMax};`,
  }),
  VIEW_TOO_LARGE: of<{ view: string; bytesMax: number; where: string }>({
    sqlstate: '53400',
    says: ({ view, bytesMax, where }) =>
      `view "${view}" could not be started: it needs more than ${bytesMax} bytes of memory, most of them for ${where}`,
    because: 'One view must not take the memory that the others need; nothing was left behind.',
    mend: ({ bytesMax }) => `SET max_view_bytes = '${Math.ceil((2 * bytesMax) / 2 ** 20)}MB';`,
  }),
  VIEW_FAULTY: of<{ view: string; reason: string }>({
    sqlstate: 'XX000',
    says: ({ view, reason }) => `view "${view}" is stopped: ${reason}`,
    because: 'A fault inside one view stops that view alone; its neighbours go on.',
    mend: ({ view }) =>
      `DROP MATERIALIZED VIEW ${ident(view)} CASCADE;   and make it again, as SHOW CREATE MATERIALIZED VIEW ${ident(view)}; says; if it stops again, report it with the log`,
  }),
  TABLE_FAULTY: of<{ table: string; reason: string }>({
    sqlstate: '55000',
    says: ({ table, reason }) => `table "${table}" is stopped: ${reason}`,
    because: 'The upstream changed the table in a way that rows already received cannot follow; serving them as current would be wrong.',
    mend: ({ table }) => `DROP TABLE ${ident(table)} CASCADE; then make it again with CREATE TABLE ${ident(table)} FROM SOURCE`,
  }),
  TABLE_NOT_COPIED: of<NotCopied>({
    sqlstate: '55000',
    says: ({ schema, table, reason }) => `the first copy of ${qualified(schema, table)} cannot be made now: ${reason}`,
    because:
      'A table has no rows to show before its first copy. It is tried again by itself, so it goes on when what stands in its way is gone.',
    detail: ({ seconds }) => (seconds === undefined ? undefined : `The next try is in ${seconds} s.`),
    mend: ({ mend }) => mend ?? 'SELECT name, status, error, next_attempt_at FROM millrace.tables;',
  }),
  STILL_COPYING: {
    sqlstate: '57014',
    says: ({ tables }: { tables: readonly string[] }) => `gave up waiting for the first copy of ${tables.join(', ')}`,
    because: 'A view starts once the first copy of its tables is complete.',
    mend: () => 'SET statement_timeout = 0;   (millrace.tables tells how far the copies are)',
  },
  QUERY_TIMED_OUT: {
    sqlstate: '57014',
    says: () => 'canceling statement due to statement timeout',
    because: 'A statement may not hold the engine longer than statement_timeout.',
    mend: () => "SET statement_timeout = '60s';",
  },
  QUERY_CANCELLED: {
    sqlstate: '57014',
    says: () => 'canceling statement due to user request',
    because: 'The client asked for it.',
  },
  QUERY_TOO_LARGE: {
    sqlstate: '54000',
    says: ({ bytesMax }: { bytesMax: number }) => `the query needs more than ${bytesMax} bytes of memory`,
    because:
      'One client must not take the memory that views need. (A result may have any size: what is computed or sorted for it may not.)',
    mend: () => 'read less at a time (WHERE, LIMIT), or make a materialized view of it',
  },
  QUERIES_WAITING: {
    sqlstate: '53400',
    says: ({ waitingMax }: { waitingMax: number }) => `more than ${waitingMax} queries wait for their turn`,
    because: 'Queries that compute much run a few at a time, beside the ticks; the queue is full.',
    mend: () => 'try again, or CREATE MATERIALIZED VIEW of what is asked often: reading it needs no turn',
  },
  SUBSCRIBER_TOO_SLOW: {
    sqlstate: '53400',
    says: ({ bytesMax }: { bytesMax: number }) => `the subscriber is more than ${bytesMax} bytes behind`,
    because: 'A slow reader must not make the engine hold changes without end.',
    mend: () => 'read faster, or SUBSCRIBE again with a snapshot',
  },
  READ_OVERTAKEN: {
    sqlstate: '53400',
    says: ({ bytesMax }: { bytesMax: number }) => `rows of more than ${bytesMax} bytes changed before they were read`,
    because: 'A result is of one tick: rows that change before the client has taken them are kept for it, and not without end.',
    mend: () => 'read faster, or a part at a time (WHERE, LIMIT)',
  },
  RECENCY_TIMED_OUT: {
    sqlstate: '57014',
    says: ({ timeoutMs }: { timeoutMs: number }) => `what was committed upstream when this was asked had not arrived after ${timeoutMs} ms`,
    because: "real_time_recency waits for the upstream's position at the moment of asking.",
    mend: () => "SET real_time_recency_timeout = '60s';   (and look at millrace.sources)",
  },
  TRANSACTION_ABORTED: {
    sqlstate: '25P02',
    says: () => 'current transaction is aborted, commands ignored until end of transaction block',
    because: 'A statement of the block failed.',
    mend: () => 'ROLLBACK;',
  },
  SAVEPOINT_MISSING: {
    sqlstate: '3B001',
    says: ({ name }: { name: string }) => `savepoint "${name}" does not exist`,
    because: 'Savepoints live as long as their transaction block.',
    mend: () => 'ROLLBACK;',
  },
  SAVEPOINT_NEEDS_BLOCK: {
    sqlstate: '25P01',
    says: ({ statement }: { statement: string }) => `${statement} can only be used in transaction blocks`,
    because: 'A savepoint is a place in a block.',
    mend: () => 'BEGIN;',
  },
  SAVEPOINTS_EXHAUSTED: {
    sqlstate: '53400',
    says: ({ savepointsMax }: { savepointsMax: number }) => `a block has ${savepointsMax} savepoints already`,
    because: 'Whatever grows has a limit (I-6).',
    mend: () => 'RELEASE what is no longer needed',
  },
  CURSOR_MISSING: {
    sqlstate: '34000',
    says: ({ name }: { name: string }) => `cursor "${name}" does not exist`,
    because: 'A cursor lives until CLOSE or the end of its block; WITH HOLD, until the end of the session.',
  },
  CURSOR_EXISTS: of<{ name: string }>({
    sqlstate: '42P03',
    says: ({ name }) => `cursor "${name}" already exists`,
    because: 'A name stands for one cursor.',
    mend: ({ name }) => `CLOSE ${ident(name)};`,
  }),
  CURSOR_NEEDS_BLOCK: {
    sqlstate: '25P01',
    says: () => 'DECLARE CURSOR can only be used in transaction blocks',
    because: 'Without WITH HOLD a cursor ends with its block.',
    mend: () => 'BEGIN;   (or write WITH HOLD before FOR)',
  },
  CURSORS_EXHAUSTED: {
    sqlstate: '53400',
    says: ({ cursorsMax }: { cursorsMax: number }) => `the session has ${cursorsMax} cursors open already`,
    because: 'An open cursor keeps its rows in memory.',
    mend: () => 'CLOSE ALL;',
  },
  DDL_IN_TRANSACTION: {
    sqlstate: '25001',
    says: ({ statement }: { statement: string }) => `${statement} cannot run inside a transaction block`,
    because: 'Each statement that defines something is its own commit.',
    mend: () => 'COMMIT;',
  },
  BINARY_FORMAT_UNSUPPORTED: {
    sqlstate: '0A000',
    says: ({ oid }: { oid: number }) => `no binary format for the type with OID ${oid}`,
    because: 'Millrace sends the types that drivers ask for in binary; any type can be had as text.',
    mend: () => 'ask for the text format, or cast the column to text',
  },
  DEMO_ENGINE_FAILED: {
    sqlstate: '58000',
    says: () => 'the demo could not start Millrace',
    because: 'The demo runs the real `millrace serve` in a process of its own, and that ended before it answered.',
    detail: ({ output }: { output: string }) => output,
    mend: () => 'read what it said above; a port or directory that it cannot have is the usual cause',
  },
  COLUMN_MISSING: of<{ column: string; relation: string }>({
    sqlstate: '42703',
    says: ({ column, relation }) => `column "${column}" of relation "${relation}" does not exist`,
    because: 'An index is on columns of the view, by the names that the view gives them.',
    mend: ({ relation }) => `SHOW COLUMNS FROM ${ident(relation)};`,
  }),
  PUBLICATION_EMPTY: of<{ publication: string }>({
    sqlstate: '42704',
    says: ({ publication }) => `publication "${publication}" has none of the wanted tables`,
    because: 'A source without tables would stream nothing, and look healthy.',
    mend: ({ publication }) => `publish them on the upstream database: ALTER PUBLICATION ${ident(publication)} ADD TABLE <schema.table, …>`,
  }),
  REFERENCE_MISSING: of<{ table: string; publication: string; database: string; allTables?: boolean }>({
    sqlstate: '42P01',
    says: ({ table, publication }) => `table ${table} is not in publication "${publication}"`,
    because: 'Only published tables are in the stream.',
    mend: ({ table, publication, database, allTables }) =>
      allTables === true
        ? `the publication is FOR ALL TABLES: make the table (in database ${database} there is no logged table ${table}), or correct its name`
        : `ALTER PUBLICATION ${ident(publication)} ADD TABLE ${table};   (on the upstream database)`,
  }),
  REFERENCE_AMBIGUOUS: of<{ table: string; candidates: readonly string[] }>({
    sqlstate: '42P09',
    says: ({ table, candidates }) => `table reference "${table}" is ambiguous: ${candidates.join(', ')}`,
    because: 'Several schemas of the upstream have a published table of that name.',
    mend: ({ candidates }) => `name its schema: REFERENCE ${candidates[0]}`,
  }),
  PREPARED_STATEMENT_MISSING: {
    sqlstate: '26000',
    says: ({ name }: { name: string }) => `prepared statement "${name}" does not exist`,
    because: 'Prepared statements live as long as their session.',
  },
  PREPARED_STATEMENT_EXISTS: of<{ name: string }>({
    sqlstate: '42P05',
    says: ({ name }) => `prepared statement "${name}" already exists`,
    because: 'A name stands for one statement.',
    mend: ({ name }) => `DEALLOCATE ${ident(name)};`,
  }),
  ENGINE_FAULT: {
    sqlstate: 'XX000',
    says: ({ reason }: { reason: string }) => `internal error: ${reason}`,
    because: 'An assertion of Millrace failed. What was received is safe in the log.',
    mend: () => 'restart Millrace, and report this with the log',
  },
  /** The SQLSTATE is Postgres's own, case by case. */
  POSTGRES_REFUSES: {
    sqlstate: 'XX000',
    says: ({ message }: { message: string }) => message,
    because: 'Postgres itself (in WebAssembly) analyses and evaluates; its own error is passed on with its SQLSTATE, hint and position.',
  },
  STATEMENT_TOO_COMPLEX: {
    sqlstate: '54001',
    says: () => 'stack depth limit exceeded',
    because:
      'The statement (or a function in it) nests so deeply that Postgres could not answer; its worker was started again and no other statement was harmed.',
    mend: () => 'split the expression, or use a common table expression',
  },
  CATALOG_BUSY: {
    sqlstate: '53400',
    says: ({ waitingMax }: { waitingMax: number }) => `${waitingMax} catalog statements are waiting already`,
    because: 'Catalog statements run one or two at a time, and the queue has a limit.',
    mend: () => 'try again in a second; open fewer connections that introspect the catalog at once',
  },
  CATALOG_STATEMENT_REFUSED: {
    sqlstate: '0A000',
    says: ({ keyword }: { keyword: string }) => `${keyword} cannot run on the system catalog`,
    because: 'The system catalog can be read (SELECT, WITH, VALUES, TABLE, SHOW, EXPLAIN) and nothing else.',
    mend: () => 'use a SELECT',
  },
  CATALOG_FUNCTION_REFUSED: {
    sqlstate: '42501',
    says: ({ function: name }: { function: string }) => `the function ${name} cannot be called here`,
    because:
      'The Postgres that answers catalog queries is shared by all clients, so what would lock, wait, seed or write in it is refused (advisory locks, setseed, pg_logical_emit_message, large objects, sequences …). `SELECT pg_sleep(seconds)` alone is answered.',
    mend: () => 'Call it on the upstream database.',
  },
  CATALOG_STATEMENT_TIMED_OUT: {
    sqlstate: '57014',
    says: ({ timeoutMs }: { timeoutMs: number }) => `a statement on the system catalog may take ${timeoutMs} ms`,
    because:
      'The Postgres that answers it is shared by all clients and cannot be interrupted, so its time is bounded whatever statement_timeout says.',
    mend: () => 'Read less of the catalog at once; compute on the upstream database.',
  },
  CATALOG_CONTENDED: of<{ timeoutMs: number }>({
    sqlstate: '57014',
    says: ({ timeoutMs }) => `other sessions wait for the system catalog, and this statement has had ${timeoutMs} ms`,
    because:
      'Two statements on the system catalog run at once; while both places are taken by long ones and others wait, the younger of the long ones gives way.',
    mend: () => 'Try again later, or read less of the catalog at once.',
  }),
  CATALOG_AND_ROWS: {
    sqlstate: '0A000',
    says: ({ relation }: { relation: string }) => `cannot read rows of "${relation}" and the system catalog in one statement`,
    because: 'Rows live in the engine, the system catalog in Postgres; one statement runs in one of them.',
    mend: () => 'ask in two statements',
  },
  CATALOG_UNAVAILABLE: {
    sqlstate: 'XX000',
    says: ({ reason }: { reason: string }) => `the system catalog could not be opened: ${reason}`,
    because: 'The worker that holds it ended, and opening it again failed. Views are not affected; the next statement tries again.',
    mend: () => 'try again; if it stays, restart Millrace and report this with the log',
  },
  EVALUATION_TIMED_OUT: of<{ timeoutMs: number; sql: string }>({
    sqlstate: '57014',
    says: ({ timeoutMs }) => `a function call did not end within ${timeoutMs} ms`,
    because: 'Functions without a native form run in batches with a deadline, so that one endless call cannot stop every view.',
    detail: ({ sql }) => `in ${sql.slice(0, 200)}`,
    mend: () =>
      'look for an argument that makes the function run for very long (repeat, generate_series, a regular expression) and bound it',
  }),
  PREPARED_CATALOG_MISSING: {
    sqlstate: 'F0000',
    says: ({ file }: { file: string }) => `the prepared catalog ${file} is missing from this installation`,
    because: 'It ships with the package, because making one takes 1.1 GB of memory for a moment.',
    mend: () => 'npm install millrace (again); in a checkout: npm run prepare',
  },
});
