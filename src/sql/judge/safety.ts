/**
 * Which expressions cannot fail, whatever the row: they alone may run on rows that the written query would not have asked about (below joins, as join keys),
 * so that no error appears that the upstream would not report (I-1). A short list of what is certain; everything else may fail. Called by `join.ts`.
 */
import type { Expression } from '../../plan/expression.ts';
import { partsOf } from '../../plan/walk.ts';

const COMPARISON =
  /^pg_catalog\.(bool|int[248]{1,2}|oid|float[48]{1,2}|text|bpchar|name|bytea|char|numeric|date|time|timestamp|timestamptz|interval|uuid|enum|jsonb|array|date_timestamp|timestamp_date)_?(eq|ne|lt|le|gt|ge)$/;

/** Widening casts: int2 → int4, int8; int4 → int8; integers → numeric, float8; float4 → float8. */
const WIDENING = new Set([313, 754, 481, 1740, 1781, 1782, 235, 316, 482, 311]);

/** lower, upper, length, btrim, ||: total functions of text. */
const TOTAL = new Set([870, 871, 1257, 1317, 884, 885, 1258]);

const LIKE = new Set([850, 851, 1631, 1632]);

export function cannotFail(expression: Expression): boolean {
  switch (expression.kind) {
    case 'ioCast':
    case 'fallback':
    case 'raise':
      return false;
    case 'call':
      if (!(COMPARISON.test(expression.procName) || WIDENING.has(expression.proc) || TOTAL.has(expression.proc) || isSafeLike(expression)))
        return false;
      break;
    case 'anyAll':
      if (!COMPARISON.test(expression.procName)) return false;
      break;
    case 'nullIf':
    case 'isDistinct':
    case 'column':
    case 'outer':
    case 'constant':
    case 'and':
    case 'or':
    case 'not':
    case 'isNull':
    case 'booleanTest':
    case 'case':
    case 'coalesce':
    case 'minMax':
    case 'relabel':
    case 'canonical':
  }
  return partsOf(expression).every(cannotFail);
}

/** A pattern that ends in an escape character is an error. */
function isSafeLike({ proc, args }: Extract<Expression, { kind: 'call' }>): boolean {
  const pattern = args[1];
  return LIKE.has(proc) && pattern?.kind === 'constant' && pattern.text !== null && !pattern.text.endsWith('\\');
}
