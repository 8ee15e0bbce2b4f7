/** The guides of docs/guides, held against what they speak of: their SQL runs on a real Postgres in the order in which it stands, and their tables are those of src/providers. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PROVIDERS } from '../src/providers/model.ts';
import { providers } from '../src/providers/hosts/all.ts';
import { startPostgres, type TestPostgres } from './postgres/postgres.ts';

const folder = join(import.meta.dirname, '..', 'docs', 'guides');
const pages = readdirSync(folder).filter((name) => name.endsWith('.md') && name !== 'README.md');
const textOf = (name: string): string => readFileSync(join(folder, name), 'utf8');

const PAGE: Readonly<Record<string, string>> = { crunchy: 'crunchy-bridge', selfhosted: 'self-hosted' };
const pageOf = (provider: string): string => `${PAGE[provider] ?? provider}.md`;

describe('the pages', () => {
  test('there is one for every provider, and the index names it', () => {
    const index = textOf('README.md');
    expect(PROVIDERS.map(pageOf).filter((page) => !existsSync(join(folder, page)) || !index.includes(`(${page})`))).toEqual([]);
    expect([...pages].sort()).toEqual(PROVIDERS.map(pageOf).sort());
  });

  test.each(['rds', 'aurora', 'cloudsql', 'azure', 'digitalocean'] as const)(
    '%s goes through every line of the original guide, under the ids that doctor prints',
    (provider) => {
      const table = textOf(pageOf(provider)).split('## What the original guide has outdated')[1] ?? '';
      const ids = [...table.matchAll(/^\| (\w+) \| /gm)].map((match) => match[1]!).filter((id) => id !== 'id');
      expect(ids.sort()).toEqual(providers[provider].requirements.map(({ id }) => id).sort());
    },
  );
});

describe('their SQL, run from top to bottom', () => {
  let pg: TestPostgres;
  beforeAll(async () => {
    pg = await startPostgres();
    const admin = await pg.connect();
    await admin.query('CREATE ROLE rds_replication NOLOGIN');
    await admin.query('CREATE ROLE shopadmin LOGIN');
    await admin.end();
  });
  afterAll(() => pg.stop());

  test.each(pages.filter((page) => statements(textOf(page)).length > 0))('%s', async (page) => {
    const admin = await pg.connect();
    await admin.query('CREATE DATABASE shop');
    const shop = await pg.connect('shop');
    try {
      await shop.query(`CREATE TABLE orders (id int PRIMARY KEY, total numeric);
        CREATE TABLE items (id int, code text NOT NULL CONSTRAINT items_code_key UNIQUE);
        CREATE TABLE customers (id int PRIMARY KEY)`);
      const all = statements(textOf(page));
      // Where the host makes the role, the page has no SQL for it.
      if (!all.some((statement) => statement.includes('CREATE ROLE millrace'))) await shop.query('CREATE ROLE millrace LOGIN');
      for (const statement of all) await runStatement(shop, statement);
      // Undone to the end, nothing is left but what the session itself holds; a shorter page leaves what it made.
      const left = await rows(
        shop,
        'SELECT pubname AS name FROM pg_publication UNION ALL SELECT slot_name FROM pg_replication_slots WHERE NOT temporary',
      );
      expect(left).toEqual(textOf(page).includes('\n## Undoing\n') ? [] : [{ name: 'mz_source' }]);
    } finally {
      await shop.query('DROP PUBLICATION IF EXISTS mz_source');
      if ((await rows(shop, `SELECT 1 FROM pg_roles WHERE rolname = 'millrace'`)).length > 0)
        await shop.query('DROP OWNED BY millrace; DROP ROLE millrace');
      await shop.end();
      await admin.query('DROP DATABASE shop WITH (FORCE)');
      await admin.end();
    }
  });

  async function runStatement(shop: Client, statement: string): Promise<void> {
    // The reader fills in the name of a slot that he found.
    if (statement.includes("'<slot name>'")) await shop.query(`SELECT pg_create_logical_replication_slot('found', 'pgoutput')`);
    const found = await rows(shop, statement.replace('<slot name>', 'found'));
    // The search for tables without a replica identity finds the one, and no other.
    if (statement.includes("relreplident = 'n'")) expect(found).toEqual([{ table_name: 'items' }]);
  }
});

async function rows(client: Client, sql: string): Promise<unknown[]> {
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } catch (error) {
    throw new Error(`${sql}: ${(error as Error).message}`, { cause: error });
  }
}

/** Of all ```sql blocks, in order, one statement each; psql's own commands aside. */
function statements(page: string): string[] {
  return [...page.matchAll(/^ *```sql\n([\s\S]*?)^ *```/gm)]
    .flatMap((block) => block[1]!.replace(/^\\.*$/gm, '').split(/;[ ]*(?:--[^\n]*)?(?=\n|$)/))
    .map((statement) => statement.replace(/^\s*--.*$/gm, '').trim())
    .filter((statement) => statement !== '');
}
