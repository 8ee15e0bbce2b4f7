/**
 * One statement to what it is. Queries stay text; Millrace's own statements are read in full, with errors at the very character; the rest is refused by name.
 * The forms: docs/reference/sql.md. Called by the engine's sessions.
 */
import { MillraceError, millraceError } from '../../base/errors.ts';
import { positionOf } from './lexer.ts';
import { parseAlter } from './parse-alter.ts';
import { parseCreate } from './parse-create.ts';
import { parseCursor } from './parse-cursor.ts';
import { TokenReader } from './reader.ts';
import type { DropKind, Name, ShowKind, Statement, SubscribeTarget } from './statement.ts';

export function parseStatement(text: string): Statement {
  const reader = new TokenReader(text);
  const statement = parse(reader);
  reader.end();
  return statement;
}

/** Long: one line a statement. */
function parse(reader: TokenReader): Statement {
  const verb = reader.peekWord();
  switch (verb) {
    case undefined:
      if (reader.peekSymbol('(')) return query(reader);
      throw reader.unexpected();
    case 'select':
    case 'values':
    case 'table':
    case 'with':
      return query(reader);
    case 'create':
      return parseCreate(reader);
    case 'alter':
      return parseAlter(reader);
    case 'drop':
      return drop(reader);
    case 'show':
      return show(reader);
    case 'subscribe':
    case 'tail':
      return subscribe(reader);
    case 'copy':
      return copy(reader);
    case 'explain':
      return explain(reader);
    case 'audit':
      reader.take();
      return { kind: 'audit', view: reader.accept('view') || reader.accept('materialized', 'view') ? reader.name() : undefined };
    case 'validate':
      reader.expect('validate', 'connection');
      return { kind: 'validateConnection', name: reader.identifier() };
    case 'begin':
    case 'start':
      return begin(reader);
    case 'commit':
    case 'end':
      reader.take();
      endOfBlock(reader);
      return { kind: 'commit' };
    case 'rollback':
    case 'abort':
      reader.take();
      return rollback(reader);
    case 'savepoint':
      reader.take();
      return { kind: 'savepoint', name: reader.identifier() };
    case 'release':
      reader.take();
      reader.accept('savepoint');
      return { kind: 'releaseSavepoint', name: reader.identifier() };
    case 'declare':
    case 'fetch':
    case 'move':
    case 'close':
      return parseCursor(reader);
    case 'set':
      return set(reader);
    case 'reset':
      reader.take();
      return { kind: 'reset', name: reader.accept('all') ? undefined : settingName(reader) };
    case 'discard':
      reader.rest();
      return { kind: 'discard' };
    case 'prepare':
      return prepare(reader);
    case 'execute':
      reader.take();
      return { kind: 'execute', name: reader.identifier(), arguments: reader.peekSymbol('(') ? reader.list(() => argument(reader)) : [] };
    case 'deallocate':
      reader.take();
      reader.accept('prepare');
      return { kind: 'deallocate', name: reader.accept('all') ? undefined : reader.identifier() };
    case 'insert':
    case 'update':
    case 'delete':
    case 'merge':
    case 'truncate':
      throw millraceError('STATEMENT_READ_ONLY', { statement: verb.toUpperCase() });
    case 'listen':
    case 'unlisten':
      reader.rest();
      return { kind: 'ignored', tag: verb.toUpperCase() };
    default:
      if (KNOWN_TO_POSTGRES.has(verb)) throw millraceError('STATEMENT_UNSUPPORTED', { statement: verb.toUpperCase() });
      throw reader.unexpected();
  }
}

const KNOWN_TO_POSTGRES = new Set(
  'analyze call checkpoint cluster comment do grant import load lock notify reassign refresh reindex revoke security vacuum'.split(' '),
);

function query(reader: TokenReader): Statement {
  return { kind: 'query', text: reader.rest().text };
}

const ofOneWord = <K extends string>(...kinds: readonly K[]): (readonly [readonly string[], K])[] => kinds.map((kind) => [[kind], kind]);

const DROPPED: readonly (readonly [readonly string[], DropKind])[] = [
  [['materialized', 'view'], 'materializedView'],
  ...ofOneWord('secret', 'connection', 'source', 'table', 'view', 'index'),
];

function objectKind(reader: TokenReader): DropKind {
  const found = DROPPED.find(([words]) => reader.accept(...words));
  if (found === undefined) throw reader.unexpected('SECRET, CONNECTION, SOURCE, TABLE, VIEW, MATERIALIZED VIEW or INDEX');
  return found[1];
}

function drop(reader: TokenReader): Statement {
  reader.expect('drop');
  const object = objectKind(reader);
  const ifExists = reader.accept('if', 'exists');
  const names: Name[] = [reader.name()];
  while (reader.acceptSymbol(',')) names.push(reader.name());
  const cascade = reader.accept('cascade');
  if (!cascade) reader.accept('restrict');
  return { kind: 'drop', object, names, ifExists, cascade };
}

const SHOWN: readonly (readonly [readonly string[], ShowKind])[] = [
  [['materialized', 'views'], 'materializedViews'],
  ...ofOneWord('secrets', 'connections', 'sources', 'tables', 'views', 'indexes', 'objects'),
  ...ofOneWord('schemas', 'databases', 'columns', 'all'),
];

function show(reader: TokenReader): Statement {
  reader.expect('show');
  if (reader.accept('create')) return { kind: 'showCreate', object: objectKind(reader), name: reader.name() };
  const found = SHOWN.find(([words]) => reader.accept(...words));
  if (found === undefined) return { kind: 'showSetting', name: settingName(reader) };
  const on = reader.accept('on') || reader.accept('from') ? reader.name() : undefined;
  if (found[1] === 'columns' && on === undefined) throw reader.unexpected('FROM and the name of a relation');
  const like = reader.accept('like') ? reader.string('a pattern') : undefined;
  return { kind: 'show', what: found[1], ...(on === undefined ? {} : { on }), ...(like === undefined ? {} : { like }) };
}

function subscribe(reader: TokenReader): Statement {
  reader.take();
  reader.accept('to');
  const target: SubscribeTarget = reader.acceptSymbol('(') ? queryTarget(reader) : { object: reader.name('a view, a table or (a query)') };
  let snapshot = true;
  let progress = false;
  for (const [name, value] of withOptions(reader, 'SUBSCRIBE', ['snapshot', 'progress'])) {
    if (name === 'snapshot') snapshot = value;
    else progress = value;
  }
  if (reader.peekWord() === 'as' || reader.peekWord() === 'up')
    throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'SUBSCRIBE … AS OF or UP TO' });
  if (reader.peekWord() === 'envelope' || reader.peekWord() === 'within')
    throw millraceError('STATEMENT_UNSUPPORTED', { statement: `SUBSCRIBE … ${reader.peekWord()!.toUpperCase()}` });
  return { kind: 'subscribe', target, snapshot, progress };
}

function queryTarget(reader: TokenReader): SubscribeTarget {
  const { text, offset } = reader.bracketed();
  return { query: text, offset };
}

/** `[WITH] (NAME [= value], …)`; a bare name means true. */
function* withOptions(reader: TokenReader, statement: string, known: readonly string[]): Generator<[string, boolean]> {
  if (!reader.accept('with') && !reader.peekSymbol('(')) return;
  for (const [name, value] of reader.list(() => option(reader))) {
    if (!known.includes(name))
      throw millraceError('OPTION_UNKNOWN', {
        statement,
        option: name.toUpperCase(),
        known: known.map((option_) => option_.toUpperCase()),
      });
    yield [name, value];
  }
}

function option(reader: TokenReader): [string, boolean] {
  const name = reader.identifier();
  const assigned = reader.acceptSymbol('=');
  if (!assigned && (reader.peekSymbol(',') || reader.peekSymbol(')'))) return [name, true];
  const token = reader.take();
  const value = token.value.toLowerCase();
  if (['true', 'on', '1'].includes(value)) return [name, true];
  if (['false', 'off', '0'].includes(value)) return [name, false];
  throw millraceError('OPTION_REFUSED', { option: name.toUpperCase(), value: token.value, accepted: 'true or false' });
}

/** COPY (…) TO STDOUT, text format. */
function copy(reader: TokenReader): Statement {
  reader.expect('copy');
  let inner: Statement;
  if (reader.acceptSymbol('(')) inner = parseInside(reader);
  else {
    const { schema, name } = reader.name();
    if (reader.peekWord() === 'from') throw millraceError('STATEMENT_READ_ONLY', { statement: 'COPY FROM' });
    const quoted = [schema, name].filter((part) => part !== undefined).map((part) => `"${part.replaceAll('"', '""')}"`);
    inner = { kind: 'query', text: `TABLE ${quoted.join('.')}` };
  }
  reader.expect('to', 'stdout');
  if (reader.accept('with') || reader.peekSymbol('(')) {
    for (const format of reader.list(() => (reader.expect('format'), reader.take().value.toLowerCase()))) {
      if (format !== 'text') throw millraceError('OPTION_REFUSED', { option: 'FORMAT', value: format, accepted: 'text' });
    }
  }
  if (inner.kind !== 'query' && inner.kind !== 'subscribe')
    throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'COPY of anything but a query or SUBSCRIBE' });
  return { kind: 'copyOut', inner };
}

/** A statement in brackets; the place of an error in it is a place in the whole. */
function parseInside(reader: TokenReader): Statement {
  const { text, offset } = reader.bracketed();
  try {
    return parseStatement(text);
  } catch (error) {
    if (error instanceof MillraceError && error.position !== undefined) error.position += positionOf(reader.text, offset) - 1;
    throw error;
  }
}

function explain(reader: TokenReader): Statement {
  reader.expect('explain');
  if (reader.peekSymbol('(')) throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'EXPLAIN with options' });
  if (reader.accept('plan')) reader.accept('for');
  return { kind: 'explain', inner: parse(reader) };
}

function begin(reader: TokenReader): Statement {
  if (reader.accept('start')) reader.expect('transaction');
  else {
    reader.expect('begin');
    if (!reader.accept('work')) reader.accept('transaction');
  }
  let readOnly = true;
  while (!reader.atEnd) {
    if (reader.accept('read', 'only')) readOnly = true;
    else if (reader.accept('read', 'write')) readOnly = false;
    else if (reader.accept('isolation', 'level')) {
      const known = [['serializable'], ['repeatable', 'read'], ['read', 'committed'], ['read', 'uncommitted'], ['strict', 'serializable']];
      if (!known.some((words) => reader.accept(...words))) throw reader.unexpected('an isolation level');
    } else if (reader.accept('not', 'deferrable') || reader.accept('deferrable') || reader.acceptSymbol(',')) continue;
    else throw reader.unexpected('a transaction mode');
  }
  return { kind: 'begin', readOnly };
}

function endOfBlock(reader: TokenReader): void {
  if (!reader.accept('work')) reader.accept('transaction');
  if (reader.accept('and')) {
    if (!reader.accept('no', 'chain')) throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'AND CHAIN' });
  }
}

function rollback(reader: TokenReader): Statement {
  if (!reader.accept('work')) reader.accept('transaction');
  if (!reader.accept('to')) {
    endOfBlock(reader);
    return { kind: 'rollback' };
  }
  reader.accept('savepoint');
  return { kind: 'rollbackTo', name: reader.identifier() };
}

function set(reader: TokenReader): Statement {
  reader.expect('set');
  const local = reader.accept('local');
  if (!local) reader.accept('session');
  if (reader.accept('transaction') || reader.accept('characteristics', 'as', 'transaction')) {
    reader.rest();
    return { kind: 'ignored', tag: 'SET' };
  }
  if (reader.accept('time', 'zone'))
    return {
      kind: 'set',
      name: 'timezone',
      value: reader.accept('local') || reader.accept('default') ? undefined : reader.take().value,
      local,
    };
  if (reader.accept('names')) return { kind: 'set', name: 'client_encoding', value: reader.atEnd ? undefined : reader.take().value, local };
  const name = settingName(reader);
  if (!reader.accept('to')) reader.expectSymbol('=');
  if (reader.accept('default')) return { kind: 'set', name, value: undefined, local };
  const values = [settingValue(reader)];
  while (reader.acceptSymbol(',')) values.push(settingValue(reader));
  return { kind: 'set', name, value: values.join(', '), local };
}

function settingName(reader: TokenReader): string {
  // SHOW TIME ZONE and SHOW TRANSACTION ISOLATION LEVEL are spelt in words.
  if (reader.accept('time', 'zone')) return 'timezone';
  if (reader.accept('transaction', 'isolation', 'level')) return 'transaction_isolation';
  const { schema, name } = reader.name('the name of a setting');
  return schema === undefined ? name : `${schema}.${name}`;
}

function settingValue(reader: TokenReader): string {
  const sign = reader.acceptSymbol('-') ? '-' : '';
  const token = reader.take();
  if (token.kind === 'end' || token.kind === 'symbol' || token.kind === 'parameter') throw reader.unexpected('a value');
  return sign + token.value;
}

function prepare(reader: TokenReader): Statement {
  reader.expect('prepare');
  const name = reader.identifier();
  if (reader.acceptSymbol('(')) reader.bracketed();
  reader.expect('as');
  return { kind: 'prepare', name, text: reader.rest().text };
}

/** An EXECUTE argument, verbatim: a literal as Postgres reads it. */
function argument(reader: TokenReader): string {
  const start = reader.next.start;
  let end = start;
  while (!reader.peekSymbol(',') && !reader.peekSymbol(')')) {
    if (reader.atEnd) throw reader.unexpected('")"');
    if (reader.acceptSymbol('(')) reader.bracketed();
    else end = reader.take().end;
  }
  return reader.text.slice(start, end);
}
