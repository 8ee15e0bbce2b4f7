/** Statements that change the catalog (`define/`): one after another, outside transaction blocks, each with a tag and notices for an answer. */
import { millraceError } from '../../base/errors.ts';
import type { Statement } from '../../sql/statements/statement.ts';
import type { Coordinator } from '../coordinator.ts';
import type { Defined, Defining } from '../define/defining.ts';
import { done } from '../results/literal-result.ts';
import { noRows, type StatementKind } from './statement.ts';

export function definition<S extends Statement>(
  define: (coordinator: Coordinator, statement: S, by: Defining) => Promise<Defined>,
): StatementKind<S> {
  return {
    prepare: noRows,
    async execute(statement, { coordinator, block, settings, call }, { text }) {
      if (block.status !== 'I') throw millraceError('DDL_IN_TRANSACTION', { statement: firstWords(text) });
      const { tag, notices } = await coordinator.define(() => define(coordinator, statement, { text, settings, call }));
      return { ...done(tag), notices };
    },
  };
}

/** `CREATE MATERIALIZED VIEW`: for a message. */
function firstWords(text: string): string {
  return text.slice(0, 200).trim().split(/\s+/, 2).join(' ').toUpperCase();
}
