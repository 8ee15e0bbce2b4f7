/** `millrace demo [--for 20s] [--rate N] [--postgres URL] [--hosted rds] [--json]`: a live shop, five views, a kill, an audit. Exit 0 when every audit is equal. */
import { existsSync } from 'node:fs';
import { millraceError } from '../base/errors.ts';
import { runDemo } from '../demo/run.ts';
import { requestAudit } from './audit.ts';

export interface DemoFlags {
  readonly for?: string;
  readonly rate: string;
  readonly postgres?: string;
  readonly hosted?: string;
  readonly json?: boolean;
}

export async function demo(flags: DemoFlags): Promise<number> {
  if (flags.hosted !== undefined) return hostedDemo(flags.hosted, flags);
  const report = await runDemo(
    {
      forMs: flags.for === undefined ? (process.stdout.isTTY ? undefined : 20_000) : parseSeconds('--for', flags.for) * 1000,
      transactionsPerSecond: rateOf(flags.rate),
      postgres: flags.postgres,
      json: flags.json === true,
    },
    (url) => requestAudit(url, []),
  );
  if (report === undefined) return INTERRUPTED;
  if (flags.json === true) process.stdout.write(`${JSON.stringify(report)}\n`);
  return report.views.every((view) => view.audit === 'equal') && !report.restart.resnapshotted ? 0 : 1;
}

/** As a shell says it: 128 and the signal's number. */
const INTERRUPTED = 130;
const RATE_MAX = 100_000;

function rateOf(text: string): number {
  const rate = /^\d+(?:\.\d+)?$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (!(rate > 0 && rate <= RATE_MAX))
    throw millraceError('OPTION_REFUSED', {
      option: '--rate',
      value: text,
      accepted: `a number of transactions a second, up to ${RATE_MAX}`,
    });
  return rate;
}

/** Not in the package. */
const HOSTED_STORY = 'test/hosted/story.ts';

/** A provider's server and control plane, imitated: they are with the tests, so this works from a checkout only. */
async function hostedDemo(name: string, flags: DemoFlags): Promise<number> {
  const story = new URL(`../../${HOSTED_STORY}`, import.meta.url);
  if (!existsSync(story)) throw millraceError('DEMO_NEEDS_CHECKOUT', { option: `--hosted ${name}` });
  const there = (await import(story.href)) as {
    readonly hostedStory: (name: string, demoArguments: readonly string[], write: (text: string) => void) => Promise<number>;
  };
  const passed = [
    '--rate',
    flags.rate,
    ...(flags.for === undefined ? [] : ['--for', flags.for]),
    ...(flags.json === true ? ['--json'] : []),
  ];
  return there.hostedStory(name, passed, (text) => void process.stdout.write(text));
}

/** `20s`, `2m`, `500ms`, `20`. */
export function parseSeconds(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|min)?$/.exec(text.trim());
  if (match === null || Number(match[1]) === 0)
    throw millraceError('OPTION_REFUSED', { option, value: text, accepted: 'a time: 20s, 2m, 500ms' });
  return Number(match[1]) * { ms: 0.001, s: 1, m: 60, min: 60 }[(match[2] ?? 's') as 'ms' | 's' | 'm' | 'min'];
}
