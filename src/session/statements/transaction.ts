/** BEGIN, COMMIT, ROLLBACK and savepoints: what they do is the block's (`transaction-block.ts`). */
import type { StatementOf } from '../../sql/statements/statement.ts';
import { noRows, type StatementKind } from './statement.ts';

export const begin: StatementKind<StatementOf<'begin'>> = { prepare: noRows, execute: (_, { block }) => block.begin() };

export const commit: StatementKind<StatementOf<'commit'>> = { prepare: noRows, execute: (_, { block }) => block.end('commit') };

export const rollback: StatementKind<StatementOf<'rollback'>> = { prepare: noRows, execute: (_, { block }) => block.end('rollback') };

export const savepoint: StatementKind<StatementOf<'savepoint'>> = {
  prepare: noRows,
  execute: (statement, { block }) => block.savepoint(statement),
};
export { savepoint as releaseSavepoint, savepoint as rollbackTo };
