import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { startPostgres, TestPostgres } from '../../test/postgres/postgres.ts';
import { startEmbeddedPostgres } from '../demo/embedded-postgres.ts';
import { parseConnectionString } from '../upstream/connection/parameters.ts';
import { SHOP, Source } from './testing/source.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A standby of `primary` that takes failover slots over. */
async function standbyOf(primary: TestPostgres, database: string): Promise<TestPostgres> {
  await primary.query(`SELECT pg_create_physical_replication_slot('standby', true)`);
  await primary.halt();
  const directory = mkdtempSync(path.join(tmpdir(), 'millrace-standby-'));
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
  chmodSync(directory, 0o755);
  mkdirSync(directory, { recursive: true });
  execFileSync('cp', ['-a', primary.server.dataDirectory, path.join(directory, 'data')]);
  writeFileSync(path.join(directory, 'data', 'standby.signal'), '');
  await primary.start();
  const server = await startEmbeddedPostgres({
    directory,
    settings: {
      wal_level: 'logical',
      hot_standby: true,
      hot_standby_feedback: true,
      sync_replication_slots: true,
      primary_slot_name: 'standby',
      primary_conninfo: `host=127.0.0.1 port=${primary.port} user=postgres password=postgres dbname=${database}`,
      max_wal_senders: 20,
      max_replication_slots: 20,
      max_connections: 100,
      shared_buffers: '32MB',
    },
  });
  const standby = new TestPostgres(server);
  cleanups.push(() => standby.stop());
  return standby;
}

async function caughtUp(primary: TestPostgres, standby: TestPostgres): Promise<void> {
  const [row] = await primary.query<{ lsn: string }>('SELECT pg_current_wal_flush_lsn()::text AS lsn');
  await expect
    .poll(async () => (await standby.query<{ there: boolean }>(`SELECT pg_last_wal_replay_lsn() >= '${row!.lsn}' AS there`))[0]!.there, {
      timeout: 10_000,
    })
    .toBe(true);
}

async function promote(standby: TestPostgres): Promise<void> {
  await standby.query('SELECT pg_promote(true, 20)');
}

test('a failover to a standby that has the slot and everything we have: the stream goes on, on the new timeline', async () => {
  const primary = await startPostgres();
  cleanups.push(() => primary.stop());
  await primary.createDatabase('shop');
  const standby = await standbyOf(primary, 'shop');
  const source = await Source.on(primary, 'moved', SHOP);
  cleanups.push(() => source.discard());
  source.start();
  await source.streaming();
  await source.sql(`UPDATE items SET name = 'on the old primary'`);
  await source.expectEqual();
  // The slot is handed over once the standby has caught up with it.
  await expect
    .poll(
      async () => {
        await primary.query('SELECT pg_log_standby_snapshot()');
        const rows = await standby.query<{ ready: boolean }>(
          `SELECT synced AND NOT temporary AS ready FROM pg_replication_slots WHERE slot_name = '${source.slot}'`,
        );
        return rows[0]?.ready;
      },
      { timeout: 20_000, interval: 200 },
    )
    .toBe(true);
  await caughtUp(primary, standby);
  await primary.kill();
  await promote(standby);
  source.pg = standby;
  source.url = standby.url(undefined, 'moved');
  source.ingest!.setConnection(parseConnectionString(source.url));
  await source.sql(`UPDATE items SET name = 'on the new primary' WHERE id < 100; INSERT INTO visits VALUES ('after', NULL)`);
  await source.until(({ state, timeline }) => state === 'streaming' && timeline === 2);
  await source.expectEqual();
  // And a restart knows the new timeline.
  await source.stop();
  await source.sql('DELETE FROM visits');
  source.start();
  await source.expectEqual();
}, 60_000);

test('a failover to a standby that lacks what we have is refused', async () => {
  const primary = await startPostgres();
  cleanups.push(() => primary.stop());
  await primary.createDatabase('shop');
  const standby = await standbyOf(primary, 'shop');
  const source = await Source.on(primary, 'lost', SHOP);
  cleanups.push(() => source.discard());
  source.start();
  await source.streaming();
  await source.expectEqual();
  await caughtUp(primary, standby);
  // The standby hears no more; we do.
  await standby.query(`ALTER SYSTEM SET primary_conninfo = ''`);
  await standby.query('SELECT pg_reload_conf()');
  await standby.query(`SELECT pg_wal_replay_pause()`);
  await primary.query(`SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'standby'`);
  await source.sql(`UPDATE items SET name = 'never on the standby'`);
  await source.caughtUp();
  await primary.kill();
  await standby.query('SELECT pg_wal_replay_resume()');
  await promote(standby);
  source.ingest!.setConnection(parseConnectionString(standby.url(undefined, 'lost')));
  const status = await source.until(({ state }) => state === 'stopped');
  expect(status.error).toMatchObject({
    code: 'TIMELINE_LEFT_BEHIND',
    hint: expect.stringContaining('ALTER SOURCE <its name> REFRESH') as string,
  });
}, 60_000);
