/** The end of the story: `millrace serve --init <what setup wrote>`, a live view, changes upstream, an audit at one LSN. Says what went wrong; undefined: nothing. */
import path from 'node:path';
import type { Client } from 'pg';
import { requestAudit } from '../../src/cli/audit.ts';
import { freePort, RunningMillrace } from '../harness/millrace.ts';
import type { Scene } from './scene.ts';

const INIT_TIMEOUT_MS = 20_000;

const CHANGES = `INSERT INTO orders VALUES (1001, 'customer 3', 10.50); UPDATE orders SET total = total + 1 WHERE id <= 20; DELETE FROM orders WHERE id = 21;
  UPDATE visits SET page = '/moved' WHERE page = '/page/1'; DELETE FROM visits WHERE customer = 'customer 2'`;

export async function liveView(scene: Scene): Promise<string | undefined> {
  const millrace = new RunningMillrace({ dataDirectory: path.join(scene.folder, 'data'), port: await freePort(), init: scene.initFile });
  try {
    const client = await millrace.connect();
    try {
      await initialised(client);
      await client.query(
        `CREATE MATERIALIZED VIEW customers AS SELECT o.customer, count(*) AS orders, sum(o.total) AS total FROM orders o GROUP BY o.customer`,
      );
      await client.query(`CREATE MATERIALIZED VIEW pages AS SELECT page, count(*) AS visits FROM visits GROUP BY page`);
      await scene.dressed.asAdmin(CHANGES);
      const report = await requestAudit(millrace.url, []);
      const different = report.views.filter(({ state }) => state !== 'equal');
      if (report.views.length !== 2 || different.length > 0) return JSON.stringify(report);
      await client.query('SET real_time_recency = true');
      const { rows } = await client.query<{ total: string }>('SELECT sum(total)::text AS total FROM customers');
      const [upstream] = await scene.dressed.asAdmin('SELECT sum(total)::text AS total FROM orders');
      if (rows[0]?.total !== upstream?.['total'])
        return `the view says ${rows[0]?.total ?? 'nothing'}, the database ${String(upstream?.['total'])}`;
      return undefined;
    } finally {
      await client.end();
    }
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)}\n${millrace.output.slice(-2_000)}`;
  } finally {
    await millrace.stop();
    await dropSlots(scene);
  }
}

/** Clients are served while the init file still runs. */
async function initialised(client: Client): Promise<void> {
  const deadline = performance.now() + INIT_TIMEOUT_MS;
  for (;;) {
    const { rows } = await client.query(`SELECT 1 FROM pg_class WHERE relname = 'visits'`);
    if (rows.length > 0) return;
    if (performance.now() > deadline) throw new Error('the source was not there in time');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** What DROP SOURCE does; the next scenes restart the server without logical decoding, which a slot would forbid. */
async function dropSlots(scene: Scene): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    const left = await scene.dressed
      .superuser(`SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots WHERE NOT active`)
      .then(() => scene.dressed.superuser('SELECT 1 FROM pg_replication_slots'));
    if (left.length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
