/**
 * `npm run test:simulation -- --minutes 3 [--seed N] [--steps N] [--plant NAME] [--json]`: seeds one after another, each a world of its own (`world.ts`); with `--seed`,
 * without `--minutes`, that one alone. A failure prints its seed and the steps that it took: the same two replay it, byte for byte. The last line counts.
 */
import { parseArgs } from 'node:util';
import { plants, simulate, type Outcome, type Plant } from './world.ts';

const STEPS = 1_500;
const FAILURES_MAX = 5;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string' },
      seed: { type: 'string' },
      /** Before it comes to rest. */
      steps: { type: 'string', default: String(STEPS) },
      plant: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const plant = plants.find((name): name is Plant => name === values.plant);
  if (values.plant !== undefined && plant === undefined) throw new Error(`--plant is one of ${plants.join(', ')}`);
  const first = Number(values.seed ?? Date.now() % 1_000_000);
  const begunMs = performance.now();
  const begunCpu = process.cpuUsage();
  const endMs = values.minutes === undefined && values.seed !== undefined ? 0 : begunMs + Number(values.minutes ?? 1) * 60_000;
  const totals = { seeds: 0, steps: 0, faults: 0, comparisons: 0, differences: 0 };
  for (let seed = first; totals.seeds === 0 || performance.now() < endMs; seed++) {
    const outcome = await simulate(seed, Number(values.steps), plant);
    totals.seeds++;
    totals.steps += outcome.steps;
    totals.faults += outcome.faults;
    totals.comparisons += outcome.comparisons;
    if (outcome.difference === undefined) continue;
    totals.differences++;
    tell(outcome, Math.min(outcome.steps, Number(values.steps)), plant);
    if (totals.differences >= FAILURES_MAX) break;
  }
  const { user, system } = process.cpuUsage(begunCpu);
  const perSecond = Math.round(totals.steps / ((user + system) / 1e6));
  process.stdout.write(`${totals.comparisons} comparisons in ${totals.seeds} seeds, ${perSecond} steps a second of CPU\n`);
  process.stdout.write(`${totals.seeds - totals.differences} passed, ${totals.differences} failed\n`);
  if (values.json) process.stdout.write(`${JSON.stringify(totals)}\n`);
  process.exitCode = totals.differences === 0 && totals.comparisons > 0 ? 0 : 1;
}

function tell({ seed, steps, difference, digest }: Outcome, before: number, plant: Plant | undefined): void {
  const again = `npm run test:simulation -- --seed ${seed} --steps ${before}${plant === undefined ? '' : ` --plant ${plant}`}`;
  process.stdout.write(`FAILED: seed ${seed}, step ${steps}, digest ${digest}: ${difference}\n  again: ${again}\n`);
}

await main();
