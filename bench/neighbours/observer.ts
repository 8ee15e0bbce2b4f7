/**
 * The neighbour who is measured, in a thread of its own, so that a bad client of this process does not delay it: look-ups by key, prepared and simple in turn, and a SUBSCRIBE.
 * Look-ups are due at a fixed rate and counted from when they were due: a server that stands still for ten seconds delays all that were due in them. Started by
 * `neighbours.ts`.
 */
import { parentPort, workerData } from 'node:worker_threads';
import pg from 'pg';
import { WireClient } from '../../test/harness/wire.ts';
import { Arrivals } from '../latency/arrivals.ts';
import { clockMs } from '../latency/clock.ts';
import { percentile } from '../measure.ts';
import { pause } from '../system.ts';

export interface ObserverOrder {
  readonly url: string;
  /** Milliseconds since 1970, by transaction: when it was sent. */
  readonly sent: SharedArrayBuffer;
  readonly keys: number;
}

export type ToObserver =
  | { readonly kind: 'begin' }
  /** Transactions [first, end) were sent in this window. */
  | { readonly kind: 'end'; readonly first: number; readonly end: number; readonly fromMs: number };

export interface Observed {
  readonly lookups: number;
  readonly lookupP50Ms: number;
  readonly lookupP99Ms: number;
  readonly freshnessP50Ms: number;
  readonly freshnessP99Ms: number;
  readonly connectP99Ms: number;
  /** Errors instead of answers; rows that never came. */
  readonly failures: readonly string[];
}

const DUE_EVERY_MS = 50;
const CONNECT_EVERY_MS = 200;
/** After the window: what was due by then may still come. */
const ARRIVAL_TIMEOUT_MS = 20_000;

const order = workerData as ObserverOrder;
const sent = new Float64Array(order.sent);
const arrivals = new Arrivals(sent.length);
let lookupMs: number[] = [];
let connectMs: number[] = [];
let failures: string[] = [];
/** Look-ups that are due, by when. */
let due: number[] = [];
let measuring = false;

async function connected(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: order.url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

async function wire(): Promise<WireClient> {
  const client = (await connected()) as pg.Client & { connection: { stream: Parameters<typeof WireClient.over>[0] } };
  const opened = WireClient.over(client.connection.stream);
  await opened.prepare('look', 'SELECT id, name FROM by_id WHERE id = $1');
  return opened;
}

/** A server that ended may come again. */
async function follow(): Promise<void> {
  const again = (): void => void pause(200).then(follow);
  try {
    const client = await connected();
    client.on('end', again);
    arrivals.follow(client, 'SELECT id, name, amount FROM live');
  } catch {
    again();
  }
}

async function lookUp(): Promise<void> {
  let client = await wire();
  for (let n = 0; ; n++) {
    const at = due.shift();
    if (at === undefined) {
      await pause(1);
      continue;
    }
    try {
      const key = String(1 + (n % order.keys));
      const answer = n % 2 === 0 ? await client.run('look', [key]) : await client.simple(`SELECT id, name FROM by_id WHERE id = ${key}`);
      if (answer.error !== undefined || answer.rows.length !== 1)
        failed(answer.error?.message ?? `${answer.rows.length} rows for key ${key}`);
      lookupMs.push(clockMs() - at);
    } catch (error) {
      failed(String(error));
      lookupMs.push(clockMs() - at);
      await pause(100);
      client = await wire().catch(() => client);
    }
  }
}

function failed(what: string): void {
  if (failures.length < 5) failures.push(what.slice(0, 200));
}

/** Whoever comes new gets in. */
async function connecting(): Promise<void> {
  for (;;) {
    await pause(CONNECT_EVERY_MS);
    if (!measuring) continue;
    const before = clockMs();
    try {
      const client = await connected();
      connectMs.push(clockMs() - before);
      void client.end();
    } catch (error) {
      connectMs.push(clockMs() - before);
      failed(`connecting: ${String(error)}`);
    }
  }
}

function begin(): void {
  lookupMs = [];
  connectMs = [];
  failures = [];
  due = [];
  measuring = true;
}

async function observed({ first, end, fromMs }: Extract<ToObserver, { kind: 'end' }>): Promise<Observed> {
  measuring = false;
  const deadlineMs = performance.now() + ARRIVAL_TIMEOUT_MS;
  let missing = 0;
  for (let id = first; id < end;) {
    if (arrivals.arrivedMs[id] !== 0 || performance.now() > deadlineMs) {
      if (arrivals.arrivedMs[id] === 0) missing++;
      id++;
    } else await pause(5);
  }
  while (due.length > 0 && performance.now() < deadlineMs) await pause(5);
  if (missing > 0) failed(`${missing} transactions never came`);
  const freshness: number[] = [];
  for (let id = first; id < end; id++)
    if (sent[id]! >= fromMs) freshness.push(Math.max(0, (arrivals.arrivedMs[id] || clockMs()) - sent[id]!));
  const sorted = (list: readonly number[]): number[] => list.toSorted((a, b) => a - b);
  const [looks, fresh, connects] = [sorted(lookupMs), sorted(freshness), sorted(connectMs)];
  return {
    lookups: looks.length,
    lookupP50Ms: percentile(looks, 0.5),
    lookupP99Ms: percentile(looks, 0.99),
    freshnessP50Ms: percentile(fresh, 0.5),
    freshnessP99Ms: percentile(fresh, 0.99),
    connectP99Ms: percentile(connects, 0.99),
    failures,
  };
}

parentPort?.on('message', (message: ToObserver) => {
  if (message.kind === 'begin') begin();
  else void observed(message).then((report) => parentPort?.postMessage(report));
});
setInterval(() => {
  if (measuring) due.push(clockMs());
}, DUE_EVERY_MS);
await follow();
void connecting();
parentPort?.postMessage('ready');
await lookUp();
