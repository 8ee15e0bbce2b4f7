/**
 * Postgres's lexical rules, as far as statements must be told apart and Millrace's own DDL read: comments (nested), identifiers, strings of every form, numbers,
 * parameters, operators. No SELECT is parsed here: its text goes to Postgres as it is.
 * https://www.postgresql.org/docs/current/sql-syntax-lexical.html
 */
import { millraceError } from '../../base/errors.ts';

export interface Token {
  readonly kind: 'word' | 'quoted' | 'string' | 'number' | 'parameter' | 'symbol' | 'end';
  /** word: folded to lower case; quoted and string: unescaped; otherwise as written. */
  readonly value: string;
  /** Offsets in the text, in UTF-16 units, as `slice` wants them. */
  readonly start: number;
  readonly end: number;
}

const NUMBER = /(?:0[xob][0-9a-f_]+|\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:e[+-]?\d+)?/iy;
const PARAMETER = /\$\d+/y;
const DOLLAR_TAG = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y;

export function isSymbol(token: Token | undefined, symbol: string): boolean {
  return token?.kind === 'symbol' && token.value === symbol;
}

export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  for (;;) {
    const token = tokenAt(text, at);
    tokens.push(token);
    if (token.kind === 'end') return tokens;
    at = token.end;
  }
}

/**
 * The statements of a text, without their semicolons and what only surrounds them; empty ones are dropped. Every statement of every client passes here on the
 * thread that serves them all: one pass from edge to edge, and no token is made. Throws where a token is not closed.
 */
export function splitStatements(text: string): { text: string; offset: number }[] {
  const statements: { text: string; offset: number }[] = [];
  const edge = /['"$;]|--|\/\*/g;
  let first = -1;
  let last = -1;
  const holds = (from: number, to: number): void => {
    let end = to;
    while (end > from && isBlank(text.charCodeAt(end - 1))) end--;
    if (end === from) return;
    let start = from;
    while (isBlank(text.charCodeAt(start))) start++;
    if (first < 0) first = start;
    last = end;
  };
  const cut = (): void => {
    if (first >= 0) statements.push({ text: text.slice(first, last), offset: first });
    first = -1;
  };
  for (let at = 0; ;) {
    edge.lastIndex = at;
    const found = edge.exec(text);
    if (found === null) {
      holds(at, text.length);
      cut();
      return statements;
    }
    const { index } = found;
    holds(at, index);
    if (found[0] === ';') {
      cut();
      at = index + 1;
    } else if (found[0] === '--' || found[0] === '/*') at = skipBlank(text, index);
    else {
      const before = at;
      at = edgeEnd(text, index, before);
      holds(index, at);
    }
  }
}

/** How many tokens a text has and how deep its brackets and CASEs nest (a CASE is two levels, as in its query tree); counted up to the limits, where it ends. */
export function extentOf(text: string, tokensMax: number, levelsMax: number): { tokens: number; levels: number } {
  let tokens = 0;
  let depth = 0;
  let levels = 0;
  for (let at = skipBlank(text, 0); at < text.length && tokens <= tokensMax && levels <= levelsMax; tokens++) {
    const end = tokenEnd(text, at);
    depth += levelsOpened(text, at, end);
    levels = Math.max(levels, depth);
    at = skipBlank(text, end);
  }
  return { tokens, levels };
}

function levelsOpened(text: string, start: number, end: number): number {
  const first = text[start];
  if (first === '(' || first === '[') return 1;
  if (first === ')' || first === ']') return -1;
  if (end - start === 4 && /case/iy.test(text.slice(start, end))) return 2;
  return end - start === 3 && /end/iy.test(text.slice(start, end)) ? -2 : 0;
}

/** Where a string, a quoted name, a parameter or a `$` in a word ends. `before`: where the token in front of it ends at the earliest. */
function edgeEnd(text: string, index: number, before: number): number {
  let start = index;
  while (start > before && isWordPart(text.charCodeAt(start - 1))) start--;
  const word = index - start;
  if (text.charCodeAt(index) === DOLLAR && word > 0 && isWordStart(text.charCodeAt(start))) return tokenEnd(text, start);
  if (text.charCodeAt(index) === QUOTE && word === 1) return tokenEnd(text, start);
  return tokenEnd(text, index);
}

/** Where the token ends that begins here. */
function tokenEnd(text: string, start: number): number {
  const code = text.charCodeAt(start);
  if (isWordStart(code)) {
    let at = start + 1;
    while (isWordPart(text.charCodeAt(at))) at++;
    if (text.charCodeAt(at) === QUOTE && at === start + 1 && 'eEbBxXnN'.includes(text[start]!))
      return stringEnd(text, start, at, text[start] === 'e' || text[start] === 'E');
    return at;
  }
  if (code === QUOTE) return stringEnd(text, start, start, false);
  if (code === DOUBLE_QUOTE) return closingQuote(text, start, start, '"', 'quoted identifier');
  if (code === DOLLAR) {
    const parameter = match(PARAMETER, text, start);
    if (parameter !== undefined) return start + parameter.length;
    const tag = match(DOLLAR_TAG, text, start);
    if (tag !== undefined) return dollarClose(text, start, tag) + tag.length;
    return start + 1;
  }
  if (isDigit(code)) {
    let at = start + 1;
    while (isDigit(text.charCodeAt(at))) at++;
    const next = text.charCodeAt(at);
    return next === DOT || isWordStart(next) ? start + match(NUMBER, text, start)!.length : at;
  }
  if (code === DOT && isDigit(text.charCodeAt(start + 1))) return start + match(NUMBER, text, start)!.length;
  return start + 1;
}

const QUOTE = 0x27;
const DOUBLE_QUOTE = 0x22;
const DOLLAR = 0x24;
const DOT = 0x2e;

function isBlank(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d);
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isWordStart(code: number): boolean {
  const lower = code | 0x20;
  return (lower >= 0x61 && lower <= 0x7a) || code === 0x5f || code >= 0x80;
}

function isWordPart(code: number): boolean {
  return isWordStart(code) || isDigit(code) || code === DOLLAR;
}

/** The token at or behind `from`. */
export function tokenAt(text: string, from: number): Token {
  const start = skipBlank(text, from);
  const char = text[start];
  if (char === undefined) return { kind: 'end', value: '', start, end: start };
  const end = tokenEnd(text, start);
  const last = text.charCodeAt(end - 1);
  if (isWordStart(text.charCodeAt(start)) && !(last === QUOTE && end > start + 1))
    return { kind: 'word', value: text.slice(start, end).toLowerCase(), start, end };
  if (last === QUOTE && end > start + 1) {
    const open = text.indexOf("'", start);
    const escapes = char === 'e' || char === 'E';
    return { kind: 'string', value: unescaped(text.slice(open + 1, end - 1), escapes, text, start), start, end };
  }
  if (char === '"') return { kind: 'quoted', value: text.slice(start + 1, end - 1).replaceAll('""', '"'), start, end };
  if (char === '$' && end > start + 1) {
    if (isDigit(text.charCodeAt(start + 1))) return { kind: 'parameter', value: text.slice(start, end), start, end };
    const tagLength = text.indexOf('$', start + 1) + 1 - start;
    return { kind: 'string', value: text.slice(start + tagLength, end - tagLength), start, end };
  }
  const isNumber = isDigit(text.charCodeAt(start)) || (char === '.' && end > start + 1);
  return { kind: isNumber ? 'number' : 'symbol', value: text.slice(start, end), start, end };
}

function skipBlank(text: string, from: number): number {
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    if (isBlank(code)) at++;
    else if (code === 0x2d && text.charCodeAt(at + 1) === 0x2d) {
      const end = text.indexOf('\n', at);
      at = end < 0 ? text.length : end;
    } else if (code === 0x2f && text.charCodeAt(at + 1) === 0x2a) at = commentEnd(text, at);
    else return at;
  }
}

/** Comments nest. */
function commentEnd(text: string, start: number): number {
  const edge = /\/\*|\*\//g;
  edge.lastIndex = start;
  let depth = 0;
  for (let found = edge.exec(text); found !== null; found = edge.exec(text)) {
    depth += found[0] === '/*' ? 1 : -1;
    if (depth === 0) return edge.lastIndex;
  }
  throw unterminated('/* comment', text, start);
}

function dollarClose(text: string, start: number, tag: string): number {
  const close = text.indexOf(tag, start + tag.length);
  if (close < 0) throw unterminated('dollar-quoted string', text, start);
  return close;
}

function stringEnd(text: string, start: number, open: number, escapes: boolean): number {
  if (!escapes) return closingQuote(text, start, open, "'", 'quoted string');
  const edge = /\\[\s\S]|''|'/g;
  edge.lastIndex = open + 1;
  for (let found = edge.exec(text); found !== null; found = edge.exec(text)) if (found[0] === "'") return edge.lastIndex;
  throw unterminated('quoted string', text, start);
}

/** Behind the quote that closes; a doubled one stands for itself. */
function closingQuote(text: string, start: number, open: number, quote: string, what: string): number {
  for (let at = open + 1; ;) {
    const close = text.indexOf(quote, at);
    if (close < 0) throw unterminated(what, text, start);
    if (text[close + 1] !== quote) return close + 1;
    at = close + 2;
  }
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };
const ESCAPED = /\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([\s\S]))|''/g;
const CODE_POINT_MAX = 0x10_ffff;

function unescaped(body: string, escapes: boolean, text: string, start: number): string {
  if (!escapes) return body.replaceAll("''", "'");
  return body.replace(ESCAPED, (whole, octal?: string, x?: string, u?: string, big?: string, char?: string) => {
    if (whole === "''") return "'";
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8));
    if (char !== undefined) return ESCAPES[char] ?? char;
    const code = Number.parseInt((x ?? u ?? big)!, 16);
    if (code > CODE_POINT_MAX) throw syntaxError(whole, text, start, 'a Unicode escape value up to 10FFFF');
    return String.fromCodePoint(code);
  });
}

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

function unterminated(what: string, text: string, start: number): Error {
  return syntaxError(text.slice(start), text, start, `the end of this ${what}`);
}

/** An error shows this much of what it is near to. */
const NEAR_CHARACTERS_MAX = 200;

export function syntaxError(near: string, text: string, start: number, expected?: string): Error {
  const error = millraceError('SYNTAX_ERROR', {
    near: near.slice(0, NEAR_CHARACTERS_MAX),
    ...(expected === undefined ? {} : { expected }),
  });
  error.position = positionOf(text, start);
  return error;
}

/** Where an error is: 1-based, in characters (code points), as Postgres counts. */
export function positionOf(text: string, offset: number): number {
  let position = 1;
  for (let at = 0; at < offset; at += text.codePointAt(at)! > 0xffff ? 2 : 1) position++;
  return position;
}
