/**
 * A statement with more parameters than a function of Postgres may have (100: analysis makes one of it, `pglite/analyse.ts`): its values are written into its text when it
 * is executed, and that text is analysed. `(text::type)` means what the parameter means. Called by `statements/rows.ts`.
 */
import { must } from '../base/assert.ts';
import { literal } from '../base/ident.ts';
import type { TypeTable } from '../sql/mirror/types.ts';
import { replaceParameters } from '../sql/tree/parameters.ts';
import { plainTypeName } from '../values/type-name.ts';

/** FUNC_MAX_ARGS of Postgres. */
const ANALYSED_PARAMETERS_MAX = 100;

export function withValues(sql: string, values: readonly (string | null)[], parameterTypes: readonly number[], types: TypeTable): string {
  return replaceParameters(sql, (number) => {
    const value = values[number - 1] ?? null;
    const type = plainTypeName(types.typeOf(must(parameterTypes[number - 1], `the type of $${number}`)));
    return `(${value === null ? 'NULL' : literal(value)}::${type})`;
  });
}

export function hasManyParameters({ parameterTypes }: { readonly parameterTypes: readonly number[] }): boolean {
  return parameterTypes.length > ANALYSED_PARAMETERS_MAX;
}
