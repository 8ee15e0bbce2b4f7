import { expect, test } from 'vitest';
import fc from 'fast-check';
import { MillraceError } from '../../base/errors.ts';
import { splitStatements } from './lexer.ts';
import { parseStatement } from './parse.ts';

const failure = (text: string): { code: string; sqlstate: string; position: number | undefined; message: string } => {
  try {
    parseStatement(text);
  } catch (error) {
    if (error instanceof MillraceError)
      return { code: error.code, sqlstate: error.sqlstate, position: error.position, message: error.message };
    throw error;
  }
  throw new Error(`accepted: ${text}`);
};

test('statements are split at semicolons, not at those in strings, comments, dollar quotes or identifiers', () => {
  expect(splitStatements(`SELECT ';'; -- a;b\n/* c; /* d; */ */ SELECT $x$;$x$ ;; SELECT ";" , E'\\';'`)).toEqual([
    { text: `SELECT ';'`, offset: 0 },
    { text: `SELECT $x$;$x$`, offset: 37 },
    { text: `SELECT ";" , E'\\';'`, offset: 55 },
  ]);
});

test('a query is its text', () => {
  expect(parseStatement('  SELECT 1 + 1 -- two')).toEqual({ kind: 'query', text: 'SELECT 1 + 1 -- two' });
  expect(parseStatement('(SELECT 1) UNION SELECT 2')).toMatchObject({ kind: 'query' });
});

test('secret, connection, source, table', () => {
  expect(parseStatement(`CREATE SECRET pgpass AS 'it''s'`)).toEqual({
    kind: 'createSecret',
    name: 'pgpass',
    ifNotExists: false,
    value: "it's",
  });
  expect(
    parseStatement(
      `CREATE CONNECTION pg TO POSTGRES (HOST 'db.example', PORT 5432, DATABASE 'app', USER 'm', PASSWORD SECRET pgpass, SSL MODE 'require', ALLOW CLEARTEXT) WITH (VALIDATE = false)`,
    ),
  ).toEqual({
    kind: 'createConnection',
    name: 'pg',
    ifNotExists: false,
    options: {
      host: 'db.example',
      port: '5432',
      dbname: 'app',
      user: 'm',
      password: { secret: 'pgpass' },
      sslmode: 'require',
      require_auth: 'password,md5,scram-sha-256',
    },
    validate: false,
  });
  expect(
    parseStatement(`CREATE SOURCE s FROM POSTGRES CONNECTION pg (PUBLICATION 'mz_source') FOR TABLES (orders, other."T" AS t)`),
  ).toEqual({
    kind: 'createSource',
    name: 's',
    ifNotExists: false,
    connection: 'pg',
    publication: 'mz_source',
    tables: {
      which: 'tables',
      tables: [
        { upstream: { name: 'orders' }, alias: undefined },
        { upstream: { schema: 'other', name: 'T' }, alias: { name: 't' } },
      ],
    },
  });
  expect(parseStatement(`CREATE SOURCE s FROM POSTGRES CONNECTION pg (PUBLICATION 'p') FOR ALL TABLES`)).toMatchObject({
    tables: { which: 'all' },
  });
  expect(parseStatement(`CREATE TABLE t FROM SOURCE s (REFERENCE public.orders)`)).toEqual({
    kind: 'createTable',
    name: { name: 't' },
    ifNotExists: false,
    source: 's',
    reference: { schema: 'public', name: 'orders' },
  });
});

test('views keep their query verbatim, with its place', () => {
  const text = `CREATE MATERIALIZED VIEW IF NOT EXISTS public.v (a, "B") AS SELECT 1, 'x;y'`;
  expect(parseStatement(text)).toEqual({
    kind: 'createView',
    materialized: true,
    name: { schema: 'public', name: 'v' },
    ifNotExists: true,
    orReplace: false,
    columnNames: ['a', 'B'],
    query: `SELECT 1, 'x;y'`,
    queryOffset: text.indexOf('SELECT'),
  });
});

test('SUBSCRIBE, alone and through COPY', () => {
  expect(parseStatement('SUBSCRIBE v')).toEqual({ kind: 'subscribe', target: { object: { name: 'v' } }, snapshot: true, progress: false });
  expect(parseStatement('COPY (SUBSCRIBE TO (SELECT (1)) WITH (SNAPSHOT = false, PROGRESS)) TO STDOUT')).toEqual({
    kind: 'copyOut',
    inner: { kind: 'subscribe', target: { query: 'SELECT (1)', offset: 14 }, snapshot: false, progress: true },
  });
});

test('settings, transactions, the rest', () => {
  expect(parseStatement(`SET search_path = a, "B"`)).toEqual({ kind: 'set', name: 'search_path', value: 'a, B', local: false });
  expect(parseStatement(`SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY`)).toEqual({ kind: 'ignored', tag: 'SET' });
  expect(parseStatement('BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ')).toEqual({ kind: 'begin', readOnly: true });
  expect(parseStatement('SHOW MATERIALIZED VIEWS LIKE $$a%$$')).toEqual({ kind: 'show', what: 'materializedViews', like: 'a%' });
  expect(parseStatement('DROP SOURCE IF EXISTS a, b CASCADE')).toEqual({
    kind: 'drop',
    object: 'source',
    names: [{ name: 'a' }, { name: 'b' }],
    ifExists: true,
    cascade: true,
  });
  expect(parseStatement('AUDIT VIEW v')).toEqual({ kind: 'audit', view: { name: 'v' } });
  expect(parseStatement('EXECUTE p (1, f(2, 3))')).toMatchObject({ kind: 'execute', name: 'p' });
});

/** Every kind of statement, in its plainest form. */
test.each([
  ['TABLE t', 'query'],
  ['VALUES (1)', 'query'],
  ['WITH a AS (SELECT 1) SELECT * FROM a', 'query'],
  [`CREATE SECRET s AS 'x'`, 'createSecret'],
  [`ALTER SECRET s AS 'x'`, 'alterSecret'],
  ['ALTER SOURCE s REFRESH', 'refreshSource'],
  [`ALTER CONNECTION c SET (HOST 'x', PORT = 5433, PASSWORD SECRET s), RESET (SSL MODE) WITH (VALIDATE = false)`, 'alterConnection'],
  [`ALTER CONNECTION IF EXISTS c SET HOST = 'x'`, 'alterConnection'],
  [`CREATE CONNECTION c TO POSTGRES (URL SECRET s)`, 'createConnection'],
  [`CREATE SOURCE s IN CLUSTER c FROM POSTGRES CONNECTION p (PUBLICATION 'm') FOR SCHEMAS (a, b)`, 'createSource'],
  ['CREATE TABLE IF NOT EXISTS t FROM SOURCE s (REFERENCE t)', 'createTable'],
  ['CREATE OR REPLACE VIEW v AS SELECT 1', 'createView'],
  ['CREATE MATERIALIZED VIEW v IN CLUSTER c AS SELECT 1', 'createView'],
  ['CREATE DEFAULT INDEX ON v', 'createIndex'],
  ['CREATE INDEX i ON v (a, b)', 'createIndex'],
  ['DROP MATERIALIZED VIEW v', 'drop'],
  ['SHOW SOURCES', 'show'],
  ['SHOW COLUMNS FROM v', 'show'],
  ['SHOW CREATE MATERIALIZED VIEW v', 'showCreate'],
  ['SHOW TRANSACTION ISOLATION LEVEL', 'showSetting'],
  ['VALIDATE CONNECTION c', 'validateConnection'],
  ['SUBSCRIBE TO v', 'subscribe'],
  ['COPY v TO STDOUT', 'copyOut'],
  ['EXPLAIN SELECT 1', 'explain'],
  ['AUDIT', 'audit'],
  ['START TRANSACTION READ ONLY', 'begin'],
  ['END', 'commit'],
  ['ABORT', 'rollback'],
  ['SET TIME ZONE UTC', 'set'],
  ['RESET ALL', 'reset'],
  ['DISCARD ALL', 'discard'],
  ['PREPARE p AS SELECT $1', 'prepare'],
  ['EXECUTE p (1)', 'execute'],
  ['DEALLOCATE ALL', 'deallocate'],
])('%s is a statement of kind %s', (text, kind) => {
  expect(parseStatement(text).kind).toBe(kind);
});

test.each([
  ['SAVEPOINT s', { kind: 'savepoint', name: 's' }],
  ['RELEASE s', { kind: 'releaseSavepoint', name: 's' }],
  ['ROLLBACK', { kind: 'rollback' }],
  ['ROLLBACK TO SAVEPOINT s', { kind: 'rollbackTo', name: 's' }],
  ['DECLARE c NO SCROLL CURSOR FOR SELECT 1', { kind: 'declareCursor', name: 'c', hold: false, text: 'SELECT 1' }],
  ['DECLARE c CURSOR WITH HOLD FOR TABLE t', { kind: 'declareCursor', name: 'c', hold: true, text: 'TABLE t' }],
  ['FETCH c', { kind: 'fetch', name: 'c', count: 1, move: false }],
  ['FETCH NEXT FROM c', { kind: 'fetch', name: 'c', count: 1, move: false }],
  ['FETCH FORWARD 100 FROM c', { kind: 'fetch', name: 'c', count: 100, move: false }],
  ['FETCH 3 c', { kind: 'fetch', name: 'c', count: 3, move: false }],
  ['MOVE ALL IN c', { kind: 'fetch', name: 'c', count: Infinity, move: true }],
  ['CLOSE c', { kind: 'closeCursor', name: 'c' }],
  ['CLOSE ALL', { kind: 'closeCursor', name: undefined }],
])('savepoints and cursors: %s', (text, statement) => {
  expect(parseStatement(text)).toEqual(statement);
});

test.each([
  ['SELECTT 1', 'SYNTAX_ERROR', 1],
  ['CREATE VIEW v', 'SYNTAX_ERROR', 14],
  ['CREATE SOURCE s FROM POSTGRES CONNECTION c (PUBLICATION 3)', 'SYNTAX_ERROR', 57],
  ["SELECT 'open", 'SYNTAX_ERROR', 8],
  // Characters, not UTF-16 units.
  ["SHOW TABLES LIKE '😀' 7", 'SYNTAX_ERROR', 22],
  ['COPY (SUBSCRIBE v 7) TO STDOUT', 'SYNTAX_ERROR', 19],
  ['DECLARE c SCROLL CURSOR FOR SELECT 1', 'STATEMENT_UNSUPPORTED', undefined],
  ['FETCH BACKWARD 2 FROM c', 'STATEMENT_UNSUPPORTED', undefined],
  ['DECLARE c CURSOR FOR SUBSCRIBE v', 'STATEMENT_UNSUPPORTED', undefined],
  ['COPY t FROM STDIN', 'STATEMENT_READ_ONLY', undefined],
  ['CREATE TABLE t (a int)', 'STATEMENT_UNSUPPORTED', undefined],
  ['INSERT INTO t VALUES (1)', 'STATEMENT_READ_ONLY', undefined],
  ['ALTER TABLE t ADD c int', 'STATEMENT_UNSUPPORTED', undefined],
  ['ALTER SECRET s', 'SYNTAX_ERROR', 15],
  ['CREATE FUNCTION f() RETURNS int', 'STATEMENT_UNSUPPORTED', undefined],
  [`CREATE CONNECTION c TO POSTGRES (HOST 'h', PASSWORD 'plain')`, 'SECRET_IN_STATEMENT', undefined],
  [`CREATE CONNECTION c TO POSTGRES (HOSTT 'h')`, 'OPTION_UNKNOWN', undefined],
])('refused: %s', (text, code, position) => {
  expect(failure(text)).toMatchObject({ code, position });
});

test('whatever is thrown at it, it answers with a statement or a MillraceError', () => {
  const piece = fc.constantFrom(
    'SELECT',
    'CREATE',
    'VIEW',
    'MATERIALIZED',
    'SUBSCRIBE',
    'COPY',
    'SET',
    'SHOW',
    '(',
    ')',
    ',',
    '=',
    "'",
    '"',
    '$$',
    'x',
    '1',
    '--',
    '/*',
    ';',
    'AS',
    'WITH',
    'DROP',
    'TO',
    'STDOUT',
    '.',
    '\\',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = pieces.join(' ');
      try {
        for (const statement of splitStatements(text)) parseStatement(statement.text);
      } catch (error) {
        expect(error).toBeInstanceOf(MillraceError);
      }
    }),
  );
});
