/**
 * Values that have only their text here, in the binary form that a driver asked for: Postgres's own input and send functions turn one into the other (I-5), so that
 * every type has a binary form (arrays, enums, ranges, inet …); the common ones are written natively (`binary.ts`). Called by sessions, on the way to the client.
 */
import type { CallOptions, CatalogClient } from '../../pglite/catalog-client.ts';
import type { Result, ResultColumn, MessageBatch } from '../../server/session.ts';
import { ByteWriter } from '../../wire/bytes.ts';
import { DataRowEncoder, rowsIn } from '../../wire/data-row.ts';
import { converted, type GivenValue } from './converted.ts';
import { isSentNatively } from '../../wire/binary.ts';

export interface Encoding {
  /** For the row encoder, one a column behind the leading ones: 1 where it writes binary itself. */
  readonly formats: readonly number[];
  /** Positions (leading ones included) of what it writes as text and the client wants in binary. */
  readonly recode: readonly number[];
}

/** `resultFormats`: as in Bind (none = all text, one = for all). `leading`: columns in front that are always written as text (a SUBSCRIBE's timestamp and diff). */
export function encodingOf(columns: readonly ResultColumn[], resultFormats: readonly number[], leading = 0): Encoding {
  const wanted = columns.map((_, i) => (resultFormats.length === 1 ? resultFormats[0]! : (resultFormats[i] ?? 0)));
  const natively = columns.map(({ typeOid }, i) => i >= leading && isSentNatively(typeOid));
  return {
    formats: wanted.map((format, i) => (natively[i]! ? format : 0)).slice(leading),
    recode: wanted.flatMap((format, i) => (format === 1 && !natively[i]! ? [i] : [])),
  };
}

export function recoded(
  catalog: Pick<CatalogClient, 'queryRaw'>,
  result: Result,
  columns: readonly ResultColumn[],
  { recode }: Pick<Encoding, 'recode'>,
  call: CallOptions,
): Result {
  const { body } = result;
  if (recode.length === 0 || body.kind !== 'rows') return result;
  const source = body.batches[Symbol.asyncIterator]();
  const batches: AsyncIterableIterator<MessageBatch> = {
    [Symbol.asyncIterator]: () => batches,
    async next() {
      const next = await source.next();
      return next.done === true ? next : { done: false, value: await recodedBatch(catalog, columns, recode, next.value, call) };
    },
    // A generator that was never asked would not pass this on.
    async return() {
      await source.return?.();
      return { done: true, value: undefined };
    },
  };
  return { ...result, body: { kind: 'rows', batches } };
}

/** Rows that are text so far. */
export function fromText(
  catalog: Pick<CatalogClient, 'queryRaw'>,
  result: Result,
  columns: readonly ResultColumn[],
  resultFormats: readonly number[],
  call: CallOptions,
): Result {
  return recoded(catalog, result, columns, encodingOf(columns, resultFormats, columns.length), call);
}

async function recodedBatch(
  catalog: Pick<CatalogClient, 'queryRaw'>,
  columns: readonly ResultColumn[],
  recode: readonly number[],
  batch: MessageBatch,
  call: CallOptions,
): Promise<MessageBatch> {
  const rows = [...rowsIn(batch.bytes)];
  // Equal values (an enum's labels) are asked for once.
  const known = new Map<string, GivenValue>();
  const keyOf = (typeOid: number, text: Buffer): string => `${typeOid}:${text.toString('latin1')}`;
  for (const row of rows)
    for (const position of recode) {
      const text = row[position];
      const { typeOid } = columns[position]!;
      if (text !== undefined && text !== null) known.set(keyOf(typeOid, text), { typeOid, bytes: new Uint8Array(text), format: 0 });
    }
  const binaries = await converted(catalog, [...known.values()], 1, call);
  const binaryOf = new Map([...known.keys()].map((key, i) => [key, binaries[i] ?? null]));
  const out = new ByteWriter(batch.bytes.length + 1024);
  const encoder = new DataRowEncoder(out);
  const recodes = new Set(recode);
  for (const row of rows) {
    encoder.begin(row.length);
    row.forEach((field, position) => {
      const bytes = field === null || !recodes.has(position) ? field : (binaryOf.get(keyOf(columns[position]!.typeOid, field)) ?? null);
      if (bytes === null) encoder.null();
      else encoder.text(bytes);
    });
    encoder.end();
  }
  return { bytes: out.copy(), rows: batch.rows };
}
