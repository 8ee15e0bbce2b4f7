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

const SPACE = /[ \t\n\r\f\v]+/y;
const WORD = /[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/y;
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

/** The statements of a text, without their semicolons and what only surrounds them; empty ones are dropped. */
export function splitStatements(text: string): { text: string; offset: number }[] {
  const statements: { text: string; offset: number }[] = [];
  let first: Token | undefined;
  let last: Token | undefined;
  for (let at = 0; ;) {
    const token = tokenAt(text, at);
    at = token.end;
    if (token.kind === 'end' || isSymbol(token, ';')) {
      if (first !== undefined && last !== undefined) statements.push({ text: text.slice(first.start, last.end), offset: first.start });
      first = last = undefined;
      if (token.kind === 'end') return statements;
    } else {
      first ??= token;
      last = token;
    }
  }
}

function tokenAt(text: string, from: number): Token {
  const start = skipBlank(text, from);
  const char = text[start];
  if (char === undefined) return { kind: 'end', value: '', start, end: start };
  const next = text[start + 1];
  if (char === "'") return string(text, start, start, false);
  if (next === "'" && (char === 'e' || char === 'E')) return string(text, start, start + 1, true);
  if (next === "'" && 'bBxXnN'.includes(char)) return string(text, start, start + 1, false);
  if (char === '"') return quoted(text, start, start);
  if (char === '$') {
    const parameter = match(PARAMETER, text, start);
    if (parameter !== undefined) return { kind: 'parameter', value: parameter, start, end: start + parameter.length };
    const tag = match(DOLLAR_TAG, text, start);
    if (tag !== undefined) {
      const close = text.indexOf(tag, start + tag.length);
      if (close < 0) throw unterminated('dollar-quoted string', text, start);
      return { kind: 'string', value: text.slice(start + tag.length, close), start, end: close + tag.length };
    }
  }
  const word = match(WORD, text, start);
  if (word !== undefined) return { kind: 'word', value: word.toLowerCase(), start, end: start + word.length };
  const number = match(NUMBER, text, start);
  if (number !== undefined) return { kind: 'number', value: number, start, end: start + number.length };
  return { kind: 'symbol', value: char, start, end: start + 1 };
}

function skipBlank(text: string, from: number): number {
  let at = from;
  for (;;) {
    const space = match(SPACE, text, at);
    if (space !== undefined) at += space.length;
    else if (text.startsWith('--', at)) {
      const end = text.indexOf('\n', at);
      at = end < 0 ? text.length : end;
    } else if (text.startsWith('/*', at)) at = commentEnd(text, at);
    else return at;
  }
}

/** Comments nest. */
function commentEnd(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    if (text.startsWith('/*', at)) {
      depth++;
      at++;
    } else if (text.startsWith('*/', at)) {
      depth--;
      at++;
      if (depth === 0) return at + 1;
    }
  }
  throw unterminated('/* comment', text, start);
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

function string(text: string, start: number, open: number, escapes: boolean): Token {
  let value = '';
  for (let at = open + 1; at < text.length; at++) {
    const char = text[at]!;
    if (char === "'") {
      if (text[at + 1] !== "'") return { kind: 'string', value, start, end: at + 1 };
      value += "'";
      at++;
    } else if (escapes && char === '\\') {
      const [piece, taken] = escapeAt(text, at + 1);
      value += piece;
      at += taken;
    } else value += char;
  }
  throw unterminated('quoted string', text, start);
}

function escapeAt(text: string, at: number): [string, number] {
  const octal = /^[0-7]{1,3}/.exec(text.slice(at, at + 3))?.[0];
  if (octal !== undefined) return [String.fromCharCode(Number.parseInt(octal, 8)), octal.length];
  const code = /^(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/.exec(text.slice(at, at + 9));
  if (code !== null) return [String.fromCodePoint(Number.parseInt(code[1] ?? code[2] ?? code[3]!, 16)), code[0].length];
  const char = text[at] ?? '';
  return [ESCAPES[char] ?? char, 1];
}

function quoted(text: string, start: number, open: number): Token {
  let value = '';
  for (let at = open + 1; at < text.length; at++) {
    if (text[at] !== '"') value += text[at]!;
    else if (text[at + 1] === '"') {
      value += '"';
      at++;
    } else return { kind: 'quoted', value, start, end: at + 1 };
  }
  throw unterminated('quoted identifier', text, start);
}

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

function unterminated(what: string, text: string, start: number): Error {
  const error = millraceError('SYNTAX_ERROR', { near: text.slice(start), expected: `the end of this ${what}` });
  error.position = positionOf(text, start);
  return error;
}

/** Where an error is: 1-based, in characters (code points), as Postgres counts. */
export function positionOf(text: string, offset: number): number {
  return Array.from(text.slice(0, offset)).length + 1;
}
