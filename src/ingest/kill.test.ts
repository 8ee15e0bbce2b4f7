import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { startPostgres, type TestPostgres } from '../../test/postgres/postgres.ts';
import { SHOP, Source } from './testing/source.ts';

let pg: TestPostgres;
beforeAll(async () => {
  pg = await startPostgres();
});
afterAll(() => pg.stop());

/** Runs ingest until the failpoint kills it (SIGKILL), or for `timeoutMs`. */
async function runUntilKilled(source: Source, failpoint: string, timeoutMs: number): Promise<string> {
  const { progress: _, bounds: __, ...options } = source.options();
  const child = spawn(process.execPath, [fileURLToPath(new URL('testing/child.ts', import.meta.url)), JSON.stringify(options)], {
    env: { ...process.env, MILLRACE_FAILPOINT: failpoint },
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  const exit = once(child, 'exit');
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  const before = performance.now();
  await exit;
  clearTimeout(timer);
  return performance.now() - before < timeoutMs ? 'at the failpoint' : 'after the time';
}

test('killed at every step, under load: the log still adds up to the upstream, and one slot is left', async () => {
  const source = await Source.on(pg, 'kills', SHOP);
  onTestFinished(() => source.discard());
  const ending = new AbortController();
  const load = (async () => {
    for (let i = 0; !ending.signal.aborted; i++) {
      await source.sql(
        `BEGIN; INSERT INTO visits VALUES ('v${i}', now()); UPDATE items SET name = 'n${i}' WHERE id = ${1 + (i % 250)}; COMMIT`,
      );
      if (i % 20 === 19)
        await source.sql(`UPDATE items SET note = repeat('${i % 10}', 3000) WHERE id % 3 = 0; DELETE FROM visits WHERE who = 'v${i - 5}'`);
    }
  })();
  const where: string[] = [];
  for (const failpoint of ['slot-creation', 'copy', 'append:4', 'ack', 'sync:6', 'append:30', 'sync:20', 'ack:9', 'append:7']) {
    where.push(`${failpoint} ${await runUntilKilled(source, failpoint, 45_000)}`);
  }
  // A failpoint that nothing came to would prove nothing.
  expect(where.filter((line) => !line.endsWith('at the failpoint'))).toEqual([]);
  source.start();
  await source.streaming();
  ending.abort();
  await load;
  await source.expectEqual();
  expect(await source.sql(`SELECT count(*)::int AS n FROM pg_replication_slots`)).toEqual([{ n: 1 }]);
});
