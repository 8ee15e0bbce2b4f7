/** `$1 … $n` in a piece of SQL, replaced where they are parameters and not parts of a string. Called by `load.ts` and `catalog-context.ts`. */
import { tokenize } from '../statements/lexer.ts';

export function replaceParameters(sql: string, by: (number: number) => string): string {
  let text = '';
  let at = 0;
  for (const { kind, value, start, end } of tokenize(sql)) {
    if (kind !== 'parameter') continue;
    text += sql.slice(at, start) + by(Number(value.slice(1)));
    at = end;
  }
  return text + sql.slice(at);
}
