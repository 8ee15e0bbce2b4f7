/** DECLARE, FETCH, MOVE, CLOSE: what is open is in `cursors.ts` of the session. */
import type { StatementOf } from '../../sql/statements/statement.ts';
import { millraceError } from '../../base/errors.ts';
import type { ResultColumn } from '../../server/session.ts';
import { done } from '../results/literal-result.ts';
import { fromText } from '../results/recoded.ts';
import { prepareRows, rowsOf, type RowQuery } from './rows.ts';
import { noRows, shape, type StatementKind } from './statement.ts';

interface Declared {
  readonly query: RowQuery;
  /** What FETCH will show. */
  readonly columns: readonly ResultColumn[];
}

export const declareCursor: StatementKind<StatementOf<'declareCursor'>, Declared> = {
  async prepare({ text }, by, { parameterTypes }) {
    const { columns, form, ...inner } = await prepareRows({ text, parameterTypes }, by);
    return { ...inner, columns: null, form: { query: form, columns: columns ?? [] } };
  },
  async execute({ name, hold }, by, bind, { query, columns }) {
    await by.cursors.declare(name, hold, by.block.status === 'T', columns, () => rowsOf(query, by, bind, { kind: 'dataRow', formats: [] }));
    return done('DECLARE CURSOR');
  },
};

/** Also MOVE. */
export const fetch: StatementKind<StatementOf<'fetch'>> = {
  prepare: ({ name, move }, { cursors }) => shape(move ? null : (cursors.columns(name) ?? [])),
  async execute({ name, count, move }, { coordinator, cursors, call }, { resultFormats }) {
    const interrupt = (): void => {
      if (call.signal.aborted) throw millraceError('QUERY_CANCELLED', {});
    };
    if (move) return done(`MOVE ${await cursors.move(name, count, interrupt)}`);
    const { columns, batches } = cursors.fetch(name, count, interrupt);
    const result = { notices: [], body: { kind: 'rows', batches }, tag: (rows: number) => `FETCH ${rows}` } as const;
    return fromText(coordinator.mirror.catalog, result, columns, resultFormats, call);
  },
};

export const closeCursor: StatementKind<StatementOf<'closeCursor'>> = {
  prepare: noRows,
  execute({ name }, { cursors }) {
    cursors.close(name);
    return done(name === undefined ? 'CLOSE CURSOR ALL' : 'CLOSE CURSOR');
  },
};
