/** The checks that need no running code: format, lint, types. Used by `scripts/check.ts` (daily) and `test/run.ts` (everything). */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';

export const root = join(import.meta.dirname, '..');

/** Tools and their children run under the Node of this process, not under the one that happens to be on PATH. */
export const environment: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: [dirname(process.execPath), join(root, 'node_modules/.bin'), process.env['PATH'] ?? ''].join(':'),
};

export interface Check {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
}

export const checks: readonly Check[] = [
  { name: 'format', command: ['oxfmt', '--check', '.'] },
  { name: 'lint', command: ['oxlint', '--type-aware', '.'] },
  { name: 'types', command: ['tsc', '-p', '.'] },
];

export interface Outcome {
  readonly passed: boolean;
  readonly seconds: string;
  readonly output: string;
}

/** Runs a command to its end; its output is kept, not shown. */
export async function run(command: readonly [string, ...string[]], timeoutMs = 300_000): Promise<Outcome> {
  const started = performance.now();
  const [tool, ...args] = command;
  const child = spawn(tool, args, { cwd: root, env: environment, stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => {
    child.on('error', (error) => {
      output += `${error.message}\n`;
      resolve(1);
    });
    child.on('close', resolve);
  });
  return { passed: code === 0, seconds: ((performance.now() - started) / 1000).toFixed(1), output };
}

export function report(name: string, outcome: Outcome): void {
  console.log(`${outcome.passed ? '✓' : '✗'} ${name} (${outcome.seconds} s)`);
  if (!outcome.passed) console.log(outcome.output.trimEnd());
}
