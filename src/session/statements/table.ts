/** From a statement's kind to what prepares and executes it: one line each. Called by `session.ts`. */
import type { Statement, StatementOf } from '../../sql/statements/statement.ts';
import { alterConnection } from '../define/alter-connection.ts';
import { createSource, createTable } from '../define/define-source.ts';
import { createView } from '../define/define-view.ts';
import { alterSecret, createConnection, createIndex, createSecret, drop, validateConnection } from '../define/definitions.ts';
import { refreshSource } from '../define/refresh-source.ts';
import { audit } from './audit.ts';
import { copyOut } from './copy-out.ts';
import * as cursors from './cursors.ts';
import { definition } from './definition.ts';
import { explain } from './explain.ts';
import * as prepared from './prepared.ts';
import { query } from './query.ts';
import * as set from './set.ts';
import * as show from './show.ts';
import type { StatementKind } from './statement.ts';
import { subscribe } from './subscribe.ts';
import * as transaction from './transaction.ts';

const KINDS: { readonly [K in Statement['kind']]: StatementKind<StatementOf<K>> } = {
  query,
  subscribe,
  copyOut,
  explain,
  audit,
  ...cursors,
  ...show,
  ...set,
  ...prepared,
  ...transaction,
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
