/**
 * What string_agg, array_agg, json_agg, jsonb_agg and the object aggregates make of a sequence, byte for byte as Postgres prints it. Each row's part is put behind those in
 * front of it; over no rows: NULL. A value larger than a message to a client may be is an error of that group (54000). Called by `sequence-results.ts`.
 */
import { limits } from '../../../../base/limits.ts';
import { quotedElement } from '../../../../values/array.ts';
import { baseOid, codecOf } from '../../../../values/codec.ts';
import { fail } from '../../../../values/failure.ts';
import type { ColumnLayout } from '../../../../values/layout.ts';
import { inputNumeric } from '../../../../values/numeric-arithmetic.ts';
import { formatNumeric } from '../../../../values/numeric.ts';
import type { RowSpace } from '../../../../values/space.ts';
import type { PgType } from '../../../../values/type.ts';
import { isNull } from './accumulator.ts';

/** The value of a row's column as text; null = NULL. */
export type Reader = (space: RowSpace, row: number) => string | null;

/** A text that is put together of parts, as long as a value may be. */
export class Parts {
  #text = '';
  readonly #what: string;

  constructor(what: string) {
    this.#what = what;
  }

  get isEmpty(): boolean {
    return this.#text === '';
  }

  add(part: string): void {
    this.#text += part;
    if (this.#text.length > limits.aggregatedValueBytesMax) this.#refuse();
  }

  done(opening = '', closing = ''): string {
    const text = `${opening}${this.#text}${closing}`;
    // A character is at most three bytes a unit.
    if (text.length * 3 > limits.aggregatedValueBytesMax && Buffer.byteLength(text) > limits.aggregatedValueBytesMax) this.#refuse();
    return text;
  }

  #refuse(): never {
    return fail('54000', `a value of ${this.#what}() is larger than ${limits.aggregatedValueBytesMax} bytes`);
  }
}

/** As Postgres prints it. */
export function printed(column: ColumnLayout): Reader {
  const codec = codecOf(column.type);
  return (space, row) => (isNull(space, row, column) ? null : codec.format(codec.read(space, row + column.offset)));
}

const BYTEA = 17;

/** Of string_agg: bytea is hexadecimal behind a mark, which stands in front of all of it. */
export function ofString(column: ColumnLayout): Reader {
  const text = printed(column);
  return baseOid(column.type) === BYTEA ? (space, row) => text(space, row)?.slice(HEX.length) ?? null : text;
}

export function openingOfString({ type }: ColumnLayout): string {
  return baseOid(type) === BYTEA ? HEX : '';
}

const HEX = String.raw`\x`;
const BOX = 603;

/** An element of an array, and what stands between two. */
export function ofArray(column: ColumnLayout): { element: Reader; between: string } {
  const between = baseOid(column.type) === BOX ? ';' : ',';
  const text = printed(column);
  return {
    between,
    element(space, row) {
      const value = text(space, row);
      return value === null ? 'NULL' : quotedElement(value, between);
    },
  };
}

/** Numbers of JSON: smallint, integer, bigint, real, double precision, numeric. */
const NUMBERS = new Set([21, 23, 20, 700, 701, 1700]);
const BOOL = 16;
const TIMESTAMP = 1114;
const JSON_TYPES = new Set([114, 3802]);
const JSON_NUMBER = /^-?\d/;

/** A value as JSON; binary: as jsonb has it. Arrays, rows and what prints by settings come as JSON already (`sequence-places.ts`). */
export function ofJson(column: ColumnLayout, binary: boolean): Reader {
  const text = printed(column);
  const form = jsonForm(column.type, binary);
  return (space, row) => {
    const value = text(space, row);
    return value === null ? 'null' : form(value);
  };
}

function jsonForm(type: PgType, binary: boolean): (text: string) => string {
  const oid = baseOid(type);
  if (JSON_TYPES.has(oid)) return (text) => text;
  if (oid === BOOL) return (text) => (text === 't' ? 'true' : 'false');
  if (oid === TIMESTAMP) return (text) => JSON.stringify(text.replace(' ', 'T'));
  if (!NUMBERS.has(oid)) return (text) => JSON.stringify(text);
  return (text) => {
    if (!JSON_NUMBER.test(text)) return JSON.stringify(text);
    return binary ? asDecimal(text) : text;
  };
}

/** jsonb has numeric inside: no exponents, no sign of zero. */
function asDecimal(text: string): string {
  if (text === '-0') return '0';
  const value = text.includes('e') ? inputNumeric(text) : undefined;
  return value === undefined ? text : formatNumeric(value);
}

/** A key of an object, as text. */
export function ofKey(column: ColumnLayout): Reader {
  const text = printed(column);
  const oid = baseOid(column.type);
  if (oid === BOOL) return (space, row) => KEYS_OF_BOOL[text(space, row) ?? ''] ?? null;
  return oid === TIMESTAMP ? (space, row) => text(space, row)?.replace(' ', 'T') ?? null : text;
}

const KEYS_OF_BOOL: Readonly<Record<string, string>> = { t: 'true', f: 'false' };
