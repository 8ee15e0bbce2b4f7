/**
 * Where the parts of a sequence's call are in the projection: whether the row counts, what is shown, what sorts. What JSON shows otherwise than the value's text (arrays, rows, what
 * prints by settings) Postgres makes JSON of beforehand. Called by `calls.ts` when a view is made.
 */
import { must } from '../../../../base/assert.ts';
import { plainTypeName } from '../../../../values/type-name.ts';
import type { PgType } from '../../../../values/type.ts';
import type { AggregateName } from '../../../../plan/aggregates.ts';
import type { Expression } from '../../../../plan/expression.ts';
import { isJson, isManifold, isSetInJson } from '../../../../plan/facts/type.ts';
import type { AggregateCall } from '../../../../plan/plan.ts';
import { BOOL, onlyWhere, type Projection, TRUE } from './projection.ts';
import type { SequencePlaces } from './sequence.ts';

/** What is skipped where it is NULL; the others show NULLs. */
const SKIPPING_NULL: ReadonlySet<AggregateName> = new Set(['string_agg', 'any_value', 'percentile_cont', 'percentile_disc', 'mode']);
/** The fraction is no part of a row. */
const OF_FRACTION: ReadonlySet<AggregateName> = new Set(['percentile_cont', 'percentile_disc']);

const JSON_TYPE: PgType = { oid: 114, name: 'json', kind: 'base', storage: 'text', typmod: -1 };
const JSONB_TYPE: PgType = { oid: 3802, name: 'jsonb', kind: 'base', storage: 'text', typmod: -1 };
const TEXT: PgType = { oid: 25, name: 'text', kind: 'base', storage: 'text', typmod: -1 };

export function placeSequence(call: AggregateCall, projection: Projection): SequencePlaces {
  const { fn, arg, more = [], order = [], filter } = call;
  const first = must(arg, 'the argument of a sequence');
  const counted = (expression: Expression): Expression => (filter === undefined ? expression : onlyWhere(filter, expression));
  const present: Expression = SKIPPING_NULL.has(fn)
    ? onlyWhere({ kind: 'isNull', arg: counted(first), negated: true, type: BOOL }, TRUE)
    : counted(TRUE);
  const written = [first, ...(OF_FRACTION.has(fn) ? [] : more)];
  return {
    present: projection.add(present),
    shown: written.map((argument, i) => projection.add(counted(shown(fn, argument, i === 0)))),
    arguments: written.map((argument) => projection.add(counted(argument))),
    order: order.map(({ expression, ...key }) => ({ ...key, column: projection.add(counted(expression)) })),
  };
}

function shown(fn: AggregateName, argument: Expression, isFirst: boolean): Expression {
  if (!fn.startsWith('json')) return argument;
  if (isFirst && fn.endsWith('_object_agg'))
    return isSetInJson(argument.type) ? byPostgres('(pg_catalog.to_json(', argument, `) #>> '{}')`, TEXT) : argument;
  const isBinary = fn.startsWith('jsonb_');
  const isKnown = isJson(argument.type) ? !isBinary || isJsonb(argument.type) : !isManifold(argument.type) && !isSetInJson(argument.type);
  if (isKnown) return argument;
  return isBinary
    ? byPostgres('pg_catalog.to_jsonb(', argument, ')', JSONB_TYPE)
    : byPostgres('pg_catalog.to_json(', argument, ')', JSON_TYPE);
}

function isJsonb(type: PgType): boolean {
  return (type.base ?? type).oid === JSONB_TYPE.oid;
}

function byPostgres(before: string, value: Expression, after: string, type: PgType): Expression {
  return { kind: 'fallback', sql: `${before}$1::${plainTypeName(value.type)}${after}`, args: [value], strict: true, type };
}
