/** DECLARE, FETCH, MOVE, CLOSE: cursors that go forwards over a query. Called by `parse.ts`. */
import { millraceError } from '../../base/errors.ts';
import type { TokenReader } from './reader.ts';
import type { Statement } from './statement.ts';

export function parseCursor(reader: TokenReader): Statement {
  if (reader.accept('declare')) return declare(reader);
  if (reader.accept('close')) return { kind: 'closeCursor', name: reader.accept('all') ? undefined : reader.identifier() };
  const move = reader.accept('move');
  if (!move) reader.expect('fetch');
  const count = rowCount(reader, move ? 'MOVE' : 'FETCH');
  if (!reader.accept('from')) reader.accept('in');
  return { kind: 'fetch', name: reader.identifier(), count, move };
}

function declare(reader: TokenReader): Statement {
  const name = reader.identifier();
  for (;;) {
    if (reader.peekWord() === 'scroll') throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'SCROLL CURSOR' });
    if (reader.peekWord() === 'binary') throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'BINARY CURSOR' });
    if (!reader.accept('no', 'scroll') && !reader.accept('insensitive') && !reader.accept('asensitive')) break;
  }
  reader.expect('cursor');
  const hold = reader.accept('with', 'hold');
  if (!hold) reader.accept('without', 'hold');
  reader.expect('for');
  if (!['select', 'values', 'table', 'with'].includes(reader.peekWord() ?? '') && !reader.peekSymbol('('))
    throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'DECLARE CURSOR for anything but a query' });
  return { kind: 'declareCursor', name, hold, text: reader.rest().text };
}

/** `NEXT`, `n`, `ALL`, `FORWARD [n | ALL]`; one when nothing is said. A word may also be the cursor's own name. */
function rowCount(reader: TokenReader, verb: string): number {
  const isName = reader.next.kind === 'word' && reader.followedByEnd;
  if (isName) return 1;
  for (const backwards of ['prior', 'first', 'last', 'absolute', 'relative', 'backward'])
    if (reader.peekWord() === backwards) throw millraceError('STATEMENT_UNSUPPORTED', { statement: `${verb} ${backwards.toUpperCase()}` });
  if (reader.accept('next')) return 1;
  reader.accept('forward');
  if (reader.accept('all')) return Infinity;
  if (reader.peekSymbol('-')) throw millraceError('STATEMENT_UNSUPPORTED', { statement: `${verb} backwards` });
  return reader.next.kind === 'number' ? Number(reader.take().value) : 1;
}
