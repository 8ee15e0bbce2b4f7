/** CREATE of Millrace's own objects: secret, connection, source, table from a source, view, materialized view, index. Called by `parse.ts`. */
import { millraceError } from '../../base/errors.ts';
import type { TokenReader } from './reader.ts';
import type { Name, OptionValue, SourceTables, Statement } from './statement.ts';

export function parseCreate(reader: TokenReader): Statement {
  reader.expect('create');
  const orReplace = reader.accept('or', 'replace');
  if (orReplace && reader.peekWord() !== 'view' && reader.peekWord() !== 'materialized') throw reader.unexpected('VIEW');
  if (reader.accept('secret')) return secret(reader);
  if (reader.accept('connection')) return connection(reader);
  if (reader.accept('source')) return source(reader);
  if (reader.accept('table')) return table(reader);
  if (reader.accept('materialized', 'view')) return view(reader, true, orReplace);
  if (reader.accept('view')) return view(reader, false, orReplace);
  if (reader.accept('default', 'index')) return index(reader, true);
  if (reader.accept('index')) return index(reader, false);
  const what = reader.peekWord();
  if (what !== undefined && UNSUPPORTED.has(what))
    throw millraceError('STATEMENT_UNSUPPORTED', { statement: `CREATE ${what.toUpperCase()}` });
  throw reader.unexpected('SECRET, CONNECTION, SOURCE, TABLE, VIEW, MATERIALIZED VIEW or INDEX');
}

const UNSUPPORTED = new Set(
  'aggregate cast cluster collation database domain event extension function group language operator policy procedure publication role rule schema sequence server sink statistics subscription temp temporary trigger type unique unlogged user'.split(
    ' ',
  ),
);

function secret(reader: TokenReader): Statement {
  const ifNotExists = reader.accept('if', 'not', 'exists');
  const name = reader.identifier();
  reader.expect('as');
  return { kind: 'createSecret', name, ifNotExists, value: reader.string('the secret as a string') };
}

/** Option of CREATE CONNECTION → libpq's parameter. */
export const CONNECTION_OPTIONS: Readonly<Record<string, string>> = {
  host: 'host',
  port: 'port',
  database: 'dbname',
  user: 'user',
  password: 'password',
  url: 'url',
  'ssl mode': 'sslmode',
  'ssl certificate authority': 'sslrootcert',
  'ssl certificate': 'sslcert',
  'ssl key': 'sslkey',
  'allow cleartext': 'require_auth',
};

function connection(reader: TokenReader): Statement {
  const ifNotExists = reader.accept('if', 'not', 'exists');
  const name = reader.identifier();
  reader.expect('to', 'postgres');
  const options: Record<string, OptionValue> = {};
  for (const [option, value] of reader.list(() => connectionOption(reader, 'CREATE CONNECTION'))) options[option] = value;
  const validate = validation(reader);
  if (options['host'] === undefined && options['url'] === undefined)
    throw millraceError('OPTION_MISSING', { statement: 'CREATE CONNECTION', option: 'HOST' });
  return { kind: 'createConnection', name, ifNotExists, options, validate };
}

/** `[WITH (VALIDATE = false)]` */
export function validation(reader: TokenReader): boolean {
  let validate = true;
  if (reader.accept('with')) {
    for (const wanted of reader.list(() => validateOption(reader))) validate = wanted;
  }
  return validate;
}

/** A bare name means true. In libpq's words: the ways in which the password may be told. */
function cleartext(reader: TokenReader, assigned: boolean): string {
  if (!assigned && (reader.peekSymbol(',') || reader.peekSymbol(')'))) return 'password,md5,scram-sha-256';
  const { value } = reader.take();
  if (['true', 'on', '1'].includes(value.toLowerCase())) return 'password,md5,scram-sha-256';
  if (['false', 'off', '0'].includes(value.toLowerCase())) return 'md5,scram-sha-256';
  throw millraceError('OPTION_REFUSED', { option: 'ALLOW CLEARTEXT', value, accepted: 'true or false' });
}

/** An option as it is written, and libpq's name of it. */
export function connectionOptionName(reader: TokenReader, statement: string): { option: string; parameter: string } {
  const known = Object.keys(CONNECTION_OPTIONS).sort((a, b) => b.length - a.length);
  const option = known.find((candidate) => reader.accept(...candidate.split(' ')));
  if (option === undefined) {
    if (reader.next.kind !== 'word') throw reader.unexpected('an option');
    throw millraceError('OPTION_UNKNOWN', {
      statement,
      option: reader.next.value.toUpperCase(),
      known: Object.keys(CONNECTION_OPTIONS).map((each) => each.toUpperCase()),
    });
  }
  return { option, parameter: CONNECTION_OPTIONS[option]! };
}

export function connectionOption(reader: TokenReader, statement: string): [string, OptionValue] {
  const { option, parameter } = connectionOptionName(reader, statement);
  const assigned = reader.acceptSymbol('=');
  if (option === 'allow cleartext') return [parameter, cleartext(reader, assigned)];
  if (reader.accept('secret')) return [parameter, { secret: reader.identifier('the name of a secret') }];
  if (option === 'password' || option === 'ssl key') throw millraceError('SECRET_IN_STATEMENT', {});
  const token = reader.take();
  if (!['string', 'number', 'word', 'quoted'].includes(token.kind)) throw reader.unexpected('a value');
  if (option === 'url' && /:\/\/[^/@]*:[^/@]+@/.test(token.value)) throw millraceError('SECRET_IN_STATEMENT', {});
  return [parameter, token.value];
}

function validateOption(reader: TokenReader): boolean {
  reader.expect('validate');
  reader.acceptSymbol('=');
  const { value } = reader.take();
  if (value === 'true' || value === 'false') return value === 'true';
  throw millraceError('OPTION_REFUSED', { option: 'VALIDATE', value, accepted: 'true or false' });
}

function source(reader: TokenReader): Statement {
  const ifNotExists = reader.accept('if', 'not', 'exists');
  const name = reader.identifier();
  if (reader.accept('in', 'cluster')) reader.identifier();
  reader.expect('from', 'postgres', 'connection');
  const connectionName = reader.identifier('the name of a connection');
  let publication: string | undefined;
  reader.list(() => {
    if (reader.accept('publication')) {
      reader.acceptSymbol('=');
      publication = reader.string('the name of the publication as a string');
      return;
    }
    for (const option of ['text', 'exclude'])
      if (reader.peekWord() === option) throw millraceError('STATEMENT_UNSUPPORTED', { statement: `${option.toUpperCase()} COLUMNS` });
    throw reader.unexpected('PUBLICATION');
  });
  if (publication === undefined) throw millraceError('OPTION_MISSING', { statement: 'CREATE SOURCE', option: 'PUBLICATION' });
  return { kind: 'createSource', name, ifNotExists, connection: connectionName, publication, tables: sourceTables(reader) };
}

function sourceTables(reader: TokenReader): SourceTables {
  if (!reader.accept('for')) return { which: 'none' };
  if (reader.accept('all', 'tables')) return { which: 'all' };
  if (reader.accept('schemas')) return { which: 'schemas', schemas: reader.list(() => reader.identifier('a schema')) };
  reader.expect('tables');
  return {
    which: 'tables',
    tables: reader.list(() => {
      const upstream = reader.name('a table');
      return { upstream, alias: reader.accept('as') ? reader.name('the name here') : undefined };
    }),
  };
}

function table(reader: TokenReader): Statement {
  const ifNotExists = reader.accept('if', 'not', 'exists');
  const name = reader.name();
  if (!reader.accept('from', 'source'))
    throw millraceError('STATEMENT_UNSUPPORTED', {
      statement: 'CREATE TABLE other than FROM SOURCE',
      instead: 'CREATE TABLE t FROM SOURCE s (REFERENCE public.t);',
    });
  const sourceName = reader.identifier('the name of the source');
  reader.expectSymbol('(');
  reader.expect('reference');
  reader.acceptSymbol('=');
  const reference = reader.name('the upstream table');
  reader.expectSymbol(')');
  return { kind: 'createTable', name, ifNotExists, source: sourceName, reference };
}

function view(reader: TokenReader, materialized: boolean, orReplace: boolean): Statement {
  if (orReplace && materialized)
    throw millraceError('STATEMENT_UNSUPPORTED', {
      statement: 'CREATE OR REPLACE MATERIALIZED VIEW',
      instead: 'DROP MATERIALIZED VIEW first.',
    });
  const ifNotExists = reader.accept('if', 'not', 'exists');
  const name = reader.name();
  const columnNames = reader.peekSymbol('(') ? reader.list(() => reader.identifier('a column')) : undefined;
  if (reader.accept('in', 'cluster')) reader.identifier();
  if (reader.accept('with')) throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'CREATE VIEW … WITH' });
  reader.expect('as');
  if (reader.atEnd) throw reader.unexpected('a query');
  const { text, offset } = reader.rest();
  return { kind: 'createView', materialized, name, ifNotExists, orReplace, columnNames, query: text, queryOffset: offset };
}

function index(reader: TokenReader, byDefault: boolean): Statement {
  const ifNotExists = reader.accept('if', 'not', 'exists');
  let name: string | undefined;
  if (reader.peekWord() !== 'on' && reader.peekWord() !== 'in') name = reader.identifier();
  if (reader.accept('in', 'cluster')) reader.identifier();
  reader.expect('on');
  const on: Name = reader.name();
  if (reader.accept('using')) reader.identifier();
  const columns = byDefault ? undefined : reader.list(() => indexColumn(reader));
  return { kind: 'createIndex', name, ifNotExists, on, columns };
}

function indexColumn(reader: TokenReader): string {
  if (reader.peekSymbol('('))
    throw millraceError('STATEMENT_UNSUPPORTED', {
      statement: 'an index on an expression',
      instead: 'Give the expression a name in the view and index that column.',
    });
  return reader.identifier('a column');
}
