/** Results that are made here: a few rows of text (SHOW, EXPLAIN, AUDIT), as batches of DataRow messages. */
import type { Result, ResultColumn, MessageBatch } from '../../server/session.ts';
import { ByteWriter } from '../../wire/bytes.ts';
import { dataRow } from '../../wire/data-row.ts';

const TEXT_OID = 25;
const INT8_OID = 20;

export function textColumns(...names: readonly string[]): ResultColumn[] {
  return names.map((name) => ({ name, typeOid: TEXT_OID, typeSize: -1, typmod: -1 }));
}

export function countColumns(...names: readonly string[]): ResultColumn[] {
  return names.map((name) => ({ name, typeOid: INT8_OID, typeSize: 8, typmod: -1 }));
}

/** A statement that returns no rows; `parameters`: what of the settings is to be reported. */
export function done(tag: string, parameters?: ReadonlyMap<string, string>): Result {
  return { notices: [], body: { kind: 'none' }, tag: () => tag, ...(parameters === undefined ? {} : { parameters }) };
}

export function textRows(rows: readonly (readonly (string | null)[])[]): MessageBatch {
  const out = new ByteWriter();
  for (const row of rows) dataRow(out, row);
  return { bytes: out.copy(), rows: rows.length };
}

export function literalRows(rows: readonly (readonly (string | null)[])[], tag: string): Result {
  return { notices: [], body: { kind: 'rows', batches: batchesOf([textRows(rows)]) }, tag: () => tag };
}

export async function* batchesOf(batches: readonly MessageBatch[]): AsyncGenerator<MessageBatch, void> {
  yield* batches;
}
