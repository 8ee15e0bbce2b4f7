/** BEGIN, COMMIT, ROLLBACK and savepoints: what they do is the block's (`transaction-block.ts`). */
import { noRows, type StatementKind, type StatementOf } from './statement.ts';

export const begin: StatementKind<StatementOf<'begin'>> = { prepare: noRows, execute: (_, { block }) => block.begin() };

export const commit: StatementKind<StatementOf<'commit'>> = { prepare: noRows, execute: (_, { block }) => block.end('commit') };

export const rollback: StatementKind<StatementOf<'rollback'>> = { prepare: noRows, execute: (_, { block }) => block.end('rollback') };

/** Also RELEASE and ROLLBACK TO. */
export const savepoint: StatementKind<StatementOf<'savepoint'>> = {
  prepare: noRows,
  execute: (statement, { block }) => block.savepoint(statement),
};
