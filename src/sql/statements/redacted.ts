/**
 * A statement as others may see it (logs, millrace.sessions): the value of a secret is not told. Read with the lexer, so that no quoting hides one; what cannot be read is cut.
 * Called by sessions and `serve --init`.
 */
import { isSymbol, tokenize, type Token } from './lexer.ts';

const MASK = `'********'`;
/** Only these statements are read. */
const HOLDS_SECRETS = /\b(?:secret|connection)\b/i;
/** In CREATE CONNECTION: a literal after one of these. It is refused, but it was sent. */
const SECRET_OPTIONS = new Set(['password', 'key', 'url']);

export function redacted(statement: string): string {
  if (!HOLDS_SECRETS.test(statement)) return statement;
  let tokens: Token[];
  try {
    tokens = tokenize(statement);
  } catch {
    // A quote without its end: the value may begin anywhere after the first one.
    const quote = statement.search(/['$]/);
    return quote < 0 ? statement : `${statement.slice(0, quote)}${MASK}`;
  }
  let shown = '';
  let kept = 0;
  const mask = (from: number, to: number): void => {
    shown += `${statement.slice(kept, from)}${MASK}`;
    kept = to;
  };
  for (let at = 0; at < tokens.length; at++) {
    const end = tokens.findIndex((token, i) => i >= at && (token.kind === 'end' || isSymbol(token, ';')));
    const words = tokens.slice(at, end);
    const what = kindOf(words);
    if (what === 'secret') {
      const as = words.findIndex((token) => token.kind === 'word' && token.value === 'as');
      if (as >= 0 && as + 1 < words.length) mask(words[as + 1]!.start, words.at(-1)!.end);
    } else if (what === 'connection') {
      for (const [i, token] of words.entries()) {
        const option = isSymbol(words[i - 1], '=') ? words[i - 2] : words[i - 1];
        if (token.kind === 'string' && option?.kind === 'word' && SECRET_OPTIONS.has(option.value)) mask(token.start, token.end);
      }
    }
    at = end;
  }
  return shown + statement.slice(kept);
}

/** CREATE [OR REPLACE] and ALTER of a secret or a connection. */
function kindOf(words: readonly Token[]): string | undefined {
  const [first, ...rest] = words.filter((token) => token.kind === 'word').map(({ value }) => value);
  if (first !== 'create' && first !== 'alter') return undefined;
  const kind = rest[0] === 'or' ? rest[2] : rest[0];
  return kind === 'secret' || kind === 'connection' ? kind : undefined;
}
