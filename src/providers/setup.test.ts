import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startPostgres, type TestPostgres } from '../../test/postgres/postgres.ts';
import { parseConnectionString } from '../upstream/connection/parameters.ts';
import { doctor } from './doctor.ts';
import { emit, EMITS } from './emit.ts';
import { passwordIn } from './init-file.ts';
import { setupJson } from './plan-report.ts';
import { setup, type SetupOptions, type SetupResult } from './setup.ts';

let pg: TestPostgres;
let folder: string;
let number = 0;
let database: string;
beforeAll(async () => {
  pg = await startPostgres();
  folder = await mkdtemp(path.join(tmpdir(), 'millrace-setup-'));
});
afterAll(async () => {
  await pg.stop();
  await rm(folder, { recursive: true, force: true });
});
/** Each test has a database and a role of its own. */
beforeEach(async () => {
  database = `shop_${++number}`;
  await pg.createDatabase(database);
  await pg.query(
    `CREATE TABLE orders (id int PRIMARY KEY, total numeric); CREATE TABLE visits (who text, page text); CREATE TABLE codes (code text NOT NULL, CONSTRAINT codes_code_key UNIQUE (code)); CREATE SCHEMA "Odd, one"; CREATE TABLE "Odd, one"."It's" (id int PRIMARY KEY)`,
    undefined,
    database,
  );
});

const TABLES = [
  { schema: 'public', name: 'orders' },
  { schema: 'public', name: 'visits' },
  { schema: 'public', name: 'codes' },
  { schema: 'Odd, one', name: "It's" },
];

function options(more: Partial<SetupOptions> = {}): SetupOptions {
  return {
    consumer: 'millrace',
    publication: 'mz_source',
    tables: TABLES,
    role: `reader_${number}`,
    initFile: path.join(folder, `${number}.sql`),
    allow: [],
    closeFirewall: false,
    undo: false,
    yes: true,
    yesRestart: false,
    ...more,
  };
}

const run = (more?: Partial<SetupOptions>): Promise<SetupResult> =>
  setup(parseConnectionString(pg.url(undefined, database)), options(more));
const states = ({ applied }: SetupResult): string[] => applied.map(({ id, state }) => `${id} ${state}`);
const here = (sql: string): Promise<Record<string, unknown>[]> => pg.query(sql, undefined, database);

test('without leave nothing is changed: the plan is shown', async () => {
  const result = await run({ yes: false });
  expect(result.verdict).toBe('planned');
  expect(result.plan.map(({ id }) => id)).toEqual([
    'sql.role',
    'sql.grants',
    'sql.identity public.codes',
    'sql.identity public.visits',
    'sql.publication',
  ]);
  expect(result.plan.every(({ request }) => !/SCRAM/.test(request))).toBe(true);
  expect(
    await here(
      `SELECT (SELECT count(*)::int FROM pg_publication) AS publications, (SELECT count(*)::int FROM pg_roles WHERE rolname = 'reader_${number}') AS roles`,
    ),
  ).toEqual([{ publications: 0, roles: 0 }]);
});

test('all of it, and then nothing is left to do', async () => {
  const result = await run();
  expect(result.verdict).toBe('done');
  expect(result.after).toMatchObject({ verdict: 'ready', findings: [] });
  expect(await here(`SELECT relname, relreplident FROM pg_class WHERE relname IN ('orders', 'visits', 'codes') ORDER BY 1`)).toEqual([
    { relname: 'codes', relreplident: 'i' },
    { relname: 'orders', relreplident: 'd' },
    { relname: 'visits', relreplident: 'f' },
  ]);
  expect(await run()).toMatchObject({ verdict: 'done', plan: [], applied: [] });
});

test('the password is in the init file alone, which only its owner may read', async () => {
  const result = await run();
  const { initFile } = options();
  const password = await passwordIn(initFile);
  expect(password).toMatch(/^[\w-]{32}$/);
  expect((await stat(initFile)).mode & 0o777).toBe(0o600);
  expect(await readFile(initFile, 'utf8')).toContain(`FOR TABLES ("Odd, one"."It's", public.codes, public.orders, public.visits)`);
  expect(JSON.stringify(setupJson(result))).not.toContain(password);
  expect(await pg.log()).not.toContain(password);
  const asRole = await doctor(parseConnectionString(pg.url(`reader_${number}`, database, password)), {
    publication: 'mz_source',
    tables: TABLES,
  });
  expect(asRole.verdict).toBe('ready');
});

test('interrupted anywhere, the next run completes it', async () => {
  const steps = (await run({ yes: false })).plan.length;
  for (let at = 0; at < steps; at++) {
    for (const moment of ['begins', 'done'] as const) {
      let seen = 0;
      const interrupted = run({
        onStep: (_step, state, line) => {
          if (state === moment && line === undefined && seen++ === at) throw new Error('the power went out');
        },
      });
      await expect(interrupted).rejects.toThrow('the power went out');
      expect((await run()).verdict).toBe('done');
      expect((await run({ undo: true })).verdict).toBe('done');
      await here('ALTER TABLE visits REPLICA IDENTITY DEFAULT; ALTER TABLE codes REPLICA IDENTITY DEFAULT');
      await rm(options().initFile);
    }
  }
});

test('undo takes away what setup made, and nothing else', async () => {
  await run();
  await here('CREATE PUBLICATION theirs FOR TABLE orders');
  const result = await run({ undo: true });
  expect(states(result)).toEqual(['undo.publication done', 'undo.identity public.visits by hand', `undo.role done`]);
  expect(
    await here(
      `SELECT (SELECT array_agg(pubname::text) FROM pg_publication) AS publications, (SELECT count(*)::int FROM pg_roles WHERE rolname = 'reader_${number}') AS roles`,
    ),
  ).toEqual([{ publications: ['theirs'], roles: 0 }]);
});

test('a publication and a role that were there before are mended, and survive an undo', async () => {
  await here(
    `CREATE PUBLICATION mz_source FOR TABLE orders WITH (publish = 'insert'); CREATE ROLE reader_${number} LOGIN PASSWORD 'known'`,
  );
  const result = await run({ password: 'known' });
  expect(states(result)).toEqual([
    'sql.role-right done',
    'sql.grants done',
    'sql.identity public.codes done',
    'sql.identity public.visits done',
    'sql.publication-tables done',
    'sql.publication-operations done',
  ]);
  expect(result.verdict).toBe('done');
  expect((await run({ undo: true })).applied).toEqual([]);
});

test('a role whose password nobody here knows gets a new one, and the plan says whom that meets', async () => {
  await here(`CREATE ROLE reader_${number} LOGIN REPLICATION PASSWORD 'forgotten'`);
  const result = await run();
  expect(result.plan[0]).toMatchObject({
    id: 'sql.role-password',
    reversible: false,
    affects: [`whoever else logs in as reader_${number}`],
  });
  expect(result.verdict).toBe('done');
});

test('Materialize wants FULL everywhere', async () => {
  const result = await run({ consumer: 'materialize' });
  expect(result.verdict).toBe('done');
  expect(
    await here(
      `SELECT DISTINCT relreplident FROM pg_class WHERE relkind = 'r' AND relnamespace IN ('public'::regnamespace, '"Odd, one"'::regnamespace)`,
    ),
  ).toEqual([{ relreplident: 'f' }]);
});

test('all tables, where asked for', async () => {
  const result = await run({ tables: 'all' });
  expect(result.plan.at(-1)).toMatchObject({
    id: 'sql.publication',
    request: expect.stringContaining('FOR ALL TABLES') as string,
    affects: [expect.stringContaining('every table that will ever be made')],
  });
  expect(result.verdict).toBe('done');
});

test('a table of somebody else is for its owner to mend: the statement is printed, the rest is done', async () => {
  await here(
    `CREATE ROLE boss_${number} LOGIN CREATEROLE REPLICATION PASSWORD 'boss'; GRANT CREATE ON DATABASE ${database} TO boss_${number}; ALTER TABLE orders OWNER TO boss_${number}; ALTER SCHEMA public OWNER TO boss_${number}`,
  );
  const result = await setup(parseConnectionString(pg.url(`boss_${number}`, database, 'boss')), options({ tables: TABLES.slice(0, 2) }));
  expect(states(result)).toEqual([
    'sql.role done',
    'sql.grants done',
    'hand.grants by hand',
    'sql.identity public.visits by hand',
    'sql.publication by hand',
  ]);
  expect(result.plan.find(({ id }) => id === 'hand.grants')?.request).toContain('GRANT SELECT ON public.visits');
  expect(result.verdict).toBe('not');
});

test('a locked table is waited for briefly, again and again, never queued behind', async () => {
  const other = await pg.connect(database);
  await other.query('BEGIN; LOCK TABLE visits IN ACCESS SHARE MODE');
  setTimeout(() => void other.query('COMMIT'), 3_000);
  expect((await run()).verdict).toBe('done');
  await other.end();
});

test('the same plan for somebody else to run', async () => {
  const { plan } = await run({ yes: false });
  for (const kind of EMITS) for (const step of plan) expect(emit(plan, kind)).toContain(step.title);
  const statements = emit(plan, 'sql').replace('<a password>', 'x');
  await here(statements);
  expect((await run({ password: 'x' })).applied).toEqual([]);
});
