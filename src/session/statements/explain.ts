/** EXPLAIN: the plan of a query or view as text, a line a row, and how exact it is. */
import type { StatementOf } from '../../sql/statements/statement.ts';
import { millraceError } from '../../base/errors.ts';
import { printPlan } from '../../plan/print.ts';
import { literalRows, textColumns } from '../results/literal-result.ts';
import { shape, type StatementKind } from './statement.ts';

export const explain: StatementKind<StatementOf<'explain'>> = {
  prepare: () => shape(textColumns('QUERY PLAN')),
  async execute({ inner }, { coordinator: { planner, catalog }, names, call }) {
    if (inner.kind !== 'query' && inner.kind !== 'createView')
      throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'EXPLAIN of this statement' });
    const sql = inner.kind === 'query' ? inner.text : inner.query;
    const planned = await planner.view(await planner.analyseView(sql, undefined, names, call), names, call);
    const lines = printPlan(planned.plan, (id) => catalog.get(id)?.name ?? id).split('\n');
    const said = [...lines, `Exactness: ${planned.exactness}`, ...planned.reasons.map((reason) => `  ${reason}`)];
    return literalRows(
      said.map((line) => [line]),
      'EXPLAIN',
    );
  },
};
