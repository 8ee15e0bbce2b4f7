/**
 * `millrace subscribe <millrace-url> "<query>" [--json]`: prints every change of a query's result as it happens, until interrupted.
 * A line a change: timestamp, +n or -n, the row; with --json one object a line. Exit 0 when it was interrupted, 1 when the server ended it.
 */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { to as copyTo } from 'pg-copy-streams';
import { millraceError, MillraceError, reasonOf } from '../base/errors.ts';
import { isSymbol, tokenize } from '../sql/statements/lexer.ts';
import { connectMillrace } from './connect.ts';

/** Of the goodbye; a server that does not hear it is left. */
const GOODBYE_MS = 2_000;

export async function subscribe(url: string, query: string, options: { readonly json?: boolean }): Promise<number> {
  const inner = subscription(query);
  const client = await connectMillrace(url, 'millrace subscribe');
  let stopped = false;
  const { stream: socket } = (client as unknown as { connection: { stream: { destroy(): void } } }).connection;
  const stop = (): void => {
    stopped = true;
    socket.destroy();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop);
  try {
    const stream = client.query(copyTo(`COPY (${inner}) TO STDOUT`));
    const lines = createInterface({ input: stream, crlfDelay: Infinity });
    // The interface hears of an end, not of an error.
    const failed = new Promise<never>((_, reject) => {
      stream.once('error', reject);
      client.once('error', reject);
      client.once('end', () => reject(new Error('the server ended the connection')));
    });
    failed.catch(() => undefined);
    await Promise.race([printed(lines, options.json === true), failed]);
    const ended = client.end();
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, GOODBYE_MS).unref())]);
    return 0;
  } catch (error) {
    if (stopped) return 0;
    const { code, hint } = error as { code?: unknown; hint?: string };
    socket.destroy();
    if (error instanceof MillraceError) throw error;
    throw millraceError(
      'SUBSCRIPTION_ENDED',
      { reason: reasonOf(error), code: typeof code === 'string' ? code : '', hint: hint ?? '' },
      error,
    );
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, stop);
  }
}

/** The name of a view, a SELECT, or a whole SUBSCRIBE. */
export function subscription(query: string): string {
  const tokens = tokenize(query);
  const end = tokens.findIndex((token) => token.kind === 'end' || isSymbol(token, ';'));
  const words = tokens.slice(0, end);
  if (
    words.length === 0 ||
    (tokens[end + 1] !== undefined && tokens.slice(end).some((token) => token.kind !== 'end' && !isSymbol(token, ';')))
  )
    throw millraceError('OPTION_REFUSED', { option: 'query', value: query, accepted: 'one view, or one SELECT' });
  const text = query.slice(words[0]!.start, words.at(-1)!.end);
  if (words[0]!.kind === 'word' && words[0]!.value === 'subscribe') return text;
  const isName = words.every((token, i) => (i % 2 === 0 ? token.kind === 'word' || token.kind === 'quoted' : isSymbol(token, '.')));
  return isName && words.length % 2 === 1 ? `SUBSCRIBE ${text}` : `SUBSCRIBE (${text})`;
}

async function printed(lines: AsyncIterable<string>, json: boolean): Promise<void> {
  for await (const line of lines) {
    const [timestamp, diff, ...values] = line.split('\t').map((field) => (field === '\\N' ? null : unescaped(field)));
    const text = json
      ? JSON.stringify({ timestamp: Number(timestamp), diff: Number(diff), row: values })
      : `${timestamp ?? ''}  ${Number(diff) > 0 ? '+' : ''}${diff ?? ''}  ${values.map((value) => value ?? 'NULL').join(' | ')}`;
    if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain');
  }
}

/** https://www.postgresql.org/docs/current/sql-copy.html, text format. */
function unescaped(field: string): string {
  if (!field.includes('\\')) return field;
  const letters: Record<string, string> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };
  return field.replace(/\\(.)/gs, (_, letter: string) => letters[letter] ?? letter);
}
