/**
 * Updates in batches of each size, in rounds of about equal length: a round prepares its batches outside the clock, applies them inside it, and counts CPU.
 * Every engine that runs in JavaScript is measured by this loop.
 */
import { cpuMicros, median, percentile, rounded } from '../measure.ts';

export const BATCH_SIZES = [1, 10, 100, 1_000, 10_000] as const;

export interface BatchFigures {
  readonly size: number;
  /** Per CPU second of the whole process. */
  readonly updatesPerSecond: number;
  readonly updatesPerWallSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** How an engine takes updates: `prepare` makes one batch (not measured), `apply` brings it in and steps (measured). */
export interface Driver<Batch> {
  prepare(size: number): Batch;
  apply(batch: Batch): void;
}

/** Prepared at once, at most: memory, and caches, stay as they would be in service. */
const UPDATES_PREPARED_MAX = 10_000;
const ROUNDS_MIN = 3;
/** Before the first size: until the compiler's own threads are done with the loops. */
const WARM_MS = 700;

export function measure<Batch>(driver: Driver<Batch>, budgetMs: number, sizes: readonly number[] = BATCH_SIZES): BatchFigures[] {
  return sizes.map((size, i) => measureSize(driver, size, budgetMs, i === 0 ? WARM_MS : 0));
}

function measureSize<Batch>(driver: Driver<Batch>, size: number, budgetMs: number, warmMs: number): BatchFigures {
  const perCpuSecond: number[] = [];
  const perWallSecond: number[] = [];
  const latenciesUs: number[] = [];
  let spentMs = 0;
  // Rounds grow from one batch until one takes a good part of the budget: the slowest peers need 30 ms an update, the fastest 1 µs. Those rounds compile, and do not count.
  const roundMsMin = budgetMs / 8;
  const perRoundMax = Math.max(1, Math.floor(UPDATES_PREPARED_MAX / size));
  let perRound = 1;
  let counts = false;
  let warmedMs = 0;
  while (spentMs < budgetMs || (perCpuSecond.length < ROUNDS_MIN && spentMs < 6 * budgetMs)) {
    const batches = Array.from({ length: perRound }, () => driver.prepare(size));
    const cpuBefore = cpuMicros();
    const startMs = performance.now();
    let lastMs = startMs;
    for (const batch of batches) {
      driver.apply(batch);
      const nowMs = performance.now();
      latenciesUs.push((nowMs - lastMs) * 1000);
      lastMs = nowMs;
    }
    const cpu = cpuMicros() - cpuBefore;
    const ms = lastMs - startMs;
    if (counts) {
      spentMs += ms;
      perCpuSecond.push((perRound * size) / (cpu / 1e6));
      perWallSecond.push((perRound * size) / (ms / 1e3));
    } else {
      latenciesUs.length = 0;
      warmedMs += ms;
      counts = (ms >= roundMsMin || perRound === perRoundMax) && warmedMs >= warmMs;
      if (ms < roundMsMin) perRound = Math.min(perRoundMax, perRound * 4);
    }
  }
  const sorted = Float64Array.from(latenciesUs).sort();
  return {
    size,
    updatesPerSecond: rounded(median(perCpuSecond)),
    updatesPerWallSecond: rounded(median(perWallSecond)),
    p50Us: rounded(percentile(sorted, 0.5)),
    p99Us: rounded(percentile(sorted, 0.99)),
  };
}
