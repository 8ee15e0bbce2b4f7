/** Words and brackets of a query's text, for what rewrites it. Pure. */
import { isSymbol, type Token } from '../statements/lexer.ts';

/** Where the bracket that opens at `from` closes. */
export function closing(tokens: readonly Token[], from: number): number {
  let depth = 0;
  for (let i = from; i < tokens.length; i++) {
    if (isSymbol(tokens[i], '(')) depth++;
    if (isSymbol(tokens[i], ')') && --depth === 0) return i;
  }
  throw new TypeError('brackets of a printed query are balanced');
}

export function isWord(token: Token, ...words: readonly string[]): boolean {
  return token.kind === 'word' && words.includes(token.value);
}
