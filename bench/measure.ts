/**
 * What every benchmark measures with: CPU seconds of this process (all threads, so that a collector is counted), percentiles, medians of rounds.
 * The machines are shared: ratios and CPU seconds are the figures to trust, walls stand beside them.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { arch, cpus, loadavg, totalmem } from 'node:os';

/** CPU microseconds that this process has used. */
export function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** USER_HZ of Linux: the unit of /proc/PID/stat. */
const TICKS_A_SECOND = 100;

/** CPU microseconds that another process (all its threads) has used; Linux only. */
export function cpuMicrosOf(pid: number): number {
  return cpuMicrosIn(readFileSync(`/proc/${pid}/stat`, 'latin1'));
}

/** The same by the names of its threads: `millrace ingest`, `fold`, `WorkerThread` (engine and catalog), `V8Worker` (compiler, collector), `MainThread` … */
export function cpuMicrosByThread(pid: number): Map<string, number> {
  const byName = new Map<string, number>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1');
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    byName.set(name, (byName.get(name) ?? 0) + cpuMicrosIn(stat));
  }
  return byName;
}

function cpuMicrosIn(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND) * 1e6;
}

export function rssBytesOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) * 1024;
}

export function median(values: readonly number[]): number {
  return percentile(
    [...values].sort((a, b) => a - b),
    0.5,
  );
}

/** Of an ascending list; 0 of an empty one. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) return 0;
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

/** To `digits` significant digits: what a noisy figure deserves. */
export function rounded(value: number, digits = 3): number {
  return Number.isFinite(value) ? Number(value.toPrecision(digits)) : 0;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly platform: string;
  readonly node: string;
  readonly loadAverage: number;
  readonly date: string;
}

export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${arch()}`,
    node: process.version,
    loadAverage: rounded(loadavg()[0] ?? 0, 2),
    date: new Date().toISOString().slice(0, 10),
  };
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
