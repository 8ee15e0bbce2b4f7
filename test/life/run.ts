/**
 * `npm run test:life -- [--minutes 10] [--seed N] [--rounds N] [--replay FILE] [--keep] [--json]`: life as it is. Random walks of transactions, every form of DDL, restarts, cuts, views
 * and subscriptions through the real command and a real Postgres; after each settling every table and view, read at the socket by several roads, is what Postgres answers
 * or is refused with a reason that names the cause. Never silently different. Lives that failed once (test/regressions) are lived again first. With `--keep` a failing
 * life is shrunk and kept there. The last line is the counts (`--json`) or `N passed, N failed`.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startPostgres, type TestPostgres } from '../postgres/postgres.ts';
import { drawnRound, replayed, type Life, type Lived } from './round.ts';
import { shrunk } from './shrink.ts';

const REGRESSIONS = join(import.meta.dirname, '../regressions');
/** Regressions may take this share of the time. */
const REGRESSIONS_SHARE = 0.5;
const SHRINK_MS = 90_000;
const SHOWN_MAX = 40;
const SHOWN_A_KIND_MAX = 3;

interface Regression extends Life {
  /** What was wrong. */
  readonly was: string;
}

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    rounds: { type: 'string', default: 'Infinity' },
    replay: { type: 'string' },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const counts = { steps: 0, ddl: 0, restarts: 0, comparisons: 0, silentlyDifferent: 0, refusedWithReason: 0, canaryLeaks: 0 };
const faults = new Map<string, { times: number; first: string }>();

function add(lived: Lived, name: string): void {
  for (const key of Object.keys(counts) as (keyof typeof counts)[]) counts[key] += lived.counts[key];
  for (const { kind, detail, at } of lived.faults) {
    const known = faults.get(kind);
    if (known === undefined) faults.set(kind, { times: 1, first: `${name}, step ${at}` });
    else known.times++;
    if ((known?.times ?? 1) <= SHOWN_A_KIND_MAX) say(`FAIL ${kind} (${name}, step ${at})\n     ${detail.replaceAll('\n', '\n     ')}`);
  }
}

async function keep(postgres: TestPostgres, lived: Lived, known: ReadonlySet<string>): Promise<void> {
  for (const { kind, at } of lived.faults) {
    if (known.has(kind)) continue;
    const life = await shrunk(postgres, { ...lived.life, steps: lived.life.steps.slice(0, at) }, kind, performance.now() + SHRINK_MS);
    if (life === undefined) {
      say(`     it did not come again: ${kind}`);
      continue;
    }
    const taken = readdirSync(REGRESSIONS).map((file) => Number.parseInt(file, 10) || 0);
    const file = `${String(Math.max(0, ...taken) + 1).padStart(3, '0')}.json`;
    writeFileSync(join(REGRESSIONS, file), `${JSON.stringify({ was: kind, ...life }, null, 1).replace(/^\{\s*/, '{ ')}\n`);
    say(
      `     ${life.steps.length} steps: test/regressions/${file}\n${life.steps.map((step) => `       ${JSON.stringify(step).slice(0, 400)}`).join('\n')}`,
    );
    return;
  }
}

async function main(): Promise<void> {
  const startMs = performance.now();
  const endMs = startMs + Number(options.minutes) * 60_000;
  const trust = (what: string): string => `host ${what} all 127.0.0.1/32 trust`;
  const postgres = await startPostgres({ hba: [trust('all'), trust('replication')] });
  let lives = 0;
  try {
    const files = options.replay === undefined ? readdirSync(REGRESSIONS).filter((file) => file.endsWith('.json')) : [options.replay];
    for (const file of files.sort()) {
      if (performance.now() > startMs + (endMs - startMs) * REGRESSIONS_SHARE) break;
      const regression = JSON.parse(readFileSync(options.replay ?? join(REGRESSIONS, file), 'utf8')) as Regression;
      const lived = await replayed(postgres, regression);
      lives++;
      add(lived, file);
      say(`${lived.faults.length === 0 ? 'ok  ' : 'FAIL'} ${file}: ${regression.was}`);
    }
    const rounds = options.replay === undefined ? Number(options.rounds) : 0;
    for (let seed = Number(options.seed), round = 0; round < rounds && performance.now() < endMs; seed++, round++) {
      const before = new Set(faults.keys());
      const lived = await drawnRound(postgres, seed, endMs);
      lives++;
      add(lived, `seed ${seed}`);
      say(`seed ${seed}: ${JSON.stringify(lived.counts)}${lived.faults.length === 0 ? '' : `, ${lived.faults.length} faults`}`);
      if (options.keep) await keep(postgres, lived, before);
    }
  } finally {
    await postgres.stop();
  }
  const failed = [...faults].sort((a, b) => b[1].times - a[1].times);
  if (failed.length > 0) say(`\n${failed.length} kinds of fault:`);
  for (const [kind, { times, first }] of failed.slice(0, SHOWN_MAX)) say(`  ${times} × ${kind} (${first})`);
  process.exitCode = failed.length === 0 && counts.comparisons > 0 ? 0 : 1;
  say(options.json ? JSON.stringify(counts) : `${counts.comparisons + counts.refusedWithReason + lives} passed, ${failed.length} failed`);
}

await main();
