/**
 * `set_config('name', 'value', is_local)` in a query: drivers and tools (asyncpg, pgAdmin, pg_dump) set settings so. They are the session's, not those of the Postgres
 * that answers catalog queries, so each call with literal arguments is taken out of the text, its value in its place and as wide, so that an error's position still holds.
 */
import { isSymbol, tokenize } from '../sql/statements/lexer.ts';

export interface SetByQuery {
  readonly name: string;
  readonly value: string;
  readonly local: boolean;
}

/** Drivers' own statements are short; what is longer is not read token by token. */
const CHARACTERS_MAX = 16_384;

export function withoutSetConfig(sql: string): { readonly sql: string; readonly settings: readonly SetByQuery[] } {
  if (sql.length > CHARACTERS_MAX || !/set_config/i.test(sql)) return { sql, settings: [] };
  const tokens = tokenize(sql);
  const settings: SetByQuery[] = [];
  let rest = sql;
  tokens.forEach((token, i) => {
    if (token.kind !== 'word' || token.value !== 'set_config') return;
    const [open, name, comma, value, comma2, local, close] = tokens.slice(i + 1, i + 8);
    if (!isSymbol(open, '(') || !isSymbol(comma, ',') || !isSymbol(comma2, ',') || !isSymbol(close, ')')) return;
    if (name?.kind !== 'string' || value?.kind !== 'string' || local?.kind !== 'word' || !['true', 'false'].includes(local.value)) return;
    settings.push({ name: name.value, value: value.value, local: local.value === 'true' });
    const qualified = isSymbol(tokens[i - 1], '.') && tokens[i - 2]?.value === 'pg_catalog';
    const start = qualified ? tokens[i - 2]!.start : token.start;
    const literal = `'${value.value.replaceAll("'", "''")}'::text`;
    rest = rest.slice(0, start) + literal.padEnd(close!.end - start) + rest.slice(close!.end);
  });
  return { sql: rest, settings };
}
