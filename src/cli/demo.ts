/**
 * `millrace demo [--for 20s] [--rate N] [--postgres URL] [--json]`: a live shop, five views, a kill, an audit. Exit 0 when every audit is equal.
 */
import { runDemo } from '../demo/run.ts';
import { requestAudit } from './audit.ts';

export interface DemoFlags {
  readonly for?: string;
  readonly rate: string;
  readonly postgres?: string;
  readonly json?: boolean;
}

export async function demo(flags: DemoFlags): Promise<number> {
  const report = await runDemo(
    {
      forMs: flags.for === undefined ? (process.stdout.isTTY ? undefined : 20_000) : parseSeconds(flags.for) * 1000,
      transactionsPerSecond: Number(flags.rate),
      postgres: flags.postgres,
      json: flags.json === true,
    },
    (url) => requestAudit(url, []),
  );
  if (flags.json === true) process.stdout.write(`${JSON.stringify(report)}\n`);
  return report.views.every((view) => view.audit === 'equal') && !report.restart.resnapshotted ? 0 : 1;
}

/** `20s`, `2m`, `500ms`, `20`. */
export function parseSeconds(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|min)?$/.exec(text.trim());
  if (match === null) throw new TypeError(`not a duration: ${text}`);
  return Number(match[1]) * { ms: 0.001, s: 1, m: 60, min: 60 }[(match[2] ?? 's') as 'ms' | 's' | 'm' | 'min'];
}
