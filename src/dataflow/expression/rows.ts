/**
 * Loops over packed rows, generated once a layout: hash, sameness, copy, order, decoding from the wire, text. They know words, not types: identity is
 * words (and heap bytes), so a hash key is compared by `compileSame` over *canonical* columns. Called by arrangements and operators.
 */
import { codecOf, decodeInt32 } from '../../values/codec.ts';
import { decodeDate, decodeTime, decodeTimestamp } from '../../values/datetime.ts';
import { finish, hashBytes, HASH_SEED, mix } from '../../values/hash.ts';
import { decodeInt64, writeInt64 } from '../../values/int64.ts';
import type { ColumnLayout, RowLayout } from '../../values/layout.ts';
import { copyNumeric, decodeNumeric, numericHeapBytes, sameNumeric } from '../../values/numeric.ts';
import { slotOrder } from '../../values/order.ts';
import type { RowSpace } from '../../values/space.ts';
import { copyText, INLINE_BYTES_MAX, sameText, writeTextBytes } from '../../values/text.ts';
import { STORAGE_WORDS, type Collation } from '../../values/type.ts';
import { decodeUuid } from '../../values/uuid.ts';
import type { CompareFunction, CopyFunction, HashFunction, SameFunction, TupleDecoder } from './contract.ts';

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows what its source makes
function build<F>(names: Record<string, unknown>, source: string): F {
  return new Function(...Object.keys(names), `"use strict"; return ${source};`)(...Object.values(names)) as F;
}

const at = (column: ColumnLayout, row: string, more = 0): string => `${row} + ${column.offset + more}`;

/** hash32 of the columns in the given order. Two layouts give equal hashes to identical values of the same storages in the same order. */
export function compileHash(layout: RowLayout, columns: readonly number[]): HashFunction {
  let body = '';
  columns.forEach((index) => {
    const column = layout.columns[index]!;
    const words = STORAGE_WORDS[column.storage];
    if (column.storage === 'text') {
      // Long text: length, prefix and the hash of the bytes; the heap offset is chance.
      body += `{ const length = w[${at(column, 'row')}]; h = mix(mix(h, length), w[${at(column, 'row', 1)}]);
        if (length <= ${INLINE_BYTES_MAX}) h = mix(h, w[${at(column, 'row', 2)}]); h = mix(h, w[${at(column, 'row', 3)}]); }`;
    } else if (column.storage === 'numeric') {
      body += `{ const bytes = numericHeapBytes(w, ${at(column, 'row')});
        if (bytes === 0) h = mix(h, w[${at(column, 'row')}]); else { const from = w[${at(column, 'row')}] >>> 0; h = mix(h, hashBytes(space.heap, from, from + bytes)); }
        h = mix(h, w[${at(column, 'row', 1)}]); }`;
    } else {
      for (let word = 0; word < words; word++) body += `h = mix(h, w[${at(column, 'row', word)}]);`;
    }
    body += `h = (h + ((w[row + ${column.nullWord}] & ${column.nullBit}) === 0 ? 0 : 0x5bd1e995)) | 0;`;
  });
  return build(
    { mix, finish, hashBytes, numericHeapBytes },
    `function hash(space, row) { const w = space.words; let h = ${HASH_SEED}; ${body} return finish(h); }`,
  );
}

/** Identity of the i-th column of A with the i-th of B. Storages must agree. */
export function compileSame(
  layoutA: RowLayout,
  columnsA: readonly number[],
  layoutB: RowLayout = layoutA,
  columnsB: readonly number[] = columnsA,
): SameFunction {
  const quick: string[] = [];
  const slow: string[] = [];
  columnsA.forEach((indexA, i) => {
    const a = layoutA.columns[indexA]!;
    const b = layoutB.columns[columnsB[i]!]!;
    quick.push(`((wa[ra + ${a.nullWord}] & ${a.nullBit}) === 0) === ((wb[rb + ${b.nullWord}] & ${b.nullBit}) === 0)`);
    if (a.storage === 'text') slow.push(`sameText(wa, a.heap, ${at(a, 'ra')}, wb, b.heap, ${at(b, 'rb')})`);
    else if (a.storage === 'numeric') slow.push(`sameNumeric(wa, a.heap, ${at(a, 'ra')}, wb, b.heap, ${at(b, 'rb')})`);
    else for (let word = 0; word < STORAGE_WORDS[a.storage]; word++) quick.push(`wa[${at(a, 'ra', word)}] === wb[${at(b, 'rb', word)}]`);
  });
  const test = [...quick, ...slow].join(' && ') || 'true';
  return build({ sameText, sameNumeric }, `function same(a, ra, b, rb) { const wa = a.words, wb = b.words; return ${test}; }`);
}

/** A whole row, words and heap bytes. */
export function compileCopy(layout: RowLayout): CopyFunction {
  let body = '';
  const skipped = new Set<number>();
  for (const column of layout.columns) {
    if (column.storage !== 'text' && column.storage !== 'numeric') continue;
    for (let word = 0; word < STORAGE_WORDS[column.storage]; word++) skipped.add(column.offset + word);
    body += `${column.storage === 'text' ? 'copyText' : 'copyNumeric'}(wf, from.heap, ${at(column, 'rf')}, to, ${at(column, 'rt')});`;
  }
  let words = '';
  for (let word = 0; word < layout.words; word++) if (!skipped.has(word)) words += `wt[rt + ${word}] = wf[rf + ${word}];`;
  return build(
    { copyText, copyNumeric },
    `function copy(from, rf, to, rt) { const wf = from.words; { const wt = to.words; ${words} } ${body} }`,
  );
}

export interface RowSortKey {
  readonly column: number;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
  /** Absent: the collation of the column's type. */
  readonly collation?: Collation | undefined;
}

export function compileCompare(layout: RowLayout, keys: readonly RowSortKey[]): CompareFunction {
  const names: Record<string, unknown> = {};
  let body = '';
  keys.forEach((key, i) => {
    const column = layout.columns[key.column]!;
    names[`order${i}`] = slotOrder(column.type, key.collation ?? column.type.collation);
    const isNull = (words: string, row: string): string => `(${words}[${row} + ${column.nullWord}] & ${column.nullBit}) !== 0`;
    const direct = column.storage === 'int32' && ![26, 28].includes(column.type.oid);
    const compared = direct
      ? `const c = wa[${at(column, 'ra')}] < wb[${at(column, 'rb')}] ? -1 : wa[${at(column, 'ra')}] > wb[${at(column, 'rb')}] ? 1 : 0;`
      : `const c = order${i}(a, ${at(column, 'ra')}, b, ${at(column, 'rb')});`;
    body += `{ const na = ${isNull('wa', 'ra')}, nb = ${isNull('wb', 'rb')};
      if (na || nb) { if (na !== nb) return na === ${key.nullsFirst} ? -1 : 1; }
      else { ${compared} if (c !== 0) return ${key.descending ? '-c' : 'c'}; } }`;
  });
  return build(names, `function compare(a, ra, b, rb) { const wa = a.words, wb = b.words; ${body} return 0; }`);
}

/** The statement that decodes text bytes p … e into the column's slot; heap forms may replace the views of `into`. */
function decodeStatement(column: ColumnLayout, row: string): string {
  const slot = at(column, row);
  const oid = column.type.base?.oid ?? column.type.oid;
  switch (column.storage) {
    case 'bool':
      return `into.words[${slot}] = bytes[p] === 116 ? 1 : 0;`;
    case 'int32':
      return oid === 1082 ? `into.words[${slot}] = decodeDate(bytes, p, e);` : `into.words[${slot}] = decodeInt32(bytes, p, e);`;
    case 'int64':
      if (oid === 20) return `decodeInt64(bytes, p, e, into.words, ${slot});`;
      return `writeInt64(into.words, ${slot}, ${oid === 1083 ? 'decodeTime' : 'decodeTimestamp'}(bytes, p, e));`;
    case 'numeric':
      return `decodeNumeric(bytes, p, e, into, ${slot});`;
    case 'uuid':
      return `decodeUuid(bytes, p, e, into.words, ${slot});`;
    case 'text':
      return `writeTextBytes(bytes, p, e, into, ${slot});`;
    case 'float64':
    case 'interval':
      return `decode_${column.storage}_${oid}(bytes, p, e, into, ${slot});`;
  }
}

/** See `TupleDecoder` in contract.ts. `wirePositions[i]` is the place on the wire of the layout's i-th column; other wire columns are skipped. */
export function compileTupleDecoder(layout: RowLayout, wirePositions: readonly number[]): TupleDecoder {
  const names: Record<string, unknown> = {
    decodeDate,
    decodeInt32,
    decodeInt64,
    writeInt64,
    decodeTime,
    decodeTimestamp,
    decodeNumeric,
    decodeUuid,
    writeTextBytes,
  };
  const byPlace = new Map<number, number[]>();
  wirePositions.forEach((place, index) => byPlace.set(place, [...(byPlace.get(place) ?? []), index]));
  let cases = '';
  for (const [place, indexes] of byPlace) {
    let onNull = '';
    let onUnchanged = '';
    let onText = '';
    for (const index of indexes) {
      const column = layout.columns[index]!;
      if (column.storage === 'float64' || column.storage === 'interval') {
        const codec = codecOf(column.type);
        names[`decode_${column.storage}_${column.type.base?.oid ?? column.type.oid}`] = (
          bytes: Uint8Array,
          start: number,
          end: number,
          space: RowSpace,
          slot: number,
        ) => codec.decode(bytes, start, end, space, slot);
      }
      onNull += `into.words[row + ${column.nullWord}] |= ${column.nullBit};`;
      onUnchanged += `unchanged[${index}] = 1;`;
      onText += decodeStatement(column, 'row');
    }
    cases += `case ${place}: if (kind === 116) { ${onText} } else if (kind === 110) { ${onNull} } else { ${onUnchanged} } break;`;
  }
  return build(
    names,
    `function decodeTuple(bytes, offset, into, row, unchanged) {
      const count = (bytes[offset] << 8) | bytes[offset + 1];
      let p = offset + 2;
      for (let i = 0; i < count; i++) {
        const kind = bytes[p++];
        let e = p;
        if (kind === 116) { e = p + 4 + ((bytes[p] << 24) | (bytes[p + 1] << 16) | (bytes[p + 2] << 8) | bytes[p + 3]); p += 4; }
        switch (i) { ${cases} }
        p = e;
      }
      return p;
    }`,
  );
}

/** The values of a row as Postgres prints them; null = NULL. */
export function compileFormat(layout: RowLayout): (space: RowSpace, row: number) => (string | null)[] {
  const columns = layout.columns.map((column) => ({ ...column, codec: codecOf(column.type) }));
  return (space, row) =>
    columns.map(({ codec, offset, nullWord, nullBit }) =>
      (space.words[row + nullWord]! & nullBit) !== 0 ? null : codec.format(codec.read(space, row + offset)),
    );
}

/** Text values (as Postgres prints them) into a zeroed row. */
export function compileParse(layout: RowLayout): (values: readonly (string | null)[], into: RowSpace, row: number) => void {
  const codecs = layout.columns.map((column) => codecOf(column.type));
  return (values, into, row) => {
    layout.columns.forEach((column, i) => {
      const text = values[i] ?? null;
      if (text === null) into.words[row + column.nullWord]! |= column.nullBit;
      else codecs[i]!.write(codecs[i]!.parse(text), into, row + column.offset);
    });
  };
}
