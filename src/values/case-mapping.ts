/**
 * upper, lower and initcap. ASCII is alike everywhere; beyond it the provider decides: C maps nothing, the builtin provider one character to one
 * (PG_UNICODE_FAST and ICU in full), libc is stood in for by one to one (exactness `last_digit`).
 */
import type { Collation } from './type.ts';

type Mapping = (text: string) => string;

const isAscii = (text: string): boolean => /^[\0-\x7f]*$/.test(text);

const asciiUpper = (text: string): string =>
  isAscii(text) ? text.toUpperCase() : text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
const asciiLower = (text: string): string =>
  isAscii(text) ? text.toLowerCase() : text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

/** One character to one (Unicode's simple mapping): where the full mapping has several, a few have a single one, the others stay. */
function simply(text: string, map: Mapping, single: Mapping): string {
  let result = '';
  for (const character of text) {
    const mapped = map(character);
    result += mapped.length === String.fromCodePoint(mapped.codePointAt(0)!).length ? mapped : single(character);
  }
  return result;
}

/** Greek letters with a subscript iota (ᾀ … ῳ) have a capital of their own. */
function singleUpper(character: string): string {
  const point = character.codePointAt(0)!;
  if (point >= 0x1f80 && point < 0x1fb0) return String.fromCodePoint(point | 8);
  return point === 0x1fb3 || point === 0x1fc3 || point === 0x1ff3 ? String.fromCodePoint(point + 9) : character;
}

const singleLower = (character: string): string => (character === 'İ' ? 'i' : character);

type Manner = 'ascii' | 'simple' | 'full';

function mannerOf(collation: Collation | undefined): Manner {
  if (collation === undefined || collation.provider === 'c') return 'ascii';
  if (collation.provider === 'libc') return /^(C|POSIX)$/i.test(collation.locale) ? 'ascii' : 'simple';
  if (collation.provider === 'icu') return 'full';
  return collation.locale === 'C' ? 'ascii' : collation.locale === 'PG_UNICODE_FAST' ? 'full' : 'simple';
}

/** ICU maps by language (Turkish i). */
function languageOf(collation: Collation | undefined): string | undefined {
  if (collation?.provider !== 'icu') return undefined;
  try {
    return Intl.getCanonicalLocales(collation.locale.replace(/[.@].*$/, '').replaceAll('_', '-'))[0];
  } catch {
    return undefined;
  }
}

export function upperFor(collation: Collation | undefined): Mapping {
  const manner = mannerOf(collation);
  if (manner === 'ascii') return asciiUpper;
  const language = languageOf(collation);
  const full: Mapping = language === undefined ? (text) => text.toUpperCase() : (text) => text.toLocaleUpperCase(language);
  return manner === 'full' ? full : (text) => (isAscii(text) ? text.toUpperCase() : simply(text, full, singleUpper));
}

export function lowerFor(collation: Collation | undefined): Mapping {
  const manner = mannerOf(collation);
  if (manner === 'ascii') return asciiLower;
  const language = languageOf(collation);
  const full: Mapping = language === undefined ? (text) => text.toLowerCase() : (text) => text.toLocaleLowerCase(language);
  return manner === 'full' ? full : (text) => (isAscii(text) ? text.toLowerCase() : simply(text, full, singleLower));
}

/** The first letter of each run of letters and digits, one to one. ICU finds words its own way, and the full mapping has title letters: see `capsNatively`. */
export function capsNatively(collation: Collation | undefined): boolean {
  return mannerOf(collation) !== 'full';
}

export function initcapFor(collation: Collation | undefined): Mapping {
  const upper = upperFor(collation);
  const lower = lowerFor(collation);
  const word = mannerOf(collation) === 'ascii' ? /[A-Za-z0-9]/ : /[\p{Alphabetic}\p{N}]/u;
  return (text) => {
    let result = '';
    let inside = false;
    for (const character of text) {
      result += inside ? lower(character) : upper(character);
      inside = word.test(character);
    }
    return result;
  };
}

export function mapsCaseExactly(collation: Collation | undefined): boolean {
  return collation === undefined || collation.provider !== 'libc' || mannerOf(collation) === 'ascii';
}
