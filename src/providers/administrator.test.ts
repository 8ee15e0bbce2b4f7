/** What the administrator may give to the role that streams: from Postgres 16 on, no more than he has. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { dressAzure } from '../../test/hosted/dressed/azure.ts';
import type { Dressed } from '../../test/hosted/dressed/dress.ts';
import { startPostgres, type TestPostgres } from '../../test/postgres/postgres.ts';
import { parseConnectionString } from '../upstream/connection/parameters.ts';
import { setup, type SetupOptions, type SetupResult } from './setup.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'millrace-administrator-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function run(url: string, name: string, more: Partial<SetupOptions> = {}): Promise<SetupResult> {
  return setup(parseConnectionString(url), {
    consumer: 'millrace',
    publication: 'mz_source',
    tables: [{ schema: 'public', name: 'orders' }],
    role: 'millrace',
    initFile: path.join(folder, `${name}.sql`),
    allow: [],
    closeFirewall: false,
    undo: false,
    yes: true,
    yesRestart: false,
    ...more,
  });
}

const states = ({ applied }: SetupResult): string[] => applied.map(({ id, state }) => `${id} ${state}`);
const step = (result: SetupResult, id: string): unknown => result.plan.find((one) => one.id === id);

describe('where the host lets him give himself REPLICATION', () => {
  let azure: Dressed;
  beforeAll(async () => {
    azure = await dressAzure({ settings: { wal_level: 'logical' } });
    await azure.asAdmin('CREATE TABLE orders (id int PRIMARY KEY)');
  }, 30_000);
  afterAll(() => azure.stop());

  const attributes = (): Promise<unknown[]> =>
    azure.superuser(`SELECT rolsuper, rolreplication FROM pg_authid WHERE rolname = 'shopadmin'`);

  test('he starts without, and cannot give what he has not', async () => {
    expect(await attributes()).toEqual([{ rolsuper: false, rolreplication: false }]);
    await expect(azure.asAdmin(`CREATE ROLE reader LOGIN REPLICATION`)).rejects.toMatchObject({ code: '42501' });
    await azure.asAdmin('CREATE ROLE application LOGIN');
  });

  test('setup lets him take it first, once; and he stays no superuser', async () => {
    const result = await run(azure.url(), 'azure');
    expect(states(result)).toEqual(['sql.administrator-right done', 'sql.role done', 'sql.grants done', 'sql.publication done']);
    expect(result.verdict).toBe('done');
    expect(await attributes()).toEqual([{ rolsuper: false, rolreplication: true }]);
    expect(states(await run(azure.url(), 'azure'))).toEqual([]);
  });

  test('undo leaves that to him', async () => {
    const result = await run(azure.url(), 'azure', { undo: true });
    expect(states(result)).toEqual(['undo.publication done', 'undo.role done', 'undo.administrator-right by hand']);
  });
});

describe('on a Postgres of one’s own', () => {
  let pg: TestPostgres;
  let number = 0;
  let database: string;
  beforeAll(async () => {
    pg = await startPostgres();
    await pg.query(`CREATE ROLE boss LOGIN CREATEROLE PASSWORD 'boss'`);
  });
  afterAll(() => pg.stop());
  beforeEach(async () => {
    database = `shop_${++number}`;
    await pg.createDatabase(database);
    await pg.query(
      `ALTER DATABASE ${database} OWNER TO boss; CREATE TABLE orders (id int PRIMARY KEY); ALTER TABLE orders OWNER TO boss; ALTER SCHEMA public OWNER TO boss`,
      undefined,
      database,
    );
  });
  const asBoss = (name: string, more: Partial<SetupOptions> = {}): Promise<SetupResult> =>
    run(pg.url('boss', database, 'boss'), name, { role: `reader_${number}`, ...more });

  test('a role that replicates is for somebody else to make; the rest is done', async () => {
    const result = await asBoss('own');
    expect(states(result)).toEqual(['sql.role by hand', 'sql.publication done']);
    expect(step(result, 'sql.role')).toMatchObject({ because: 'only a superuser, or a role that has REPLICATION itself, may give it' });
  });

  test('so is BYPASSRLS', async () => {
    await pg.query(
      `ALTER ROLE boss REPLICATION; CREATE ROLE other LOGIN; ALTER TABLE orders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`,
      undefined,
      database,
    );
    const first = await asBoss('rls');
    expect(states(first)).toContain('sql.row-security by hand');
    expect(step(first, 'sql.row-security')).toMatchObject({ request: `ALTER ROLE reader_${number} BYPASSRLS;` });
    expect(first.verdict).toBe('not');
    await pg.query('ALTER ROLE boss BYPASSRLS');
    const second = await asBoss('rls');
    expect(states(second)).toEqual(['sql.row-security done']);
    expect(second.verdict).toBe('done');
  });

  test('all tables are not tried where only a superuser may publish them: the tables there are, are named', async () => {
    await pg.query('ALTER ROLE boss REPLICATION');
    const result = await asBoss('all', { tables: 'all', yes: false });
    expect(result.plan.at(-1)).toMatchObject({
      id: 'sql.publication',
      via: 'hand',
      request: 'CREATE PUBLICATION mz_source FOR TABLE public.orders;',
    });
  });
});
