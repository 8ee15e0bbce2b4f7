/**
 * `npm run bench:ivm [-- --rows 600000] [--budget-ms 600] [--views A1,M] [--sizes 1,100] [--no-peers] [--json]`: five views over orders ⋈ lineitem, kept up to date by Millrace's
 * engine and, on the same data, by @tanstack/db-ivm, @electric-sql/d2ts and differential-dataflow. Every run ends with a plain recomputation and fails where it differs.
 */
import { parseArgs } from 'node:util';
import { bytesPerRow, runView, type ViewRun } from './ivm/millrace.ts';
import { planned } from './ivm/queries.ts';
import { BATCH_SIZES } from './ivm/rounds.ts';
import { VIEW_NAMES, Workload, type ViewName } from './ivm/workload.ts';
import { machine, rounded, say } from './measure.ts';
import { runPeers, type PeerFigures, type PeerName } from './peers/peers.ts';

/** Published JavaScript engines hold about 1 GB at this size; larger ones are for the packed engines only. */
const JAVASCRIPT_PEERS_ROWS_MAX = 600_000;
const BYTES_SAMPLE_ROWS = 600_000;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rows: { type: 'string', default: '600000' },
      'budget-ms': { type: 'string', default: '600' },
      views: { type: 'string', default: VIEW_NAMES.join(',') },
      sizes: { type: 'string', default: BATCH_SIZES.join(',') },
      'peer-sizes': { type: 'string', default: BATCH_SIZES.join(',') },
      'peer-views': { type: 'string', default: VIEW_NAMES.join(',') },
      'no-peers': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const rows = Number(values.rows);
  const budgetMs = Number(values['budget-ms']);
  const names = values.views.split(',').map((name) => {
    const known = VIEW_NAMES.find((view) => view === name);
    if (known === undefined) throw new Error(`no view ${name}: ${VIEW_NAMES.join(', ')}`);
    return known;
  });
  const plans = await planned();
  const runs: ViewRun[] = [];
  for (const name of names) {
    const run = runView(name, plans, new Workload(rows), budgetMs, values.sizes.split(',').map(Number));
    runs.push(run);
    say(
      `${name.padEnd(3)} millrace  ${run.batches.map((batch) => `${batch.size}: ${thousands(batch.updatesPerSecond)} (p50 ${batch.p50Us} µs, p99 ${batch.p99Us} µs)`).join('  ')}  load ${thousands(run.loadRowsPerSecond)} rows/s, ${run.stateBytesPerLine} B a line`,
    );
  }
  const skipped: Partial<Record<PeerName, string>> = {};
  const wrong: Record<string, string> = {};
  const peers = new Map<PeerName, Map<ViewName, PeerFigures>>();
  if (values['no-peers']) for (const peer of ['db-ivm', 'd2ts', 'differential'] as const) skipped[peer] = 'not asked for (--no-peers)';
  else
    await runPeers(
      {
        rows,
        names,
        budgetMs,
        javascriptRowsMax: JAVASCRIPT_PEERS_ROWS_MAX,
        javascriptViews: values['peer-views'].split(','),
        javascriptSizes: values['peer-sizes'].split(',').map(Number),
      },
      (peer, view, outcome) => {
        if (typeof outcome === 'string') {
          skipped[peer] = outcome;
          say(`${peer} skipped: ${outcome}`);
          return;
        }
        const figures = peers.get(peer) ?? new Map<ViewName, PeerFigures>();
        peers.set(peer, figures.set(view, outcome));
        if (typeof outcome.wrong === 'string') wrong[`${peer} ${view}`] = outcome.wrong;
        say(
          `${view.padEnd(3)} ${peer.padEnd(12)} ${outcome.batches.map((batch) => `${batch.size}: ${thousands(batch.updatesPerSecond)}`).join('  ')}${typeof outcome.wrong === 'string' ? `  WRONG: ${outcome.wrong}` : ''}`,
        );
      },
    );
  const ratio = (peer: PeerName, view: ViewName, size: number, ours: number): number | null => {
    const theirs = peers
      .get(peer)
      ?.get(view)
      ?.batches.find((batch) => batch.size === size)?.updatesPerSecond;
    return theirs === undefined || theirs === 0 ? null : rounded(ours / theirs);
  };
  const result = {
    rows,
    bytesPerRow: bytesPerRow(plans, Math.min(rows, BYTES_SAMPLE_ROWS)),
    skipped,
    wrongAnswersOfPeers: wrong,
    machine: machine(),
    views: runs.map(({ name, loadRowsPerSecond, stateBytesPerLine, batches }) => ({
      name,
      loadRowsPerSecond,
      stateBytesPerLine,
      batches: batches.map((batch) => ({
        ...batch,
        ratioToDbIvm: ratio('db-ivm', name, batch.size, batch.updatesPerSecond),
        ratioToD2ts: ratio('d2ts', name, batch.size, batch.updatesPerSecond),
        ratioToDifferential: ratio('differential', name, batch.size, batch.updatesPerSecond),
      })),
    })),
  };
  say(`${result.bytesPerRow} bytes a row of lineitem with one index`);
  say(JSON.stringify(result));
}

function thousands(value: number): string {
  return value >= 1000 ? `${rounded(value / 1000)}k` : String(rounded(value));
}

await main();
