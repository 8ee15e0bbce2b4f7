/**
 * Parameters of Bind as text: what planning takes. Postgres itself reads them, so that ' 7 ', an ISO date with a T, or a driver's binary form mean what they
 * mean there, and what does not fit its type is refused with Postgres's own words (I-5). What is written already as Postgres would write it back, and numbers and
 * UUIDs in binary, need not be asked about.
 */
import { formatFloat8 } from '../values/float.ts';
import type { CallOptions, CatalogClient } from '../pglite/catalog-client.ts';

/** text, varchar, bpchar, name, unknown, json: the text is the value. */
const TEXT_OIDS = new Set([25, 1043, 1042, 19, 705, 114]);

/** A SELECT list holds 1,664 entries at most. */
const VALUES_A_CALL_MAX = 1_600;

export async function parameterTexts(
  catalog: Pick<CatalogClient, 'queryRaw'>,
  parameters: readonly (Uint8Array | null)[],
  parameterFormats: readonly number[],
  parameterTypes: readonly number[],
  call: CallOptions,
): Promise<(string | null)[]> {
  const formatOf = (i: number): number => (parameterFormats.length === 1 ? parameterFormats[0]! : (parameterFormats[i] ?? 0));
  const here = parameters.map(
    (bytes, i) => bytes && plainText(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), formatOf(i), parameterTypes[i] ?? 0),
  );
  if (here.every((text) => text !== undefined)) return here;
  const texts: (string | null)[] = [];
  for (let from = 0; from < parameters.length; from += VALUES_A_CALL_MAX) {
    const some = parameters.slice(from, from + VALUES_A_CALL_MAX);
    const statement = {
      sql: `SELECT ${some.map((_, i) => `$${i + 1}`).join(', ')}`,
      parameterTypes: parameterTypes.slice(from, from + VALUES_A_CALL_MAX),
      parameters: some,
      // None: all are text; one: it is that of all.
      parameterFormats: parameterFormats.length <= 1 ? parameterFormats : parameterFormats.slice(from, from + VALUES_A_CALL_MAX),
      resultFormats: [],
    };
    const { rows } = await catalog.queryRaw(statement, call);
    texts.push(...fieldsOf(Buffer.from(rows.buffer, rows.byteOffset, rows.length)));
  }
  return texts;
}

/** Such texts come out of Postgres as they went in. */
const OWN_TEXT: ReadonlyMap<number, (text: string) => boolean> = new Map([
  [16, (text) => text === 't' || text === 'f'],
  [20, (text) => /^(0|-?[1-9]\d{0,17})$/.test(text)],
  [21, (text) => /^(0|-?[1-9]\d{0,4})$/.test(text) && Math.abs(Number(text)) < 2 ** 15],
  [23, (text) => /^(0|-?[1-9]\d{0,9})$/.test(text) && Math.abs(Number(text)) < 2 ** 31],
  [1700, (text) => /^(0|-?[1-9]\d{0,99})(\.\d{1,99})?$/.test(text)],
  [2950, (text) => /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/.test(text)],
]);

/** As the types' receive functions read them. */
const OWN_BINARY: ReadonlyMap<number, { readonly length: number; readonly read: (bytes: Buffer) => string }> = new Map([
  [16, { length: 1, read: (bytes) => (bytes[0] === 0 ? 'f' : 't') }],
  [20, { length: 8, read: (bytes) => String(bytes.readBigInt64BE()) }],
  [21, { length: 2, read: (bytes) => String(bytes.readInt16BE()) }],
  [23, { length: 4, read: (bytes) => String(bytes.readInt32BE()) }],
  [701, { length: 8, read: (bytes) => formatFloat8(bytes.readDoubleBE()) }],
  [2950, { length: 16, read: (bytes) => bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-') }],
]);

function plainText(bytes: Buffer, format: number, typeOid: number): string | undefined {
  if (TEXT_OIDS.has(typeOid)) return bytes.toString('utf8');
  if (format === 1) {
    const binary = OWN_BINARY.get(typeOid);
    return binary?.length === bytes.length ? binary.read(bytes) : undefined;
  }
  const text = bytes.toString('latin1');
  return OWN_TEXT.get(typeOid)?.(text) === true ? text : undefined;
}

/** One DataRow: type, length, number of fields, then each one's length (-1: NULL) and text. */
function fieldsOf(row: Buffer): (string | null)[] {
  let at = 7;
  return Array.from({ length: row.readInt16BE(5) }, () => {
    const length = row.readInt32BE(at);
    at += 4;
    if (length < 0) return null;
    at += length;
    return row.toString('utf8', at - length, at);
  });
}
