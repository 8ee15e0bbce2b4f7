/** The roads of rows to a client that `query` does not take: COPY, SUBSCRIBE, and a socket that nobody reads. Used by the areas beside this file. */
import type { Socket } from 'node:net';
import pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';

export type TextRow = (string | null)[];

const AS_TEXT = { getTypeParser: () => (value: string) => value };

async function connected<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  // A client that leaves amid a stream is told so.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    socketOf(client).destroy();
  }
}

export function socketOf(client: pg.Client): Socket {
  return (client as unknown as { connection: { stream: Socket } }).connection.stream;
}

/** Rows of a COPY … TO STDOUT in the text format; `rowsMax`: leaves when it has so many. */
export async function copyOut(url: string, sql: string, rowsMax = Infinity): Promise<TextRow[]> {
  const rows: TextRow[] = [];
  await copyLines(url, sql, (line) => {
    rows.push(line.split('\t').map(unescaped));
    return rows.length < rowsMax;
  });
  return rows;
}

/** Lines of a COPY, as they come, until `take` returns false. */
export async function copyLines(url: string, sql: string, take: (line: string) => boolean): Promise<void> {
  await connected(url, async (client) => {
    let rest: Buffer[] = [];
    for await (const chunk of client.query(copyTo(sql)) as AsyncIterable<Buffer>) {
      let from = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
        rest.push(chunk.subarray(from, end));
        from = end + 1;
        const line = Buffer.concat(rest).toString('utf8');
        rest = [];
        if (!take(line)) return;
      }
      rest.push(chunk.subarray(from));
    }
  });
}

function unescaped(field: string): string | null {
  if (field === '\\N') return null;
  return field.includes('\\') ? field.replace(/\\(.)/g, (_, letter: string) => ({ t: '\t', n: '\n', r: '\r' })[letter] ?? letter) : field;
}

/** The first `rowsMax` rows of a SUBSCRIBE, by itself or as COPY (SUBSCRIBE …). */
export async function subscribed(url: string, target: string, rowsMax: number, copied: boolean): Promise<TextRow[]> {
  if (copied) return copyOut(url, `COPY (SUBSCRIBE ${target}) TO STDOUT`, rowsMax);
  return connected(url, (client) => {
    const rows: TextRow[] = [];
    const query = new pg.Query<TextRow>({ text: `SUBSCRIBE ${target}`, rowMode: 'array', types: AS_TEXT } as never);
    return new Promise((resolve, reject) => {
      query.on('row', (row) => {
        if (rows.push(row as unknown as TextRow) === rowsMax) resolve(rows);
      });
      query.on('error', reject);
      client.query(query);
    });
  });
}
