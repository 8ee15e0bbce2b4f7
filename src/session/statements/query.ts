/** SELECT, VALUES, TABLE, WITH. Settings that it sets by set_config are the session's, and set first. */
import type { StatementOf } from '../../sql/statements/statement.ts';
import type { Result } from '../../server/session.ts';
import { encodingOf, recoded } from '../results/recoded.ts';
import { withoutSetConfig, type SetByQuery } from '../set-config.ts';
import { prepareRows, rowsOf, type RowQuery } from './rows.ts';
import type { Bind, StatementContext, StatementKind } from './statement.ts';

interface Query {
  readonly query: RowQuery;
  readonly sets: readonly SetByQuery[];
}

export const query: StatementKind<StatementOf<'query'>, Query> = {
  async prepare({ text }, by, { parameterTypes }) {
    const { sql, settings: sets } = withoutSetConfig(text);
    const { form, ...rest } = await prepareRows({ text: sql, parameterTypes }, by);
    return { ...rest, form: { query: form, sets } };
  },
  async execute(_, by, bind, { query: rows, sets }) {
    for (const { name, value, local } of sets) by.settings.set(name, value, local ? 'local' : 'session');
    const parameters = sets.length === 0 ? {} : { parameters: by.settings.reported() };
    return { ...(await asAsked(rows, by, bind)), ...parameters };
  },
};

/** What the row encoder does not write in binary is recoded on its way to the client; Postgres writes all formats itself. */
export async function asAsked(rows: RowQuery, by: StatementContext, bind: Bind): Promise<Result> {
  const { resultFormats, columns } = bind;
  const isPostgres = rows.answer.by === 'catalog' || rows.answer.by === 'session';
  const encoding = isPostgres ? { formats: resultFormats, recode: [] } : encodingOf(columns ?? [], resultFormats);
  const result = await rowsOf(rows, by, bind, { kind: 'dataRow', formats: encoding.formats });
  return recoded(by.coordinator.mirror.catalog, result, columns ?? [], encoding, by.call);
}
