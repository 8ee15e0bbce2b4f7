/**
 * Parameters of Bind as text: what planning takes. Postgres itself reads them, so that ' 7 ', an ISO date with a T, or a driver's binary form mean what they
 * mean there, and what does not fit its type is refused with Postgres's own words (I-5).
 */
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
  if (parameters.every((bytes, i) => bytes === null || TEXT_OIDS.has(parameterTypes[i] ?? 0)))
    return parameters.map((bytes) => (bytes === null ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')));
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
