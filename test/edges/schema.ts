/**
 * Changes of a table's shape upstream while Millrace runs, is stopped, or is killed: within the bound a client reads what the upstream answers, or an error that names the table
 * and the cause. Never anything else. Each form meets each way of living (`WAYS`), all forms of a way in one database.
 */
import assert from 'node:assert/strict';
import { eventually, refusal, textRows, type EdgeCase, type World } from './edge.ts';
import { FORMS, type Form } from './schema-forms.ts';
import { publications } from './schema-publications.ts';
import { sources } from './schema-sources.ts';
import type pg from 'pg';

/** The promise is 5 s; the rest is for a machine that is busy. */
export const NOTICED_WITHIN_MS = 12_000;

interface Way {
  /** A change of each table follows its DDL. */
  readonly followed: boolean;
  readonly restart: 'none' | 'TERM' | 'KILL';
  /** Read at once with real_time_recency, or after the bound. */
  readonly recent: boolean;
}

/** Each two of them meet. */
const WAYS: readonly Way[] = [
  { followed: true, restart: 'none', recent: true },
  { followed: true, restart: 'TERM', recent: false },
  { followed: true, restart: 'KILL', recent: true },
  { followed: false, restart: 'none', recent: false },
  { followed: false, restart: 'TERM', recent: true },
  { followed: false, restart: 'KILL', recent: false },
];

export const schema: readonly EdgeCase[] = [
  ...WAYS.map((way): EdgeCase => ({
    id: `E20–E27 E36 E37 ${way.followed ? 'with' : 'without'} a change, ${way.restart === 'none' ? 'no restart' : way.restart}, ${way.recent ? 'recent read' : 'after the bound'}`,
    right: 'each form: the rows of the upstream, or an error that names the table and the cause',
    run: (world) => live(world, way),
  })),
  ...publications,
  ...sources,
];

async function live(world: World, { followed, restart, recent }: Way): Promise<void> {
  const upstream = await world.upstream(`${FORMS.map((form) => form.setup).join(';')}; CREATE PUBLICATION mz_source FOR ALL TABLES`);
  const theirs = await upstream.connect();
  let { millrace, client } = await world.following(upstream);
  for (const { table, query } of FORMS) await client.query(`CREATE MATERIALIZED VIEW v_${table} AS ${query}`);
  for (const { ddl } of FORMS) for (const statement of ddl.split(';')) await upstream.query(statement);
  if (followed) for (const { change } of FORMS) await upstream.query(change);
  if (restart !== 'none') {
    await (restart === 'TERM' ? millrace.stop() : millrace.kill());
    millrace = await world.again(millrace);
    client = await world.connect(millrace);
  }
  if (recent) {
    await client.query('SET real_time_recency = on');
    for (const form of FORMS) await isRight(client, theirs, form);
  } else {
    await eventually(async () => {
      for (const form of FORMS) await isRight(client, theirs, form);
    }, NOTICED_WITHIN_MS);
  }
  // What is refused is refused for good, and everybody says so.
  const states = new Map((await textRows(client, 'SELECT name, status FROM millrace.tables')).map(([name, state]) => [name, state]));
  const views = new Map((await textRows(client, 'SELECT name, status FROM millrace.views')).map(([name, state]) => [name, state]));
  for (const form of FORMS) {
    const expected = (await isRight(client, theirs, form)) === 'refused' ? 'failed' : 'running';
    assert.equal(states.get(form.table), expected, `millrace.tables of ${form.table}`);
    assert.equal(views.get(`v_${form.table}`), expected, `millrace.views of v_${form.table}`);
  }
}

/** Compares a form's view and its table. */
export async function isRight(client: pg.Client, upstream: pg.Client, { table, query, cause }: Form): Promise<'equal' | 'refused'> {
  const ours = await textRows(client, `SELECT * FROM v_${table} ORDER BY 1`).catch((error: unknown) => error as pg.DatabaseError);
  if (!Array.isArray(ours)) {
    assert.ok(cause !== undefined, `${table} goes on, and is refused: ${ours.message}`);
    assert.match(ours.message, cause, table);
    assert.match(ours.message, new RegExp(table), `the message names ${table}`);
    assert.match(
      ours.hint ?? '',
      new RegExp(`DROP TABLE public\\.${table} CASCADE; CREATE TABLE public\\.${table} FROM SOURCE s`),
      'its hint',
    );
    await refusal(client.query(`SELECT * FROM ${table}`));
    return 'refused';
  }
  const theirs = await textRows(upstream, `SELECT * FROM (${query}) q ORDER BY 1`);
  assert.deepEqual(ours, theirs, `${table}: silently different`);
  return 'equal';
}
