/**
 * Values from one of Postgres's two forms into the other, by Postgres's own input and output functions (I-5): text 0, binary 1, as in Bind. Called for parameters on
 * their way in and for results on their way out.
 */
import type { CallOptions, CatalogClient } from '../../pglite/catalog-client.ts';
import { rowsIn } from '../../wire/data-row.ts';

/** A SELECT list holds 1,664 entries at most. */
const VALUES_A_CALL_MAX = 1_600;

export interface GivenValue {
  readonly typeOid: number;
  readonly bytes: Uint8Array | null;
  readonly format: number;
}

export async function converted(
  catalog: Pick<CatalogClient, 'queryRaw'>,
  values: readonly GivenValue[],
  format: number,
  call: CallOptions,
): Promise<(Buffer | null)[]> {
  const all: (Buffer | null)[] = [];
  for (let from = 0; from < values.length; from += VALUES_A_CALL_MAX) {
    const some = values.slice(from, from + VALUES_A_CALL_MAX);
    const answer = await catalog.queryRaw(
      {
        sql: `SELECT ${some.map((_, i) => `$${i + 1}`).join(', ')}`,
        parameterTypes: some.map(({ typeOid }) => typeOid),
        parameters: some.map(({ bytes }) => bytes),
        parameterFormats: some.map((value) => value.format),
        resultFormats: [format],
      },
      call,
    );
    for (const row of rowsIn(answer.rows)) all.push(...row);
  }
  return all;
}
