/**
 * LIKE: % any characters, _ one character, \ takes the next literally. A pattern becomes pieces between the % signs, each found as early as possible,
 * so a match costs text × pattern at worst, never more. Characters are code points.
 */
import { fail } from '../../../values/failure.ts';

export type Matcher = (text: string) => boolean;

const ANY_CHARACTER = -1;

interface Pattern {
  readonly pieces: readonly (readonly number[])[];
  /** The pattern ends in a lone backslash. */
  readonly dangling: boolean;
}

function parse(pattern: string): Pattern {
  const pieces: number[][] = [[]];
  let dangling = false;
  let escaped = false;
  for (const character of pattern) {
    const point = character.codePointAt(0)!;
    if (escaped) {
      pieces.at(-1)!.push(point);
      escaped = false;
    } else if (character === '\\') escaped = true;
    else if (character === '%') pieces.push([]);
    else pieces.at(-1)!.push(character === '_' ? ANY_CHARACTER : point);
  }
  if (escaped) dangling = true;
  return { pieces, dangling };
}

function codePoints(text: string): number[] {
  const points: number[] = [];
  for (const character of text) points.push(character.codePointAt(0)!);
  return points;
}

function fits(text: readonly number[], at: number, piece: readonly number[]): boolean {
  for (let i = 0; i < piece.length; i++) {
    const wanted = piece[i]!;
    if (wanted !== ANY_CHARACTER && wanted !== text[at + i]) return false;
  }
  return true;
}

function matches(pieces: readonly (readonly number[])[], text: readonly number[]): boolean {
  const first = pieces[0]!;
  if (pieces.length === 1) return text.length === first.length && fits(text, 0, first);
  const last = pieces.at(-1)!;
  const end = text.length - last.length;
  if (first.length > end || !fits(text, 0, first) || !fits(text, end, last)) return false;
  let at = first.length;
  for (const piece of pieces.slice(1, -1)) {
    while (at + piece.length <= end && !fits(text, at, piece)) at++;
    if (at + piece.length > end) return false;
    at += piece.length;
  }
  return true;
}

/** Pieces without _ are plain strings: found by the engine's own search. */
function plainMatcher(pieces: readonly (readonly number[])[]): Matcher | undefined {
  if (pieces.some((piece) => piece.includes(ANY_CHARACTER))) return undefined;
  const strings = pieces.map((piece) => piece.map((point) => String.fromCodePoint(point)).join(''));
  const first = strings[0]!;
  if (strings.length === 1) return (text) => text === first;
  const last = strings.at(-1)!;
  const middle = strings.slice(1, -1).filter((piece) => piece !== '');
  return (text) => {
    const end = text.length - last.length;
    if (first.length > end || !text.startsWith(first) || !text.endsWith(last)) return false;
    let at = first.length;
    for (const piece of middle) {
      const found = text.indexOf(piece, at);
      if (found < 0 || found + piece.length > end) return false;
      at = found + piece.length;
    }
    return true;
  };
}

/** A lone backslash at the end is an error, once the text before it has matched and some is left. */
function danglingMatcher(pieces: readonly (readonly number[])[]): Matcher {
  const before = [...pieces.slice(0, -1), [...pieces.at(-1)!, ANY_CHARACTER], []];
  return (text) => (matches(before, codePoints(text)) ? fail('22025', 'LIKE pattern must not end with escape character') : false);
}

export function likeMatcher(pattern: string): Matcher {
  const { pieces, dangling } = parse(pattern);
  if (dangling) return danglingMatcher(pieces);
  return plainMatcher(pieces) ?? ((text) => matches(pieces, codePoints(text)));
}

const MATCHERS_MAX = 1_000;
const matchers = new Map<string, Matcher>();

/** For patterns that come with the row. */
export function like(text: string, pattern: string): boolean {
  let matcher = matchers.get(pattern);
  if (matcher === undefined) {
    if (matchers.size >= MATCHERS_MAX) matchers.clear();
    matcher = likeMatcher(pattern);
    matchers.set(pattern, matcher);
  }
  return matcher(text);
}
