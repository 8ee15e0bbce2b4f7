/** Text functions over JavaScript strings, counted in code points as Postgres counts characters. Without surrogates code units are code points: the fast path. */
import { createHash } from 'node:crypto';
import { fail } from '../../../values/failure.ts';

/** Postgres's own limit of a value is 1 GB; V8's of a string half of that. */
const TEXT_CHARACTERS_MAX = 0x1fff_ffe8;
const INT32_MAX = 2147483647;

function hasSurrogates(text: string): boolean {
  return /[\ud800-\udfff]/.test(text);
}

/** Characters as strings where there are surrogates, else undefined. */
function characters(text: string): string[] | undefined {
  return hasSurrogates(text) ? Array.from(text) : undefined;
}

export function length(text: string): number {
  return characters(text)?.length ?? text.length;
}

export function octetLength(text: string): number {
  return Buffer.byteLength(text);
}

function slice(text: string, from: number, to: number): string {
  return characters(text)?.slice(from, to).join('') ?? text.slice(from, to);
}

export function substringFrom(text: string, start: number): string {
  return slice(text, Math.max(start, 1) - 1, INT32_MAX);
}

/** 1-based; a start before the text counts against the length. */
export function substring(text: string, start: number, count: number): string {
  if (count < 0) return fail('22011', 'negative substring length not allowed');
  const end = start + count;
  if (end > INT32_MAX) return substringFrom(text, start);
  return end < 1 ? '' : slice(text, Math.max(start, 1) - 1, end - 1);
}

export function left(text: string, count: number): string {
  return count >= 0 ? slice(text, 0, count) : slice(text, 0, Math.max(length(text) + count, 0));
}

export function right(text: string, count: number): string {
  return count >= 0 ? slice(text, Math.max(length(text) - count, 0), INT32_MAX) : slice(text, -count, INT32_MAX);
}

function trimmed(text: string, set: string, atStart: boolean, atEnd: boolean): string {
  const points = Array.from(text);
  const members = new Set(Array.from(set));
  let from = 0;
  let to = points.length;
  if (atStart) while (from < to && members.has(points[from]!)) from++;
  if (atEnd) while (to > from && members.has(points[to - 1]!)) to--;
  return points.slice(from, to).join('');
}

export const btrim = (text: string, set: string): string => trimmed(text, set, true, true);
export const ltrim = (text: string, set: string): string => trimmed(text, set, true, false);
export const rtrim = (text: string, set: string): string => trimmed(text, set, false, true);

export function rtrimBlanks(text: string): string {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 32) end--;
  return text.slice(0, end);
}

export function ltrimBlanks(text: string): string {
  let start = 0;
  while (text.charCodeAt(start) === 32) start++;
  return text.slice(start);
}

export const btrimBlanks = (text: string): string => ltrimBlanks(rtrimBlanks(text));

export function replace(text: string, from: string, to: string): string {
  return from === '' ? text : text.replaceAll(from, () => to);
}

export function position(text: string, needle: string): number {
  const found = text.indexOf(needle);
  if (found < 0) return 0;
  return length(text.slice(0, found)) + 1;
}

export function repeat(text: string, count: number): string {
  if (count <= 0) return '';
  if (text.length * count > TEXT_CHARACTERS_MAX) return fail('54000', 'requested length too large');
  return text.repeat(count);
}

function pad(text: string, count: number, fill: string, atStart: boolean): string {
  if (count > TEXT_CHARACTERS_MAX) return fail('54000', 'requested length too large');
  const have = length(text);
  if (count <= have) return slice(text, 0, Math.max(count, 0));
  if (fill === '') return text;
  const fillers = Array.from(fill);
  const missing = count - have;
  const padding = fill.repeat(Math.floor(missing / fillers.length)) + fillers.slice(0, missing % fillers.length).join('');
  return atStart ? padding + text : text + padding;
}

export const lpad = (text: string, count: number, fill: string): string => pad(text, count, fill, true);
export const rpad = (text: string, count: number, fill: string): string => pad(text, count, fill, false);
export const lpadBlanks = (text: string, count: number): string => pad(text, count, ' ', true);
export const rpadBlanks = (text: string, count: number): string => pad(text, count, ' ', false);

export function splitPart(text: string, separator: string, field: number): string {
  if (field === 0) return fail('22023', 'field position must not be zero');
  if (text === '') return '';
  if (separator === '') return field === 1 || field === -1 ? text : '';
  const parts = text.split(separator);
  return parts.at(field > 0 ? field - 1 : field) ?? '';
}

export function reverse(text: string): string {
  return Array.from(text).reverse().join('');
}

export function ascii(text: string): number {
  return text === '' ? 0 : text.codePointAt(0)!;
}

export function chr(code: number): string {
  if (code < 0) return fail('22023', 'character number must be positive');
  if (code === 0) return fail('54000', 'null character not permitted');
  if (code > 0x10ffff) return fail('54000', `requested character too large for encoding: ${code}`);
  if (code >= 0xd800 && code <= 0xdfff) return fail('54000', `requested character not valid for encoding: ${code}`);
  return String.fromCodePoint(code);
}

export function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}

export function translate(text: string, from: string, to: string): string {
  const targets = Array.from(to);
  const map = new Map<string, string>();
  Array.from(from).forEach((character, i) => {
    if (!map.has(character)) map.set(character, targets[i] ?? '');
  });
  let result = '';
  for (const character of text) result += map.get(character) ?? character;
  return result;
}

export const toHex = (value: number | bigint): string =>
  typeof value === 'number' && value >= 0 ? value.toString(16) : BigInt.asUintN(64, BigInt(value)).toString(16);
export const toHex32 = (value: number): string => (value >>> 0).toString(16);

/** varchar(n) and character(n): the cast cuts, an assignment refuses. */
export function varchar(text: string, typmod: number, explicit: boolean): string {
  return fitted(text, typmod, explicit, 'character varying');
}

export function bpchar(text: string, typmod: number, explicit: boolean): string {
  if (typmod < 4) return text;
  return rpadBlanks(fitted(text, typmod, explicit, 'character'), typmod - 4);
}

function fitted(text: string, typmod: number, explicit: boolean, type: string): string {
  const max = typmod - 4;
  if (typmod < 4 || length(text) <= max) return text;
  const kept = left(text, max);
  if (!explicit && rtrimBlanks(text.slice(kept.length)) !== '') return fail('22001', `value too long for type ${type}(${max})`);
  return kept;
}
