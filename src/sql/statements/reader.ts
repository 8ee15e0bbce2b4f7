/** A cursor over tokens with what every grammar rule needs: accept, expect, and an error at the very character. Used by `parse*.ts`. */
import { isSymbol, splitStatements, syntaxError, tokenAt, type Token } from './lexer.ts';
import type { Name } from './statement.ts';

export class TokenReader {
  readonly text: string;
  /** Read so far and not yet taken: of a long query only the first word is ever looked at. */
  readonly #ahead: Token[] = [];
  #readTo = 0;

  constructor(text: string) {
    this.text = text;
  }

  get next(): Token {
    return this.#token(0);
  }

  peekWord(ahead = 0): string | undefined {
    const token = this.#token(ahead);
    return token.kind === 'word' ? token.value : undefined;
  }

  peekSymbol(symbol: string, ahead = 0): boolean {
    return isSymbol(this.#token(ahead), symbol);
  }

  /** The next token is the last. */
  get followedByEnd(): boolean {
    return this.#token(1).kind === 'end';
  }

  get atEnd(): boolean {
    return this.next.kind === 'end';
  }

  take(): Token {
    const token = this.next;
    if (token.kind !== 'end') this.#ahead.shift();
    return token;
  }

  /** Takes these words if they all come next. */
  accept(...words: readonly string[]): boolean {
    if (!words.every((word, i) => this.peekWord(i) === word)) return false;
    this.#ahead.splice(0, words.length);
    return true;
  }

  acceptSymbol(symbol: string): boolean {
    if (!this.peekSymbol(symbol)) return false;
    this.#ahead.shift();
    return true;
  }

  expect(...words: readonly string[]): void {
    for (const word of words) if (!this.accept(word)) throw this.unexpected(words.join(' ').toUpperCase());
  }

  expectSymbol(symbol: string): void {
    if (!this.acceptSymbol(symbol)) throw this.unexpected(`"${symbol}"`);
  }

  identifier(what = 'a name'): string {
    if (this.next.kind !== 'word' && this.next.kind !== 'quoted') throw this.unexpected(what);
    return this.take().value;
  }

  name(what = 'a name'): Name {
    const first = this.identifier(what);
    if (!this.acceptSymbol('.')) return { name: first };
    const second = this.identifier(what);
    // database.schema.name: there is one database.
    return this.acceptSymbol('.') ? { schema: second, name: this.identifier(what) } : { schema: first, name: second };
  }

  string(what = 'a string'): string {
    if (this.next.kind !== 'string') throw this.unexpected(what);
    return this.take().value;
  }

  /** `(item, item …)`. */
  list<T>(item: () => T): T[] {
    this.expectSymbol('(');
    const items = [item()];
    while (this.acceptSymbol(',')) items.push(item());
    this.expectSymbol(')');
    return items;
  }

  /** What is left, verbatim, without a closing bracket that belongs to the statement around it. */
  rest(): { text: string; offset: number } {
    const start = this.next.start;
    // Read in passing: what is not closed is an error here, not somewhere behind.
    splitStatements(this.text);
    this.#ahead.length = 0;
    this.#readTo = this.text.length;
    return { text: this.text.slice(start).trimEnd(), offset: start };
  }

  /** From an opening bracket (already taken) to the one that closes it, verbatim. */
  bracketed(): { text: string; offset: number } {
    const start = this.next.start;
    for (let depth = 1; ;) {
      const token = this.take();
      if (token.kind === 'end') throw this.unexpected('")"');
      if (token.kind !== 'symbol') continue;
      if (token.value === '(') depth++;
      if (token.value === ')' && --depth === 0) return { text: this.text.slice(start, token.start).trimEnd(), offset: start };
    }
  }

  end(): void {
    if (!this.atEnd) throw this.unexpected();
  }

  unexpected(expected?: string): Error {
    const { start, end } = this.next;
    return syntaxError(this.text.slice(start, end), this.text, start, expected);
  }

  #token(ahead: number): Token {
    while (this.#ahead.length <= ahead) {
      const last = this.#ahead.at(-1);
      if (last?.kind === 'end') return last;
      const token = tokenAt(this.text, this.#readTo);
      this.#readTo = token.end;
      this.#ahead.push(token);
    }
    return this.#ahead[ahead]!;
  }
}
