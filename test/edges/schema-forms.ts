/** Forms of DDL, each on a table of its own: what the view on it asks, and which cause a refusal names. */
export interface Form {
  readonly table: string;
  readonly setup: string;
  /** Statements, one transaction each. */
  readonly ddl: string;
  /** A change of the table behind it. */
  readonly change: string;
  readonly query: string;
  /** What a refusal says; absent: it goes on. */
  readonly cause?: RegExp;
}

/** `id` 1 and 2. */
const two = (table: string, columns: string, values: readonly [string, string]): string =>
  `CREATE TABLE ${table} (id int PRIMARY KEY, ${columns}); INSERT INTO ${table} VALUES (1, ${values[0]}), (2, ${values[1]})`;
const all = (table: string): string => `SELECT * FROM ${table}`;
const again = (table: string): string => `DELETE FROM ${table} WHERE id = 2`;

export const FORMS: readonly Form[] = [
  {
    table: 'usage',
    setup: `CREATE TABLE usage (id int PRIMARY KEY, spare int, org int NOT NULL, n int, label varchar(10)); INSERT INTO usage SELECT i, 9, i, i * 300, 'l' || i FROM generate_series(1, 3) i`,
    ddl: 'ALTER TABLE usage DROP COLUMN spare',
    change: 'UPDATE usage SET n = n + 1 WHERE id = 1',
    query: 'SELECT id, org, n, label FROM usage',
    cause: /column "spare" was dropped|its columns changed/,
  },
  {
    table: 'remade',
    setup: two('remade', 'f1 text, f2 text', [`'a', 'old'`, `'b', 'old'`]),
    ddl: 'ALTER TABLE remade DROP COLUMN f2; ALTER TABLE remade ADD COLUMN f2 text',
    change: `INSERT INTO remade VALUES (3, 'c', 'new')`,
    query: 'SELECT id, f1, f2 FROM remade',
    cause: /column "f2" was dropped, and another one of that name added/,
  },
  {
    table: 'rounded',
    setup: two('rounded', 'v numeric(5,2)', ['123.45', '1.5']),
    ddl: 'ALTER TABLE rounded ALTER v TYPE numeric(6,1)',
    change: again('rounded'),
    query: all('rounded'),
    cause: /column "v" is of type numeric\(6,1\) now, and was numeric\(5,2\)|its columns changed/,
  },
  {
    table: 'uppered',
    setup: two('uppered', 'v text', [`'a'`, `'b'`]),
    ddl: 'ALTER TABLE uppered ALTER v TYPE text USING upper(v)',
    change: again('uppered'),
    query: all('uppered'),
    cause: /it was rewritten, and column "v" altered/,
  },
  {
    table: 'exchanged',
    setup: two('exchanged', 'a int, b int', ['1, 2', '3, 4']),
    ddl: 'ALTER TABLE exchanged RENAME a TO x; ALTER TABLE exchanged RENAME b TO a; ALTER TABLE exchanged RENAME x TO b',
    change: again('exchanged'),
    query: 'SELECT id, a, b FROM exchanged',
    cause: /column "a" is called "b" now|its columns changed; they are now \(id, b, a\)/,
  },
  {
    table: 'rp',
    setup: `${two('rp', 'v int', ['1', '2'])}; ${two('rp_new', 'v int', ['10', '20'])}`,
    ddl: 'ALTER TABLE rp RENAME TO rp_old; ALTER TABLE rp_new RENAME TO rp',
    change: 'UPDATE rp_old SET v = 7 WHERE id = 1; UPDATE rp SET v = 70 WHERE id = 1',
    query: all('rp'),
    cause: /it is called public\.rp_old now/,
  },
  {
    table: 'widened',
    setup: two('widened', 'v int', ['1', '2']),
    ddl: `ALTER TABLE widened ADD COLUMN w int DEFAULT 5`,
    change: again('widened'),
    query: 'SELECT id, v FROM widened',
    cause: /column "w" was added|its columns changed/,
  },
  {
    table: 'volatile',
    setup: two('volatile', 'v int', ['1', '2']),
    ddl: `ALTER TABLE volatile ADD COLUMN w float8 DEFAULT random()`,
    change: again('volatile'),
    query: all('volatile'),
    cause: /column "w" was added|its columns changed/,
  },
  {
    table: 'renamed',
    setup: two('renamed', 'v int, unread int', ['1, 1', '2, 2']),
    ddl: 'ALTER TABLE renamed RENAME unread TO other',
    change: again('renamed'),
    query: 'SELECT id, v FROM renamed',
    cause: /column "unread" is called "other" now|its columns changed/,
  },
  {
    table: 'retyped',
    setup: two('retyped', 'v int, s varchar(10)', [`1, 'a'`, `2, 'b'`]),
    ddl: 'ALTER TABLE retyped ALTER v TYPE bigint; ALTER TABLE retyped ALTER s TYPE text',
    change: again('retyped'),
    query: all('retyped'),
    cause: /column "v" is of type bigint now|its columns changed/,
  },
  {
    table: 'rekeyed',
    setup: `CREATE TABLE rekeyed (id int PRIMARY KEY, other int NOT NULL, v text); INSERT INTO rekeyed VALUES (1, 2, 'a'), (2, 1, 'b')`,
    ddl: 'ALTER TABLE rekeyed DROP CONSTRAINT rekeyed_pkey, ADD PRIMARY KEY (other)',
    change: 'UPDATE rekeyed SET id = 2 WHERE id = 1',
    query: all('rekeyed'),
    cause: /its rows are identified by other columns now \(other/,
  },
  {
    table: 'unidentified',
    setup: `CREATE TABLE unidentified (id int NOT NULL, v text); ALTER TABLE unidentified REPLICA IDENTITY FULL; INSERT INTO unidentified VALUES (1, 'a'), (1, 'a')`,
    ddl: `CREATE UNIQUE INDEX unidentified_id ON unidentified (id) WHERE false; ALTER TABLE unidentified ADD COLUMN k serial PRIMARY KEY`,
    change: `UPDATE unidentified SET v = 'b' WHERE k = 1`,
    query: 'SELECT id, v FROM unidentified',
    cause: /column "k" was added|its columns changed/,
  },
  {
    table: 'replaced',
    setup: two('replaced', 'v int', ['1', '2']),
    ddl: `DROP TABLE replaced; ${two('replaced', 'v int', ['10', '20'])}`,
    change: 'UPDATE replaced SET v = 11 WHERE id = 1',
    query: all('replaced'),
    cause: /it was dropped, and another table has its name now/,
  },
  {
    table: 'gone',
    setup: two('gone', 'v int', ['1', '2']),
    ddl: 'DROP TABLE gone',
    change: 'SELECT 1',
    query: all('gone'),
    cause: /it was dropped/,
  },
  {
    table: 'unlogged',
    setup: two('unlogged', 'v int', ['1', '2']),
    ddl: 'ALTER TABLE unlogged SET UNLOGGED',
    change: 'UPDATE unlogged SET v = 11 WHERE id = 1',
    query: all('unlogged'),
    cause: /it is unlogged now/,
  },
  {
    table: 'toggled',
    setup: two('toggled', 'v int', ['1', '2']),
    ddl: `ALTER TABLE toggled SET UNLOGGED; UPDATE toggled SET v = 22 WHERE id = 2; ALTER TABLE toggled SET LOGGED`,
    change: 'SELECT 1',
    query: all('toggled'),
    cause: /written anew/,
  },
  {
    table: 'toggled_text',
    setup: two('toggled_text', 'v text', ["'a'", "'b'"]),
    ddl: `ALTER TABLE toggled_text SET UNLOGGED; UPDATE toggled_text SET v = 'c' WHERE id = 2; ALTER TABLE toggled_text SET LOGGED`,
    change: 'SELECT 1',
    query: all('toggled_text'),
    cause: /written anew/,
  },
  {
    table: 'levelled',
    setup: `CREATE TYPE level AS ENUM ('low', 'high'); ${two('levelled', 'l level', [`'low'`, `'high'`])}`,
    ddl: `ALTER TYPE level ADD VALUE 'medium' BEFORE 'high'`,
    change: `INSERT INTO levelled VALUES (3, 'medium')`,
    query: `SELECT min(l) AS lowest, max(l) AS highest, count(*) FILTER (WHERE l > 'low') AS above FROM levelled`,
    cause: /column "l" has the value "medium"|the labels of enum public\.level are now \(low, medium, high\)/,
  },
  {
    table: 'relabelled',
    setup: `CREATE TYPE mood AS ENUM ('sad', 'ok'); ${two('relabelled', 'm mood', [`'sad'`, `'ok'`])}`,
    ddl: `ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'`,
    change: again('relabelled'),
    query: all('relabelled'),
    cause: /the labels of enum public\.mood are now \(blue, ok\)/,
  },
  {
    table: 'listed',
    setup: `CREATE TYPE tag AS ENUM ('x', 'y'); CREATE DOMAIN tagged AS tag; ${two('listed', 't tag[], d tagged', [`'{x}', 'x'`, `'{x,y}', 'y'`])}`,
    ddl: `ALTER TYPE tag ADD VALUE 'w' BEFORE 'x'`,
    change: `UPDATE listed SET t = '{w}', d = 'w' WHERE id = 1`,
    query: all('listed'),
    cause: /the labels of enum public\.tag are now \(w, x, y\)/,
  },
  {
    table: 'composed',
    setup: `CREATE TYPE co AS (a int, b text); ${two('composed', 'c co', [`ROW(1, 'x')`, `ROW(2, 'y')`])}`,
    ddl: `ALTER TYPE co ADD ATTRIBUTE z int`,
    change: `UPDATE composed SET c = ROW(1, 'x', 3) WHERE id = 1`,
    query: all('composed'),
    cause: /the attributes of type public\.co are now \(a integer, b text, z integer\)/,
  },
  {
    table: 'mother',
    setup: two('mother', 'v int', ['1', '2']),
    ddl: 'CREATE TABLE child () INHERITS (mother)',
    change: 'INSERT INTO child VALUES (3, 3)',
    query: 'SELECT count(*) AS n FROM mother',
    cause: /inheritance child child was added/,
  },
  {
    table: 'moved',
    setup: `CREATE SCHEMA elsewhere; ${two('moved', 'v int', ['1', '2'])}`,
    ddl: 'ALTER TABLE moved SET SCHEMA elsewhere',
    change: 'UPDATE elsewhere.moved SET v = 11 WHERE id = 1',
    query: all('moved'),
    cause: /it is called elsewhere\.moved now/,
  },
  // What changes no row goes on.
  {
    table: 'vacuumed',
    setup: `${two('vacuumed', 'v int', ['1', '2'])}; CREATE INDEX vacuumed_v ON vacuumed (v)`,
    ddl: 'VACUUM FULL vacuumed; CLUSTER vacuumed USING vacuumed_v; REINDEX TABLE vacuumed; ANALYZE vacuumed',
    change: 'UPDATE vacuumed SET v = 11 WHERE id = 1',
    query: all('vacuumed'),
  },
  {
    table: 'truncated',
    setup: two('truncated', 'v int', ['1', '2']),
    ddl: 'TRUNCATE truncated; INSERT INTO truncated VALUES (7, 7); TRUNCATE truncated; INSERT INTO truncated VALUES (8, 8)',
    change: 'UPDATE truncated SET v = 11 WHERE id = 8',
    query: all('truncated'),
  },
  {
    table: 'granted',
    setup: two('granted', 'v int', ['1', '2']),
    ddl: `GRANT SELECT (v) ON granted TO PUBLIC; ALTER TABLE granted ALTER v SET DEFAULT 3; ALTER TABLE granted ALTER v SET NOT NULL; ALTER TABLE granted ADD CHECK (v > 0);
      COMMENT ON TABLE granted IS 'x'; CREATE INDEX granted_v ON granted (v); ALTER TABLE granted REPLICA IDENTITY FULL; ALTER TABLE granted SET (fillfactor = 50)`,
    change: 'UPDATE granted SET v = 11 WHERE id = 1',
    query: all('granted'),
  },
];
