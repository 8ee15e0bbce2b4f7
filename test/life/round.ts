/** A round: a fresh world, a life of so many steps, drawn or given, and what it found. Nothing is left behind. */
import { randomFrom } from '../../src/demo/workload.ts';
import type { TestPostgres } from '../postgres/postgres.ts';
import { Dice } from '../property/random-schema.ts';
import { firstModel, published, schemaOf } from './model.ts';
import { settle } from './settle.ts';
import { drawBeginning, drawSteps, filling, type Step } from './steps.ts';
import { World, type Beginning, type Fault } from './world.ts';

/** A life that can be lived again. */
export interface Life {
  readonly beginning: Beginning;
  readonly steps: readonly Step[];
}

export interface Lived {
  readonly life: Life;
  /** A fault and how many steps had been taken. */
  readonly faults: readonly (Fault & { readonly at: number })[];
  readonly counts: World['counts'];
}

const STEPS_A_ROUND = 60;
let rounds = 0;

export async function drawnRound(postgres: TestPostgres, seed: number, endMs: number): Promise<Lived> {
  const dice = new Dice(randomFrom(seed));
  let model = firstModel(dice);
  const beginning: Beginning = {
    schema: [...schemaOf(model), ...filling(dice, model)],
    tables: model.tables.map(({ name, canary }) => ({ name, canary })),
    publication: published(model),
  };
  return lived(postgres, beginning, async (take) => {
    for (const { step, after } of drawBeginning(dice, model)) {
      await take(step);
      model = after;
    }
    for (let steps = 0; steps < STEPS_A_ROUND && performance.now() < endMs;) {
      for (const { step, after } of drawSteps(dice, model)) {
        steps++;
        if (await take(step)) model = after;
        // What follows was drawn for the model that the upstream refused.
        else break;
      }
    }
  });
}

/** Until a fault of this kind, or to the end. */
export async function replayed(postgres: TestPostgres, { beginning, steps }: Life, until?: string): Promise<Lived> {
  return lived(postgres, beginning, async (take, found) => {
    for (const step of steps) {
      await take(step);
      if (until !== undefined && found(until)) return;
    }
  });
}

type Take = (step: Step) => Promise<boolean>;

async function lived(
  postgres: TestPostgres,
  beginning: Beginning,
  live: (take: Take, found: (kind: string) => boolean) => Promise<void>,
): Promise<Lived> {
  const world = new World(postgres, `life_${process.pid}_${++rounds}`, beginning);
  const steps: Step[] = [];
  const faults: Lived['faults'][number][] = [];
  const note = (): void => {
    for (const fault of world.faults.splice(0)) faults.push({ ...fault, at: steps.length });
  };
  const take: Take = async (step) => {
    steps.push(step);
    let taken = true;
    const before = performance.now();
    if (step.do === 'settle') await settle(world, step.draw, step.patient);
    else taken = await world.take(step);
    note();
    if (process.env['MILLRACE_LIFE_TRACE'] === '1')
      process.stdout.write(
        `     ${Math.round(performance.now() - before)} ms ${taken ? '' : '(refused) '}${JSON.stringify(step).slice(0, 200)}\n`,
      );
    return taken;
  };
  try {
    await world.open();
    note();
    await live(take, (kind) => faults.some((fault) => fault.kind === kind));
  } catch (error) {
    note();
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    if (!text.includes('no answer'))
      faults.push({ kind: `the round ends: ${text.split('\n')[0]!.slice(0, 100)}`, detail: `${text}\n${tail(world)}`, at: steps.length });
  } finally {
    await world.close();
  }
  return { life: { beginning, steps }, faults, counts: world.counts };
}

function tail(world: World): string {
  try {
    return world.millrace.output.slice(-2_000);
  } catch {
    return '';
  }
}
