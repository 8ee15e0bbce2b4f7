/** From a statement's kind to what prepares and executes it: one line each. Called by `session.ts`. */
import type { Statement } from '../../sql/statements/statement.ts';
import { alterConnection } from '../define/alter-connection.ts';
import { createSource, createTable } from '../define/define-source.ts';
import { createView } from '../define/define-view.ts';
import { alterSecret, createConnection, createIndex, createSecret, drop, validateConnection } from '../define/definitions.ts';
import { refreshSource } from '../define/refresh-source.ts';
import { audit } from './audit.ts';
import { copyOut } from './copy-out.ts';
import { closeCursor, declareCursor, fetch } from './cursors.ts';
import { definition } from './definition.ts';
import { explain } from './explain.ts';
import { deallocate, execute, prepare } from './prepared.ts';
import { query } from './query.ts';
import { discard, ignored, reset, set } from './set.ts';
import { show, showCreate, showSetting } from './show.ts';
import type { Kind, StatementKind, StatementOf } from './statement.ts';
import { subscribe } from './subscribe.ts';
import { begin, commit, rollback, savepoint } from './transaction.ts';

const KINDS: { readonly [K in Kind]: StatementKind<StatementOf<K>> } = {
  query,
  subscribe,
  copyOut,
  declareCursor,
  fetch,
  closeCursor,
  explain,
  audit,
  show,
  showCreate,
  showSetting,
  set,
  reset,
  discard,
  ignored,
  prepare,
  execute,
  deallocate,
  begin,
  commit,
  rollback,
  savepoint,
  releaseSavepoint: savepoint,
  rollbackTo: savepoint,
  createSecret: definition(createSecret),
  alterSecret: definition(alterSecret),
  createConnection: definition(createConnection),
  alterConnection: definition(alterConnection),
  validateConnection: definition(validateConnection),
  createSource: definition(createSource),
  refreshSource: definition(refreshSource),
  createTable: definition(createTable),
  createView: definition(createView),
  createIndex: definition(createIndex),
  drop: definition(drop),
};

export function kindOf(statement: Statement): StatementKind<Statement> {
  return KINDS[statement.kind] as StatementKind<Statement>;
}
