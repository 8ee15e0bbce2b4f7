/**
 * `npm run test:edges -- [--only TEXT] [--json]`: every edge of the areas beside this file, each through the real command and real clients, one after another.
 * The last line but the sum is, with `--json`, `{"cases","failed","failures"}`.
 */
import { parseArgs } from 'node:util';
import { startPostgres } from '../postgres/postgres.ts';
import { areas } from './areas.ts';
import { World } from './edge.ts';

const CASE_TIMEOUT_MS = 180_000;

const { values: options } = parseArgs({ options: { only: { type: 'string' }, json: { type: 'boolean', default: false } } });
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const failures: { id: string; error: string }[] = [];
let cases = 0;
const postgres = await startPostgres();
try {
  for (const [area, edges] of Object.entries(areas)) {
    for (const edge of edges) {
      const id = `${area}: ${edge.id}`;
      if (options.only !== undefined && !id.includes(options.only)) continue;
      const world = new World(postgres, `edge_${++cases}`);
      const before = performance.now();
      try {
        await withinTime(edge.run(world));
        say(`ok   ${id} (${Math.round(performance.now() - before)} ms)`);
      } catch (error) {
        failures.push({ id, error: error instanceof Error ? error.message : String(error) });
        say(`FAIL ${id}: ${edge.right}\n     ${error instanceof Error ? error.stack : String(error)}`);
      } finally {
        await world.close();
      }
    }
  }
} finally {
  await postgres.stop();
}
process.exitCode = failures.length === 0 && cases > 0 ? 0 : 1;
say(
  options.json
    ? JSON.stringify({ cases, failed: failures.length, failures })
    : `${cases - failures.length} passed, ${failures.length} failed`,
);

async function withinTime(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it did not end within ${CASE_TIMEOUT_MS} ms`)), CASE_TIMEOUT_MS);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
