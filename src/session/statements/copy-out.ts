/** COPY (a query or SUBSCRIBE) TO STDOUT: its rows as text. */
import type { StatementOf } from '../../sql/statements/statement.ts';
import { millraceError } from '../../base/errors.ts';
import { prepareRows, rowsOf } from './rows.ts';
import { noRows, type StatementKind } from './statement.ts';
import { analysedSubscription, subscribed } from './subscribe.ts';

export const copyOut: StatementKind<StatementOf<'copyOut'>> = {
  prepare: noRows,
  async execute({ inner }, by, bind) {
    if (inner.kind === 'subscribe') return subscribed(inner, by, await analysedSubscription(inner, by), { kind: 'copyText' });
    if (inner.kind !== 'query') throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'COPY of this statement' });
    const { form } = await prepareRows({ text: inner.text, parameterTypes: [] }, by);
    return rowsOf(form, by, { ...bind, parameters: [], parameterFormats: [] }, { kind: 'copyText' });
  },
};
