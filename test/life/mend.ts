/**
 * Mends what stopped, as its error says: the upstream's publication is put right, the table is dropped with what stands on it and taken in again, and its views are made
 * again. A mend that does not mend is a fault.
 */
import { ident, literal } from '../../src/base/ident.ts';
import { isInternal, type World } from './world.ts';

const MENDED_WITHIN_MS = 20_000;
/** What the table has become cannot be kept, and is refused by name: it leaves the walk. */
const UNSUPPORTED = '0A000';

export async function mend(world: World, names: ReadonlySet<string>): Promise<void> {
  const stopped = [...names].filter((name) => world.tables.has(name));
  if (stopped.length === 0) return;
  await publicationWhole(world);
  const views = [...world.views.values()].filter((view) => view.reads.some((name) => stopped.includes(name)));
  world.endSubscriptionsTo(new Set([...stopped, ...views.map(({ name }) => name)]));
  for (const view of views) world.views.delete(view.name);
  for (const name of stopped) {
    const dropped = await world.ask(`DROP TABLE ${ident(name)} CASCADE`);
    if (dropped.error !== undefined) world.fault(`DROP TABLE CASCADE: ${dropped.error.sqlstate}`, `${name}: ${dropped.error.message}`);
    const { canary } = world.tables.get(name)!;
    const causes = world.causesOf([name]).join(' + ');
    world.tables.delete(name);
    const reference = await publishedName(world, name);
    if (reference === undefined) continue;
    const { error } = await untilMade(world, `CREATE TABLE ${ident(name)} FROM SOURCE s (REFERENCE ${reference})`);
    if (error === undefined) {
      world.tables.set(name, { name, canary, causes: [], refused: false });
    } else if (error.sqlstate === UNSUPPORTED && error.hint !== '') world.counts.refusedWithReason++;
    else
      world.fault(
        `the mend does not mend: ${error.sqlstate}`,
        `CREATE TABLE ${name} after ${causes}: ${error.message} · ${error.detail} · ${error.hint}`,
      );
  }
  for (const view of views) await world.createView(view);
}

/** A source that is just connecting again may say so: asked again for a while. */
async function untilMade(world: World, statement: string): ReturnType<World['ask']> {
  const until = performance.now() + MENDED_WITHIN_MS;
  for (;;) {
    const answer = await world.ask(statement);
    const final = answer.error === undefined || answer.error.sqlstate === UNSUPPORTED || isInternal(answer.error.sqlstate);
    if (final || performance.now() > until) return answer;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

async function publicationWhole(world: World): Promise<void> {
  const { rows } = await world.upstream(
    `SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate FROM pg_publication WHERE pubname = 'mz_source'`,
  );
  if (rows.length === 0) {
    const { error } = await world.upstream(`CREATE PUBLICATION mz_source ${world.beginning.publication}`);
    if (error !== undefined) await world.upstream('CREATE PUBLICATION mz_source FOR ALL TABLES');
  }
  // Only where it is needed: it concerns all tables, not those alone that are mended.
  if (rows[0]?.[0]?.toString() === 'f') {
    await world.upstream(`ALTER PUBLICATION mz_source SET (publish = 'insert, update, delete, truncate')`);
    for (const { causes } of world.tables.values()) causes.push('publication mended');
  }
}

/** The upstream table of this name, published whole and with an identity; undefined when it is gone. */
async function publishedName(world: World, name: string): Promise<string | undefined> {
  const { rows } = await world.upstream(
    `SELECT n.nspname, c.relname, c.relreplident, EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary),
            p.rowfilter IS NOT NULL, p.tablename IS NOT NULL, (SELECT puballtables FROM pg_publication WHERE pubname = 'mz_source'), c.relpersistence = 'u'
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_publication_tables p ON p.pubname = 'mz_source' AND p.schemaname = n.nspname AND p.tablename = c.relname
     WHERE c.oid = to_regclass(${literal(ident(name))})`,
  );
  const row = rows[0]?.map((value) => value?.toString() ?? null);
  if (row === undefined) return undefined;
  const [schema, table, identity, hasKey, filtered, isPublished, all, isUnlogged] = row;
  const reference = `${ident(schema!)}.${ident(table!)}`;
  if (isUnlogged === 't') await world.upstream(`ALTER TABLE ${reference} SET LOGGED`);
  if (filtered === 't') await world.upstream(`ALTER PUBLICATION mz_source DROP TABLE ${reference}`);
  if ((filtered === 't' || isPublished === 'f') && all === 'f') await world.upstream(`ALTER PUBLICATION mz_source ADD TABLE ${reference}`);
  if (identity === 'n' || (identity === 'd' && hasKey === 'f')) await world.upstream(`ALTER TABLE ${reference} REPLICA IDENTITY FULL`);
  if (identity === 'n' && hasKey === 't') await world.upstream(`ALTER TABLE ${reference} REPLICA IDENTITY DEFAULT`);
  return reference;
}
