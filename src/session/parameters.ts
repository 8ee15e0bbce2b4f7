/**
 * Parameters of Bind as text: what planning takes. Postgres itself reads them, so that ' 7 ', an ISO date with a T, or a driver's binary form mean what they
 * mean there, and what does not fit its type is refused with Postgres's own words (I-5). What is written already as Postgres would write it back, and numbers and
 * UUIDs in binary, need not be asked about.
 */
import { formatFloat8 } from '../values/float.ts';
import type { CallOptions, CatalogClient } from '../pglite/catalog-client.ts';
import { converted, type GivenValue } from './results/converted.ts';

/** text, varchar, bpchar, name, unknown, json: the text is the value. */
const TEXT_OIDS = new Set([25, 1043, 1042, 19, 705, 114]);

export async function parameterTexts(
  catalog: Pick<CatalogClient, 'queryRaw'>,
  parameters: readonly (Uint8Array | null)[],
  parameterFormats: readonly number[],
  parameterTypes: readonly number[],
  call: CallOptions,
): Promise<(string | null)[]> {
  const formatOf = (i: number): number => (parameterFormats.length === 1 ? parameterFormats[0]! : (parameterFormats[i] ?? 0));
  const given = parameters.map((bytes, i) => ({ typeOid: parameterTypes[i] ?? 0, bytes, format: formatOf(i) }));
  const here = given.map(plainText);
  if (here.every((text) => text !== undefined)) return here;
  return (await converted(catalog, given, 0, call)).map((text) => text && text.toString('utf8'));
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

/** undefined: Postgres is to be asked. */
function plainText({ typeOid, bytes, format }: GivenValue): string | null | undefined {
  if (bytes === null) return null;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (TEXT_OIDS.has(typeOid)) return buffer.toString('utf8');
  if (format === 1) {
    const binary = OWN_BINARY.get(typeOid);
    return binary?.length === buffer.length ? binary.read(buffer) : undefined;
  }
  const text = buffer.toString('latin1');
  return OWN_TEXT.get(typeOid)?.(text) === true ? text : undefined;
}
