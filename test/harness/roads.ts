/**
 * The ways in which a client can read a relation, each through a socket of its own kind: `ROADS` is what a proof draws from. A row is one string of bytes (latin1),
 * values with their lengths before them or a line of COPY, so that answers are compared as multisets of strings and nothing is decoded on the way.
 */
import type { Answer, WireClient, WireError, WireField } from './wire.ts';

export type Road = (typeof ROADS)[number];

export const ROADS = ['simple', 'text', 'binary', 'pieces', 'copy', 'cursor'] as const;

/** What two answers must share to be comparable byte for byte. */
export type Form = 'text' | 'binary' | 'line';

export function formOf(road: Road): Form {
  return road === 'binary' ? 'binary' : road === 'copy' ? 'line' : 'text';
}

export interface Read {
  readonly fields: readonly WireField[];
  readonly rows: readonly string[];
  readonly error: WireError | undefined;
}

/** Cursors and portals are read in pieces of so many rows. */
const PIECE_ROWS = 7;

export async function read(client: WireClient, query: string, road: Road): Promise<Read> {
  switch (road) {
    case 'simple':
      return rowsOf(await client.simple(query));
    case 'text':
      return rowsOf(await client.extended(query, { format: 'text' }));
    case 'binary':
      return rowsOf(await client.extended(query, { format: 'binary' }));
    case 'pieces':
      return rowsOf(await client.extended(query, { format: 'text', rowsAtATime: PIECE_ROWS }));
    case 'copy': {
      const answer = await client.simple(`COPY (${query}) TO STDOUT`);
      return { fields: [], rows: linesOf(answer), error: answer.error };
    }
    case 'cursor':
      return throughCursor(client, query);
  }
}

async function throughCursor(client: WireClient, query: string): Promise<Read> {
  const begun = await client.simple(`BEGIN; DECLARE reading CURSOR FOR ${query}`);
  const rows: string[] = [];
  let { error } = begun;
  let fields: readonly WireField[] = [];
  while (error === undefined) {
    const piece = await client.simple(`FETCH ${PIECE_ROWS} FROM reading`);
    if (piece.fields.length > 0) fields = piece.fields;
    rows.push(...rowsOf(piece).rows);
    error = piece.error;
    if (piece.rows.length < PIECE_ROWS) break;
  }
  await client.simple('ROLLBACK');
  return { fields, rows, error };
}

function rowsOf(answer: Answer): Read {
  return { fields: answer.fields, rows: answer.rows.map(rowKey), error: answer.error };
}

/** Lengths are written before the values, so that no two rows share a key. */
function rowKey(row: readonly (Buffer | null)[]): string {
  let key = '';
  for (const value of row) key += value === null ? 'n' : `${value.length}:${value.toString('latin1')}`;
  return key;
}

function linesOf(answer: Answer): string[] {
  if (answer.copied.length === 0) return [];
  const lines = Buffer.concat(answer.copied).toString('latin1').split('\n');
  lines.pop();
  return lines;
}

export interface Difference {
  readonly onlyUpstream: readonly string[];
  readonly onlyMillrace: readonly string[];
}

/** Undefined when both hold the same rows, each as often. */
export function differenceOf(upstream: Iterable<string>, millrace: Iterable<string>): Difference | undefined {
  const counts = new Map<string, number>();
  for (const row of upstream) counts.set(row, (counts.get(row) ?? 0) + 1);
  const onlyMillrace: string[] = [];
  for (const row of millrace) {
    const count = counts.get(row) ?? 0;
    if (count === 0) onlyMillrace.push(row);
    else if (count === 1) counts.delete(row);
    else counts.set(row, count - 1);
  }
  const onlyUpstream = [...counts].flatMap(([row, count]) => Array.from({ length: count }, () => row));
  return onlyUpstream.length + onlyMillrace.length === 0 ? undefined : { onlyUpstream, onlyMillrace };
}
