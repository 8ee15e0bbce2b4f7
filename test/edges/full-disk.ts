/** A disk that fills up: while running, and at a start. Reads go on, nothing that is not on disk is acknowledged or defined, and it goes on by itself when there is space. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFile, chmod, mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type pg from 'pg';
import { eventually, refusal, textRows, type EdgeCase, type World } from './edge.ts';

const run = promisify(execFile);
const FILLER_PIECES = [1 << 20, 64 << 10, 4 << 10];

/** A file system of its own, if this user may mount one. */
async function smallDisk(world: World, megabytes: number): Promise<string | undefined> {
  const folder = join(await world.folder(), 'disk');
  await mkdir(folder);
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder]);
  } catch {
    process.stdout.write('     (skipped: this user may not mount a small disk)\n');
    return undefined;
  }
  world.atEnd(() => run('umount', ['-l', folder]));
  return folder;
}

async function fill(folder: string): Promise<void> {
  const filler = join(folder, 'filler');
  await writeFile(filler, '');
  for (const bytes of FILLER_PIECES) {
    try {
      for (;;) await appendFile(filler, Buffer.alloc(bytes));
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'ENOSPC');
    }
  }
}

const free = (folder: string): Promise<void> => truncate(join(folder, 'filler'), 0);

/** The catalog's file has a few free pages: as many views as fit there, and then the refusal. */
async function refusedDdl(client: pg.Client, name: string): Promise<pg.DatabaseError> {
  for (let i = 0; i < 50; i++) {
    const view = `${name}_${i}`;
    const error = await client.query(`CREATE VIEW ${view} AS SELECT '${'x'.repeat(30_000)}' AS x`).then(
      () => undefined,
      (raised: unknown) => raised as pg.DatabaseError,
    );
    if (error === undefined) continue;
    assert.equal(error.code, '53100');
    // It left nothing behind.
    assert.match((await refusal(client.query(`SELECT * FROM ${view}`))).message, /does not exist/);
    return error;
  }
  throw new Error('nothing was refused');
}

export const fullDisk: readonly EdgeCase[] = [
  {
    id: 'full while running, full at a start, and space again',
    right: 'reads and statuses are answered throughout; DDL is refused with 53100; nothing is lost or doubled',
    async run(world) {
      const disk = await smallDisk(world, 24);
      if (disk === undefined) return;
      const upstream = await world.server(
        {},
        `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'one'); CREATE PUBLICATION mz_source FOR ALL TABLES`,
      );
      const dataDirectory = join(disk, 'data');
      await mkdir(dataDirectory);
      await chmod(dataDirectory, 0o700);
      const { millrace, client } = await world.following(upstream, { dataDirectory });
      await client.query('CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM t');
      assert.deepEqual(await textRows(client, 'SELECT n FROM v'), [['1']]);
      await fill(disk);
      await upstream.query(`INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(2, 3001) i`);
      await eventually(async () =>
        assert.deepEqual(await textRows(client, `SELECT status, error LIKE '%no space left%' FROM millrace.sources`), [['stalled', 't']]),
      );
      assert.deepEqual(await textRows(client, 'SELECT n FROM v'), [['1']]);
      const ddl = await refusedDdl(client, 'while');
      assert.deepEqual([/no space left/.test(ddl.message), /df -h/.test(ddl.hint ?? '')], [true, true]);
      assert.equal((await refusal(client.query(`CREATE SECRET x AS '${'x'.repeat(9_000)}'`))).code, '53100');
      assert.match(millrace.output, /WARN source "s" is lost: no space left on the device/);
      assert.deepEqual(await textRows(client, `SELECT code FROM millrace.errors WHERE object_name = 's'`), [['LOG_DISK_FULL']]);
      for (const end of ['kill', 'stop'] as const) {
        await millrace[end]();
        const again = await world.again(millrace);
        const reader = await world.connect(again);
        assert.deepEqual(await textRows(reader, 'SELECT n FROM v'), [['1']]);
        await refusedDdl(reader, end);
        await eventually(async () => assert.deepEqual(await textRows(reader, 'SELECT status FROM millrace.sources'), [['stalled']]));
        if (end === 'kill') {
          await again.kill();
          continue;
        }
        await free(disk);
        await eventually(async () => assert.deepEqual(await textRows(reader, 'SELECT n FROM v'), [['3001']]), 60_000);
        await reader.query('CREATE MATERIALIZED VIEW w AS SELECT count(*) AS n FROM t');
        assert.deepEqual(await textRows(reader, 'SELECT n FROM w'), [['3001']]);
        assert.match(again.output, /INFO source "s" is followed again/);
        assert.deepEqual(await textRows(reader, 'SELECT state FROM (SELECT 1) x, millrace.audits'), []);
        const audited = await textRows(reader, 'AUDIT');
        assert.deepEqual(
          audited.map((row) => row[2]),
          ['equal', 'equal'],
        );
      }
    },
  },
];
