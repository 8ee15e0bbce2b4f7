/** `setup` and `doctor` at the edge: the application's writes, and what an undo leaves. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { millrace } from './command.ts';
import { eventually, textRows, type EdgeCase, type Upstream } from './edge.ts';

const KEYLESS = `CREATE TABLE t (a int, b text, c int GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO t VALUES (1, 'one'), (2, 'two')`;

async function left(upstream: Upstream, role: string): Promise<Record<string, unknown>> {
  const [row] = await upstream.query(
    `SELECT (SELECT count(*)::int FROM pg_publication) AS publications, (SELECT count(*)::int FROM pg_roles WHERE rolname = '${role}') AS roles,
       (SELECT count(*)::int FROM pg_replication_slots WHERE database = current_database()) AS slots`,
  );
  return row!;
}

export const setupEdges: readonly EdgeCase[] = [
  {
    id: 'E32 setup, no key, a stored generated column',
    right: 'the application writes as before, doctor is ready, and the views are exact, with the generated column',
    async run(world) {
      const upstream = await world.upstream(KEYLESS);
      const init = join(await world.folder(), 'init.sql');
      const role = `e32_${upstream.database}`;
      const done = await millrace(['setup', upstream.url(), '--tables', 't', '--role', role, '--init-file', init, '--yes']);
      assert.equal(done.code, 0, done.out + done.err);
      await upstream.query(`UPDATE t SET b = 'changed' WHERE a = 1; DELETE FROM t WHERE a = 2; INSERT INTO t VALUES (3, 'three')`);
      const doctor = await millrace(['doctor', upstream.url(), '--publication', 'mz_source', '--tables', 't']);
      assert.equal(doctor.code, 0, doctor.out);
      const running = await world.millrace({ init });
      const client = await world.connect(running);
      await upstream.query(`UPDATE t SET a = 5 WHERE a = 3`);
      await eventually(async () =>
        assert.deepEqual(await textRows(client, 'SELECT a, b, c FROM t ORDER BY a'), [
          ['1', 'changed', '2'],
          ['5', 'three', '10'],
        ]),
      );
      await running.stop();
      const undone = await millrace(['setup', upstream.url(), '--undo', '--role', role, '--init-file', init, '--yes']);
      assert.equal(undone.code, 0, undone.out + undone.err);
    },
  },
  {
    id: 'E32 doctor, FULL published without its generated column',
    right: 'not ready, and its mend mends',
    async run(world) {
      const upstream = await world.upstream(`${KEYLESS}; ALTER TABLE t REPLICA IDENTITY FULL; CREATE PUBLICATION mz_source FOR TABLE t`);
      const args = ['doctor', upstream.url(), '--publication', 'mz_source', '--tables', 't', '--json'];
      const doctor = await millrace(args);
      assert.equal(doctor.code, 1, doctor.out);
      const { findings } = JSON.parse(doctor.out.trim().split('\n').at(-1)!) as { findings: { code: string; mend: { sql: string } }[] };
      assert.equal(findings[0]?.code, 'identity_not_published');
      await assert.rejects(upstream.query('UPDATE t SET a = 1 WHERE false'), { code: '42P10' });
      await upstream.query(findings[0].mend.sql);
      await upstream.query('UPDATE t SET a = 7 WHERE a = 1');
      assert.equal((await millrace(args)).code, 0);
    },
  },
  {
    id: 'undo beside a Millrace that runs',
    right: 'refused with the reader’s pid, nothing changed, exit 1; once that is stopped all goes, exit 0',
    async run(world) {
      const upstream = await world.upstream('CREATE TABLE t (id int PRIMARY KEY)');
      const init = join(await world.folder(), 'init.sql');
      const role = `undo_${upstream.database}`;
      const args = (...more: string[]): string[] => ['setup', upstream.url(), '--role', role, '--init-file', init, '--yes', ...more];
      assert.equal((await millrace(args('--tables', 't'))).code, 0);
      const running = await world.millrace({ init });
      const client = await world.connect(running);
      await eventually(async () => assert.deepEqual(await textRows(client, 'SELECT status FROM millrace.tables'), [['running']]));
      const [reader] = await upstream.query(
        `SELECT active_pid AS pid FROM pg_replication_slots WHERE database = current_database() AND active`,
      );
      const refused = await millrace(args('--undo'));
      assert.equal(refused.code, 1, refused.out);
      assert.match(refused.out, new RegExp(`pid ${String(reader!['pid'])}`));
      assert.match(refused.out, /since 20\d\d-/);
      assert.match(refused.out, /nothing was changed/);
      assert.deepEqual(await left(upstream, role), { publications: 1, roles: 1, slots: 1 });
      await upstream.query('INSERT INTO t VALUES (1)');
      await eventually(async () => assert.deepEqual(await textRows(client, 'SELECT id FROM t'), [['1']]));
      await running.stop();
      await eventually(async () => {
        const undone = await millrace(args('--undo'));
        assert.equal(undone.code, 0, undone.out + undone.err);
        assert.match(undone.out, /done and proved/);
      });
      assert.deepEqual(await left(upstream, role), { publications: 0, roles: 0, slots: 0 });
    },
  },
  {
    id: 'undo where the role owns something',
    right: 'refused with the reason, nothing changed',
    async run(world) {
      const upstream = await world.upstream('CREATE TABLE t (id int PRIMARY KEY)');
      const init = join(await world.folder(), 'init.sql');
      const role = `owner_${upstream.database}`;
      const args = (...more: string[]): string[] => ['setup', upstream.url(), '--role', role, '--init-file', init, '--yes', ...more];
      assert.equal((await millrace(args('--tables', 't'))).code, 0);
      await upstream.query(`CREATE TABLE kept (id int); ALTER TABLE kept OWNER TO ${role}`);
      await upstream.query(`SELECT pg_create_logical_replication_slot('others_${upstream.database}', 'pgoutput')`);
      const refused = await millrace(args('--undo'));
      assert.equal(refused.code, 1, refused.out);
      assert.match(refused.out, /owner of table kept|depend on it/);
      assert.deepEqual(await left(upstream, role), { publications: 1, roles: 1, slots: 1 });
      await upstream.query('DROP TABLE kept');
      assert.equal((await millrace(args('--undo'))).code, 0);
      assert.deepEqual(await left(upstream, role), { publications: 0, roles: 0, slots: 1 });
    },
  },
];
