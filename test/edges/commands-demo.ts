/** The demo on somebody's own database: whatever happens, it leaves what it found. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, millrace, STACK } from './command.ts';
import { eventually, type EdgeCase, type Upstream } from './edge.ts';

/** Names of everything that is in a database, but what came with it. */
async function contents(upstream: Upstream): Promise<unknown> {
  return upstream.query(
    `SELECT 'schema' AS kind, nspname::text AS name FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
     UNION ALL SELECT 'relation', oid::regclass::text FROM pg_class WHERE oid >= 16384 AND relnamespace <> 'pg_toast'::regnamespace
     UNION ALL SELECT 'type', oid::regtype::text FROM pg_type WHERE oid >= 16384
     UNION ALL SELECT 'publication', pubname FROM pg_publication
     UNION ALL SELECT 'slot', slot_name FROM pg_replication_slots WHERE database = current_database() ORDER BY 1, 2`,
  );
}

/** What this process has left in the temporary directory. */
async function leftInTemporary(command: Command): Promise<string[]> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith(`millrace-demo-${command.process.pid}-`));
}

const SHOWING = 'Attach with';

export const demo: readonly EdgeCase[] = [
  {
    id: 'demo --postgres, twice',
    right: 'both end equal, and the database is as it was, its own orders and mz_source too',
    async run(world) {
      const upstream = await world.upstream('CREATE TABLE orders (id int PRIMARY KEY); CREATE PUBLICATION mz_source FOR TABLE orders');
      const before = await contents(upstream);
      for (let time = 1; time <= 2; time++) {
        const ended = await millrace(['demo', '--postgres', upstream.url(), '--for', '2s', '--rate', '50', '--json'], {
          timeoutMs: 150_000,
        });
        assert.equal(ended.code, 0, ended.err);
        assert.equal((JSON.parse(ended.out.trim()) as { views: unknown[] }).views.length, 5);
        assert.deepEqual(await contents(upstream), before);
      }
    },
  },
  {
    id: 'demo --postgres, kill -9, again',
    right: 'the next run takes away what the killed one left, with its directory',
    async run(world) {
      const upstream = await world.upstream('SELECT 1');
      const before = await contents(upstream);
      const args = ['demo', '--postgres', upstream.url(), '--for', '60s', '--rate', '50'];
      const killed = new Command(args, { timeoutMs: 150_000 });
      await killed.says(SHOWING, 100_000);
      killed.process.kill('SIGKILL');
      await killed.ended();
      assert.notDeepEqual(await contents(upstream), before);
      const next = new Command(args, { timeoutMs: 150_000 });
      await next.says(SHOWING, 100_000);
      assert.deepEqual(await leftInTemporary(killed), []);
      next.interrupt();
      const ended = await next.ended();
      assert.equal(ended.code, 0, ended.err);
      assert.deepEqual(await contents(upstream), before);
    },
  },
  {
    id: 'demo --postgres, Ctrl-C while it opens, and twice in the show',
    right: 'ends at once, exit 130, nothing left, no stack',
    async run(world) {
      const upstream = await world.upstream('SELECT 1');
      const before = await contents(upstream);
      for (const [moment, times] of [
        ['Opening a shop', 1],
        ['Copied', 1],
        [SHOWING, 2],
      ] as const) {
        const command = new Command(['demo', '--postgres', upstream.url(), '--for', '60s', '--rate', '50'], { timeoutMs: 150_000 });
        await command.says(moment, 100_000);
        for (let time = 1; time <= times; time++) {
          command.interrupt();
          await new Promise((resolve) => setTimeout(resolve, 400));
        }
        const ended = await command.ended();
        assert.equal(ended.code, 130, `${moment}: ${ended.out}${ended.err}`);
        assert.doesNotMatch(ended.err, STACK);
        assert.deepEqual(await contents(upstream), before, moment);
        assert.deepEqual(await leftInTemporary(command), []);
      }
    },
  },
  {
    id: 'demo --postgres, whoever reads it has gone',
    right: 'it ends, and leaves nothing',
    async run(world) {
      const upstream = await world.upstream('SELECT 1');
      const before = await contents(upstream);
      const command = new Command(['demo', '--postgres', upstream.url(), '--for', '60s', '--rate', '50'], { timeoutMs: 150_000 });
      await command.says('Copied', 100_000);
      command.process.stdout!.destroy();
      command.process.stderr!.destroy();
      await command.ended();
      assert.deepEqual(await contents(upstream), before);
      assert.deepEqual(await leftInTemporary(command), []);
    },
  },
  {
    id: 'demo --postgres, a name that is taken',
    right: 'a clear error, exit 1, nothing touched',
    async run(world) {
      for (const taken of ['CREATE SCHEMA millrace_demo; CREATE TABLE millrace_demo.orders (id int)', 'CREATE PUBLICATION millrace_demo']) {
        const upstream = await world.upstream(taken);
        const before = await contents(upstream);
        const ended = await millrace(['demo', '--postgres', upstream.url(), '--for', '2s']);
        assert.equal(ended.code, 1);
        assert.match(ended.err, /DEMO_NAME_TAKEN/);
        assert.doesNotMatch(ended.err, STACK);
        assert.deepEqual(await contents(upstream), before);
        await upstream.query(/to mend it: (.*;)/.exec(ended.err)![1]!);
      }
    },
  },
  {
    id: 'demo, Ctrl-C in its show',
    right: 'audits, ends with 0, and its servers and files are gone',
    async run() {
      const command = new Command(['demo', '--for', '60s', '--rate', '50'], { timeoutMs: 150_000 });
      await command.says(SHOWING, 100_000);
      const children = (await readFile(`/proc/${command.process.pid}/task/${command.process.pid}/children`, 'utf8')).trim().split(' ');
      assert.ok(children.length >= 2);
      command.interrupt();
      const ended = await command.ended();
      assert.equal(ended.code, 0, ended.out + ended.err);
      assert.match(ended.out, /busy_regions +equal/);
      assert.deepEqual(await leftInTemporary(command), []);
      await eventually(async () => {
        for (const pid of children) assert.throws(() => process.kill(Number(pid), 0), { code: 'ESRCH' });
      });
      assert.ok(!(await readdir(tmpdir())).some((name) => name.startsWith(join('millrace-demo-', String(command.process.pid)))));
    },
  },
];
