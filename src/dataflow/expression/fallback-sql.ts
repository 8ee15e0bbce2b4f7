/** The SQL over $1 … $n that PGlite evaluates for an expression without a native implementation. */
import { assert } from '../../base/assert.ts';
import type { Expression } from '../../plan/expression.ts';
import { printsIso, type SessionSettings } from './session.ts';
import { typeName } from '../../values/type-name.ts';

export interface FallbackSql {
  readonly sql: string;
  readonly strict: boolean;
}

export function fallbackOf(expression: Expression, session: SessionSettings): FallbackSql {
  const { sql, strict } = plainFallbackOf(expression);
  // Answers are read as ISO dates: where the view's DateStyle prints others, JSON has the one form that no setting changes.
  const restyled = DATED.has(expression.type.oid) && !printsIso(session);
  return { sql: restyled ? `(pg_catalog.to_json(${sql}) #>> '{}')` : sql, strict };
}

/** date, timestamp, timestamptz. */
const DATED: ReadonlySet<number> = new Set([1082, 1114, 1184]);

function plainFallbackOf(expression: Expression): FallbackSql {
  switch (expression.kind) {
    case 'fallback':
      return { sql: expression.sql, strict: expression.strict };
    case 'ioCast':
      return { sql: `$1::${typeName(expression.arg.type)}::${typeName(expression.type)}`, strict: true };
    case 'call': {
      const parameters = expression.args.map((arg, i) => `$${i + 1}::${typeName(arg.type)}`);
      if (expression.procName === '') {
        assert(expression.operator !== undefined && parameters.length === 2, `no name for function ${expression.proc}`);
        return { sql: `${parameters[0]} ${expression.operator} ${parameters[1]}`, strict: true };
      }
      if (expression.operator !== undefined && expression.procName.startsWith('pg_catalog.')) {
        // As it was written: the function behind an operator may be variadic (#>), or have a name that SQL does not take.
        const operator = `OPERATOR(pg_catalog.${expression.operator})`;
        return {
          sql: parameters.length === 1 ? `(${operator} ${parameters[0]})` : `(${parameters.join(` ${operator} `)})`,
          strict: expression.strict,
        };
      }
      return { sql: `${expression.procName}(${parameters.join(', ')})`, strict: expression.strict };
    }
    default:
      throw new TypeError(`no fallback for ${expression.kind}`);
  }
}
