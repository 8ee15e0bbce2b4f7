/** The limit that the stream is held against: pg_recvlogical writing the same slot's changes to nowhere. Called by `ingest.ts`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';

const TIMEOUT_MS = 300_000;

/** Why it cannot be run here, or undefined. */
export async function recvlogicalMissing(): Promise<string | undefined> {
  const child = spawn('pg_recvlogical', ['--version'], { stdio: 'ignore' });
  const outcome = await Promise.race([once(child, 'exit').then(([code]) => code as number), once(child, 'error').then(() => -1)]);
  return outcome === 0 ? undefined : 'pg_recvlogical is not installed (Debian: postgresql-client)';
}

/** Seconds until it has received everything up to `endLsn`. */
export async function drain(port: number, slot: string, publication: string, endLsn: string): Promise<number> {
  const startedMs = performance.now();
  const child = spawn(
    'pg_recvlogical',
    `-h 127.0.0.1 -p ${port} -U postgres -d postgres --slot ${slot} --start --no-loop -f /dev/null -F 0 -o proto_version=1 -o publication_names=${publication} --endpos=${endLsn}`.split(
      ' ',
    ),
    { stdio: ['ignore', 'ignore', 'pipe'], timeout: TIMEOUT_MS },
  );
  let output = '';
  child.stderr.on('data', (bytes: Buffer) => (output += bytes.toString()));
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`pg_recvlogical ended with ${code}: ${output}`);
  return (performance.now() - startedMs) / 1000;
}
