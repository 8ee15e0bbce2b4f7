/** The SQL over $1 … $n that PGlite evaluates for an expression without a native implementation. */
import { assert } from '../../base/assert.ts';
import type { Expression } from '../plan/expression.ts';
import { typeName } from './type-name.ts';

export function fallbackOf(expression: Expression): { readonly sql: string; readonly strict: boolean } {
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
      return { sql: `${expression.procName}(${parameters.join(', ')})`, strict: expression.strict };
    }
    default:
      throw new TypeError(`no fallback for ${expression.kind}`);
  }
}
