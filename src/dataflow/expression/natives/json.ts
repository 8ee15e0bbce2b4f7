/**
 * Picking from json and jsonb in their text form: the value of a key, an element, a path. A scanner over the text, because parsing would lose digits
 * (1.50) and json's own spelling. Of a key that stands twice (json) the last counts. NULL is null; undefined = ask Postgres.
 */
import { parseArray } from '../../../values/array.ts';
import { canonicalizer } from '../../../values/canonical.ts';
import { calls, type Native, type NativeTable } from '../native.ts';

const QUOTE = 34;
const BACKSLASH = 92;

function skipBlanks(text: string, at: number): number {
  let index = at;
  while (index < text.length && ' \t\n\r'.includes(text[index]!)) index++;
  return index;
}

/** Behind the string that starts at `at`. */
function stringEnd(text: string, at: number): number {
  let index = at + 1;
  while (text.charCodeAt(index) !== QUOTE) index += text.charCodeAt(index) === BACKSLASH ? 2 : 1;
  return index + 1;
}

/** Behind the value that starts at `at`. */
function valueEnd(text: string, at: number): number {
  const first = text[at];
  if (first === '"') return stringEnd(text, at);
  let index = at;
  if (first !== '{' && first !== '[') {
    while (index < text.length && !',]} \t\n\r'.includes(text[index]!)) index++;
    return index;
  }
  let depth = 0;
  do {
    const character = text[index]!;
    if (character === '"') {
      index = stringEnd(text, index);
      continue;
    }
    if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') depth--;
    index++;
  } while (depth > 0);
  return index;
}

/** Calls `visit` with each member's key (objects) or undefined (arrays) and the place of its value. */
function eachMember(text: string, visit: (key: string | undefined, start: number, end: number) => void): void {
  let at = skipBlanks(text, 0);
  const isObject = text[at] === '{';
  at = skipBlanks(text, at + 1);
  while (at < text.length && text[at] !== '}' && text[at] !== ']') {
    let key: string | undefined;
    if (isObject) {
      const end = stringEnd(text, at);
      key = text.slice(at, end);
      at = skipBlanks(text, skipBlanks(text, end) + 1);
    }
    const end = valueEnd(text, at);
    visit(key, at, end);
    at = skipBlanks(text, end);
    if (text[at] === ',') at = skipBlanks(text, at + 1);
  }
}

const kindOf = (text: string): string | undefined => text[skipBlanks(text, 0)];

function field(text: string, name: string): string | null {
  if (kindOf(text) !== '{') return null;
  let found: string | null = null;
  eachMember(text, (key, start, end) => {
    const same = key!.includes('\\') ? JSON.parse(key!) === name : key!.length === name.length + 2 && key!.slice(1, -1) === name;
    if (same) found = text.slice(start, end);
  });
  return found;
}

function element(text: string, index: number): string | null {
  if (kindOf(text) !== '[') return null;
  const elements: string[] = [];
  eachMember(text, (_, start, end) => void elements.push(text.slice(start, end)));
  return elements.at(index) ?? null;
}

/** ->>: strings without quotes, null as NULL; escapes that Postgres may refuse are its to judge. */
function asText(value: string | null): string | null | undefined {
  if (value === null || value === 'null') return null;
  if (!value.startsWith('"')) return value;
  if (!value.includes('\\')) return value.slice(1, -1);
  return /\\u(?:0000|[dD][89a-fA-F])/.test(value) ? undefined : (JSON.parse(value) as string);
}

const INDEX = /^[+-]?\d{1,9}$/;

function path(text: string, steps: string): string | null | undefined {
  let value: string | null = text;
  for (const step of parseArray(steps).elements) {
    if (value === null || step === null) return null;
    const kind = kindOf(value);
    if (kind === '{') value = field(value, step);
    else if (kind === '[') {
      // A step that is no plain number may be one to Postgres (' 1').
      if (!INDEX.test(step)) return undefined;
      value = element(value, Number(step));
    } else return null;
  }
  return value;
}

/** A jsonb scalar counts as an array of one. */
function elementOfJsonb(text: string, index: number): string | null {
  if (kindOf(text) !== '[' && kindOf(text) !== '{') return index === 0 || index === -1 ? text : null;
  return element(text, index);
}

const fieldText = (text: string, name: string): string | null | undefined => asText(field(text, name));
const elementText = (text: string, index: number): string | null | undefined => asText(element(text, index));
const elementTextOfJsonb = (text: string, index: number): string | null | undefined => asText(elementOfJsonb(text, index));

function pathText(text: string, steps: string): string | null | undefined {
  const found = path(text, steps);
  return found === undefined ? undefined : asText(found);
}

const TYPE_NAMES: Readonly<Record<string, string>> = { '{': 'object', '[': 'array', '"': 'string', t: 'boolean', f: 'boolean', n: 'null' };
const typeOf = (text: string): string => TYPE_NAMES[kindOf(text) ?? ''] ?? 'number';

function arrayLength(text: string): number | undefined {
  if (kindOf(text) !== '[') return undefined;
  let count = 0;
  eachMember(text, () => void count++);
  return count;
}

/** `?`: a key of an object, a string in an array, or the string itself. */
function exists(text: string, name: string): boolean {
  const kind = kindOf(text);
  if (kind === '{') return field(text, name) !== null;
  if (kind !== '[') return text.startsWith('"') && JSON.parse(text) === name;
  let found = false;
  eachMember(text, (_, start, end) => {
    if (text[start] === '"' && JSON.parse(text.slice(start, end)) === name) found = true;
  });
  return found;
}

const canonical = canonicalizer({ oid: 3802, name: 'jsonb', kind: 'base', storage: 'text', typmod: -1 }) as (text: string) => string;
const equal = (a: string, b: string): boolean => a === b || canonical(a) === canonical(b);
const unequal = (a: string, b: string): boolean => !equal(a, b);

const picks = (name: string, fn: (...args: never[]) => unknown): Native => calls(name, fn, { nullable: true, partial: true });

export const jsonNatives: NativeTable = [
  [3478, picks('jsonb -> text', field)],
  [3214, picks('jsonb ->> text', fieldText)],
  [3215, picks('jsonb -> int', elementOfJsonb)],
  [3216, picks('jsonb ->> int', elementTextOfJsonb)],
  [3217, picks('jsonb #>', path)],
  [3940, picks('jsonb #>>', pathText)],
  [3947, picks('json -> text', field)],
  [3948, picks('json ->> text', fieldText)],
  [3949, picks('json -> int', element)],
  [3950, picks('json ->> int', elementText)],
  [3210, calls('jsonb_typeof', typeOf, { fails: false })],
  [3207, calls('jsonb_array_length', arrayLength, { partial: true })],
  [4047, calls('jsonb ? text', exists, { fails: false })],
  [4043, calls('jsonb_eq', equal, { fails: false })],
  [4038, calls('jsonb_ne', unequal, { fails: false })],
];
