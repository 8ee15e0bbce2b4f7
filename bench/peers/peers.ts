/**
 * The engines that `bench:ivm` is held against, each in a process of its own on the same data. The JavaScript ones are installed at pinned versions into a cache folder,
 * differential-dataflow is built there with cargo; what cannot be had on this machine is skipped with the reason. Called by `bench/ivm.ts`.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { ViewName } from '../ivm/workload.ts';

export type PeerName = 'db-ivm' | 'd2ts' | 'differential';

export interface PeerFigures {
  readonly loadSeconds: number;
  readonly batches: readonly { readonly size: number; readonly updatesPerSecond: number }[];
  /** How its answer differs from the plain recomputation, if it does. */
  readonly wrong?: string | null;
}

export interface PeerRequest {
  readonly rows: number;
  readonly names: readonly ViewName[];
  readonly budgetMs: number;
  readonly javascriptRowsMax: number;
  /** Of the JavaScript ones: a step of 10,000 takes them a second. */
  readonly javascriptViews: readonly string[];
  readonly javascriptSizes: readonly number[];
}

/** What was measured, or why it could not be. */
export type Report = (peer: PeerName, view: ViewName, outcome: PeerFigures | string) => void;

const PACKAGES = { 'db-ivm': '@tanstack/db-ivm@0.2.0', d2ts: '@electric-sql/d2ts@0.1.8' } as const;
const CACHE = join(import.meta.dirname, '../../node_modules/.cache/millrace-bench');
const INSTALL_TIMEOUT_MS = 120_000;
const BUILD_TIMEOUT_MS = 400_000;
const RUN_TIMEOUT_MS = 300_000;
const execute = promisify(execFile);

export async function runPeers(request: PeerRequest, report: Report): Promise<void> {
  for (const peer of ['db-ivm', 'd2ts'] as const) {
    const folder = request.rows > request.javascriptRowsMax ? `not run beyond ${request.javascriptRowsMax} rows` : await installed(peer);
    for (const view of request.names.filter((name) => request.javascriptViews.includes(name))) {
      if (typeof folder === 'string') report(peer, view, folder);
      else
        report(
          peer,
          view,
          await run(process.execPath, [
            join(import.meta.dirname, 'javascript.ts'),
            peer,
            folder.path,
            view,
            ...sizes(request),
            request.javascriptSizes.join(','),
          ]),
        );
      if (typeof folder === 'string') break;
    }
  }
  const program = await built();
  for (const view of request.names) {
    if (!('path' in program)) {
      report('differential', view, program.reason);
      break;
    }
    report('differential', view, await run(program.path, [view, ...sizes(request)]));
  }
}

function sizes({ rows, budgetMs }: PeerRequest): string[] {
  return [String(rows), String(budgetMs)];
}

async function run(program: string, args: readonly string[]): Promise<PeerFigures> {
  const { stdout } = await execute(program, args, { timeout: RUN_TIMEOUT_MS, maxBuffer: 1 << 24 });
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as PeerFigures;
}

async function installed(peer: 'db-ivm' | 'd2ts'): Promise<{ path: string } | string> {
  const wanted = PACKAGES[peer];
  const name = wanted.slice(0, wanted.lastIndexOf('@'));
  const folder = join(CACHE, peer);
  const path = join(folder, 'node_modules', name);
  if (existsSync(path)) return { path };
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'package.json'), '{"private":true,"type":"module"}\n');
    await execute('npm', ['install', '--no-audit', '--no-fund', '--save-exact', '--ignore-scripts', wanted], {
      cwd: folder,
      timeout: INSTALL_TIMEOUT_MS,
    });
    return { path };
  } catch (error) {
    return `npm install ${wanted} failed: ${firstLine(error)}`;
  }
}

async function built(): Promise<{ path: string } | { reason: string }> {
  const source = join(import.meta.dirname, 'differential');
  const target = join(CACHE, 'differential');
  try {
    await execute('cargo', ['--version'], { timeout: 10_000 });
  } catch {
    return { reason: 'no cargo on this machine (https://rustup.rs)' };
  }
  try {
    await mkdir(target, { recursive: true });
    await execute('cargo', ['build', '--release', '--locked', '--manifest-path', join(source, 'Cargo.toml'), '--target-dir', target], {
      cwd: dirname(source),
      timeout: BUILD_TIMEOUT_MS,
      maxBuffer: 1 << 24,
    });
    return { path: join(target, 'release', 'millrace-bench-differential') };
  } catch (error) {
    return { reason: `cargo build failed: ${firstLine(error)}` };
  }
}

function firstLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message: string };
  const lines = (stderr ?? '').split('\n').filter((line) => /error/i.test(line));
  return lines[0] ?? message.split('\n')[0]!;
}
