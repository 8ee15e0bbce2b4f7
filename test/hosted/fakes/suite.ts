/** How the suites of the control planes are written and run: named cases, plain assertions, and the steps of a plan carried out one after the other. `run.ts` collects them. */
import type { CloudApi, CloudWanted } from '../../../src/providers/model.ts';
import type { Patience } from '../../../src/providers/cloud/patience.ts';

export interface Case {
  readonly name: string;
  run(): Promise<void>;
}

export interface SuiteResult {
  readonly passed: number;
  readonly failed: readonly { readonly name: string; readonly error: unknown }[];
}

export async function runCases(suite: string, cases: readonly Case[], print: (line: string) => void): Promise<SuiteResult> {
  const failed: { name: string; error: unknown }[] = [];
  for (const one of cases) {
    const start = performance.now();
    try {
      await one.run();
      print(`  ok   ${suite}: ${one.name} (${Math.round(performance.now() - start)} ms)`);
    } catch (error) {
      failed.push({ name: one.name, error });
      print(`  FAIL ${suite}: ${one.name}\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  }
  return { passed: cases.length - failed.length, failed };
}

/** Fakes answer at once. */
export const QUICK: Patience = { pollMs: 5, retryMs: 2, triesMax: 5, operationTimeoutMs: 3_000, restartTimeoutMs: 3_000 };

export const WANTED: CloudWanted = {
  logicalDecoding: true,
  logicalDecodingLive: false,
  parameters: {},
  allow: ['203.0.113.7/32'],
  port: 5432,
  replicationUser: undefined,
  closeFirewall: false,
  connectedAddresses: [],
};

/** observe → plan → apply each; the ids of what was planned. Progress goes to `seen`. */
export async function setUp(cloud: CloudApi, wanted: CloudWanted = WANTED, seen: string[] = []): Promise<string[]> {
  const steps = (await cloud.observe()).plan(wanted);
  for (const step of steps) if (step.via === 'api') await step.apply((line) => seen.push(line));
  return steps.map(({ id, via }) => (via === 'api' ? id : `${id} (by hand)`));
}
