import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Ddl, RawStatement } from './catalog-contract.ts';
import { textRows } from './messages.ts';
import { StatementLanes } from './statement-lanes.ts';

/** A mirror of one table, as it is told. */
const changes: Ddl[][] = [];
const followed = {
  version: () => changes.length,
  steps: () => [{ id: 'one', ddl: ['CREATE TABLE one (a int)'] }, ...changes.map((ddl, i) => ({ id: `${i}`, ddl }))],
  changesSince: (version: number) => changes.slice(version),
};
/** Neither memory nor files grow with it. */
const HANGS = 'SELECT count(*) FROM pg_class a, pg_class b, pg_class c, pg_class d, pg_class e';
const statement = (sql: string): RawStatement => ({ sql, parameterTypes: [], parameters: [], parameterFormats: [], resultFormats: [] });

let lanes: StatementLanes;
const ask = async (sql: string, owner: object = {}) => textRows((await lanes.run(owner, statement(sql))).rows);
beforeAll(() => {
  lanes = new StatementLanes(followed, { patienceMs: 50, contendedMs: 300, idleMs: 60_000 });
});
afterAll(() => lanes.close());

test('a lane follows the changes of the mirror, also one that was made anew', async () => {
  expect(await ask("SELECT to_regclass('one'), to_regclass('two')")).toEqual([['one', null]]);
  changes.push(['CREATE TABLE two ()'], ['DROP TABLE one']);
  expect(await ask("SELECT to_regclass('one'), to_regclass('two')")).toEqual([[null, 'two']]);
  await expect(lanes.run({}, statement(HANGS), { timeoutMs: 100 })).rejects.toMatchObject({ code: 'QUERY_TIMED_OUT' });
  expect(await ask("SELECT to_regclass('one'), to_regclass('two')")).toEqual([[null, 'two']]);
});

describe('nothing of one client is left for the next', () => {
  afterEach(async () => {
    expect(
      await ask(
        "SELECT (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_cursors WHERE name <> ''), (SELECT count(*) FROM pg_class WHERE relpersistence = 't'), current_setting('my.own', true), session_user",
      ),
    ).toEqual([['0', '0', '0', '0', null, 'millrace']]);
  });

  test.each([
    'SELECT setseed(0.5)',
    'SELECT pg_advisory_lock(1)',
    'SELECT count(pg_advisory_lock(g)) FROM generate_series(1, 1000000) g',
    'SELECT pg_try_advisory_lock_shared(1, 2)',
    "SELECT pg_logical_emit_message(false, 'a', repeat('x', 1000000))",
    "SELECT pg_notify('a', 'b')",
    'SELECT pg_sleep(1e9), 1',
    "SELECT pg_sleep_for('1 day')",
    'SELECT pg_export_snapshot()',
    'SELECT pg_cancel_backend(pg_backend_pid())',
    'SELECT pg_terminate_backend(pg_backend_pid())',
    'SELECT lo_create(0)',
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT nextval('s')",
    "SELECT set_config('my.own', '1', false)",
    "SELECT query_to_xml('SELECT setseed(0.5)', true, true, '')",
    "SELECT query_to_xml('SELECT pg_advisory_lock(1)', true, true, '')",
  ])('refused by name: %s', async (sql) => {
    const error: unknown = await ask(sql).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ sqlstate: expect.stringMatching(/^(42501|42P01)$/) as string });
    if ((error as { sqlstate: string }).sqlstate === '42501') expect(error).toMatchObject({ code: 'CATALOG_FUNCTION_REFUSED' });
  });

  test.each(['EXPLAIN ANALYZE CREATE TEMP TABLE t AS SELECT 1', 'EXPLAIN ANALYZE DECLARE c CURSOR WITH HOLD FOR SELECT 1'])(
    'let go: %s',
    async (sql) => {
      await ask(sql).catch(() => undefined);
    },
  );

  test('memory that Postgres has grown to goes with its worker', async () => {
    await expect(ask(`SELECT length(repeat(repeat('x', 1000), 1000000))`)).rejects.toMatchObject({ sqlstate: '53200' });
    expect(await ask(`SELECT length(repeat(repeat('x', 1000), 100000))`)).toEqual([['100000000']]);
    await expect.poll(() => lanes.open).toBe(0);
    await expect(
      ask("SELECT count(*) FROM (SELECT g, repeat('y', 3000) AS y FROM generate_series(1, 50000) g ORDER BY 2, 1 OFFSET 0) x WHERE y > ''"),
    ).rejects.toMatchObject({
      sqlstate: '53400',
    });
  });
});

describe('one at a time', () => {
  test('who waits behind a long statement gets a lane of his own, and the long one goes on', async () => {
    const end = new AbortController();
    const long = lanes.run({}, statement(HANGS), { signal: end.signal, timeoutMs: 0 });
    expect(await ask('SELECT 1')).toEqual([['1']]);
    expect(await ask('SELECT 2')).toEqual([['2']]);
    end.abort();
    await expect(long).rejects.toMatchObject({ code: 'QUERY_CANCELLED' });
  });

  test('while both lanes have long statements and others wait, the younger gives way; its session keeps to one lane from then on', async () => {
    const end = new AbortController();
    const [patient, greedy, third] = [{}, {}, {}];
    const first = lanes.run(patient, statement(HANGS), { signal: end.signal, timeoutMs: 0 });
    first.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const second = lanes.run(greedy, statement(HANGS), { signal: end.signal, timeoutMs: 0 });
    second.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await ask('SELECT 3', third)).toEqual([['3']]);
    await expect(second).rejects.toMatchObject({ code: 'CATALOG_CONTENDED', sqlstate: '57014' });
    const again = lanes.run(greedy, statement(HANGS), { signal: end.signal, timeoutMs: 0 });
    again.catch(() => undefined);
    const before = performance.now();
    expect(await ask('SELECT 4', third)).toEqual([['4']]);
    // It does not wait for the greedy one, and would for the memory of it.
    expect(performance.now() - before).toBeLessThan(5_000);
    end.abort();
    await expect(first).rejects.toMatchObject({ code: 'QUERY_CANCELLED' });
    await expect(again).rejects.toMatchObject({ code: 'QUERY_CANCELLED' });
  });
});
