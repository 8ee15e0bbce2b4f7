/** Makes a life that fails shorter, while a fault of the same kind is still found: pieces of its steps are left out, halves first, within a time. */
import type { TestPostgres } from '../postgres/postgres.ts';
import { replayed, type Life } from './round.ts';
import type { Step } from './steps.ts';

export async function shrunk(postgres: TestPostgres, life: Life, kind: string, endMs: number): Promise<Life | undefined> {
  const fails = async (steps: readonly Step[]): Promise<boolean> =>
    (await replayed(postgres, { ...life, steps }, kind)).faults.some((fault) => fault.kind === kind);
  // The fault shows at the last settling: those before only take time.
  const last = life.steps.length - 1;
  const candidates = [life.steps.filter((step, i) => step.do !== 'settle' || i === last), life.steps];
  let begin: readonly Step[] | undefined;
  for (const candidate of candidates) {
    if (await fails(candidate)) {
      begin = candidate;
      break;
    }
  }
  if (begin === undefined) return undefined;
  let steps: readonly Step[] = begin;
  for (let size = Math.ceil(steps.length / 2); size >= 1 && performance.now() < endMs; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < steps.length - 1 && performance.now() < endMs;) {
      // The last one is where the fault is seen.
      const without: readonly Step[] = [...steps.slice(0, at), ...steps.slice(Math.min(at + size, steps.length - 1))];
      if (without.length < steps.length && (await fails(without))) steps = without;
      else at += size;
    }
  }
  return { ...life, steps };
}
