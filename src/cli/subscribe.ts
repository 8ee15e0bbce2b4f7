/**
 * `millrace subscribe <millrace-url> "<query>" [--json]`: prints every change of a query's result as it happens, until interrupted.
 * A line a change: timestamp, +n or -n, the row; with --json one object a line.
 */
import { createInterface } from 'node:readline';
import pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';

export async function subscribe(url: string, query: string, options: { readonly json?: boolean }): Promise<number> {
  const client = new pg.Client({ connectionString: url, application_name: 'millrace subscribe' });
  await client.connect();
  const inner = /^\s*subscribe\b/i.test(query) ? query : `SUBSCRIBE (${query})`;
  const stream = client.query(copyTo(`COPY (${inner}) TO STDOUT`));
  const stop = (): void => void client.end();
  process.once('SIGINT', stop);
  const lines = createInterface({ input: stream, crlfDelay: Infinity });
  for await (const line of lines) {
    const [timestamp, diff, ...values] = line.split('\t').map((field) => (field === '\\N' ? null : unescaped(field)));
    if (options.json === true)
      process.stdout.write(`${JSON.stringify({ timestamp: Number(timestamp), diff: Number(diff), row: values })}\n`);
    else
      process.stdout.write(
        `${timestamp ?? ''}  ${Number(diff) > 0 ? '+' : ''}${diff ?? ''}  ${values.map((value) => value ?? 'NULL').join(' | ')}\n`,
      );
  }
  process.off('SIGINT', stop);
  await client.end();
  return 0;
}

/** https://www.postgresql.org/docs/current/sql-copy.html, text format. */
function unescaped(field: string): string {
  if (!field.includes('\\')) return field;
  const letters: Record<string, string> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };
  return field.replace(/\\(.)/gs, (_, letter: string) => letters[letter] ?? letter);
}
