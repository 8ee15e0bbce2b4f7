/**
 * `npm test`: format, lint, types, then every test, and the closing line `N passed, N failed`, alone, last. A check counts as one. Arguments go to vitest
 * (`npm test -- src/store`). The exit code says the same as the line.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checks, environment, report, root, run } from '../scripts/checks.ts';

const TESTS_TIMEOUT_MS = 20 * 60_000;

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** What of vitest's JSON report counts. */
interface VitestReport {
  readonly success: boolean;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly { readonly status: string }[] }[];
}

const counts: Counts = { passed: 0, failed: 0, skipped: 0 };

for (const check of checks) {
  const outcome = await run(check.command);
  report(check.name, outcome);
  counts[outcome.passed ? 'passed' : 'failed'] += 1;
}

const folder = mkdtempSync(join(tmpdir(), 'millrace-test-'));
try {
  const file = join(folder, 'report.json');
  await vitest(['run', '--reporter=default', '--reporter=json', `--outputFile.json=${file}`, ...process.argv.slice(2)]);
  count(JSON.parse(readFileSync(file, 'utf8')) as VitestReport);
} catch (error) {
  console.log(`vitest left no report: ${error instanceof Error ? error.message : String(error)}`);
  counts.failed += 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

if (counts.skipped > 0) console.log(`${counts.skipped} skipped (each says why where it stands)`);
process.exitCode = counts.failed === 0 ? 0 : 1;
console.log(`${counts.passed} passed, ${counts.failed} failed`);

function vitest(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('vitest', args, { cwd: root, env: environment, stdio: 'inherit', timeout: TESTS_TIMEOUT_MS });
    child.on('error', reject);
    child.on('close', () => resolve());
  });
}

function count(results: VitestReport): void {
  const before = counts.failed;
  for (const { status, assertionResults } of results.testResults) {
    const failedBefore = counts.failed;
    for (const test of assertionResults) {
      if (test.status === 'passed') counts.passed += 1;
      else if (test.status === 'failed') counts.failed += 1;
      else counts.skipped += 1;
    }
    // A file that could not be loaded has no test to fail.
    if (status === 'failed' && counts.failed === failedBefore) counts.failed += 1;
  }
  // An error outside every test (an unhandled rejection) fails the run as well.
  if (!results.success && counts.failed === before) counts.failed += 1;
}
