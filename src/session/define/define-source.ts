/**
 * CREATE SOURCE and CREATE TABLE … FROM SOURCE: reads the upstream's catalog, refuses what cannot be kept exactly, mirrors types and tables, and has ingest
 * begin its copy. The statement returns when the stream is set up; the copy goes on, and reads of a table wait for it.
 */
import { objectNamed } from '../object-named.ts';
import { millraceError } from '../../base/errors.ts';
import { ident, qualified } from '../../base/ident.ts';
import type { Notice } from '../../server/session.ts';
import type { Name, StatementOf } from '../../sql/statements/statement.ts';
import { readUpstreamCatalog, referenceMissing, type UpstreamCatalog } from '../../upstream/catalog/catalog.ts';
import { refusalOf, type PublishedTable } from '../../upstream/catalog/publication.ts';
import type { Column } from '../../values/type.ts';
import type { Source, Table } from '../../catalog/catalog.ts';
import type { Coordinator } from '../coordinator.ts';
import { copyBegun, firstTrouble } from './copy-begun.ts';
import { schemaFor, taken, type Defined, type Defining } from './defining.ts';
import { mirrored } from './mirrored.ts';

interface Wanted {
  readonly published: PublishedTable;
  readonly schema: string;
  readonly name: string;
}

export async function createSource(coordinator: Coordinator, statement: StatementOf<'createSource'>, by: Defining): Promise<Defined> {
  const { catalog } = coordinator;
  const there = taken(catalog, 'source', 'public', statement.name, statement.ifNotExists, 'CREATE SOURCE');
  if (there !== undefined) return there;
  const [existing] = catalog.all('source');
  if (existing !== undefined) throw millraceError('SECOND_SOURCE', { existing: existing.name });
  const connection = objectNamed(catalog, ['connection'], { name: statement.connection }, ['public']);
  const parameters = coordinator.parametersOf(connection.options);
  const upstream = await readUpstreamCatalog(parameters, statement.publication);
  const wanted = chosen(upstream, statement.tables, parameters.user, statement.publication, by);
  const source: Source = {
    kind: 'source',
    id: catalog.nextId(),
    schema: 'public',
    name: statement.name,
    createSql: by.text,
    connectionId: connection.id,
    publication: statement.publication,
    facts: upstream.facts,
    types: upstream.types,
    collations: upstream.collations,
  };
  for (const { schema, name } of wanted) taken(catalog, 'table', schema, name, false, '');
  await coordinator.mirror.add(mirrored(catalog, source)[0]!, by.call);
  const tables: Table[] = [];
  try {
    for (const one of wanted) tables.push(await mirrorTable(coordinator, source, one, by));
    await coordinator.engine.rpc.call('commit', { put: [source, ...tables], remove: [] });
  } catch (error) {
    await coordinator.mirror.remove([...tables.map((table) => table.id).reverse(), source.id]);
    throw error;
  }
  catalog.add(source);
  for (const table of tables) catalog.add(table);
  const said = [...wanted.flatMap((one) => leftOut(one, statement.publication)), ...byPartitions(wanted, statement.publication)];
  return { tag: 'CREATE SOURCE', notices: [...said, ...(await firstTrouble(await coordinator.startSource(source)))] };
}

export async function createTable(coordinator: Coordinator, statement: StatementOf<'createTable'>, by: Defining): Promise<Defined> {
  const { catalog, engine, mirror } = coordinator;
  const schema = schemaFor(statement.name, by.settings);
  const there = taken(catalog, 'table', schema, statement.name.name, statement.ifNotExists, 'CREATE TABLE');
  if (there !== undefined) return there;
  const source = objectNamed(catalog, ['source'], { name: statement.source }, ['public']);
  const running = coordinator.source;
  if (running === undefined) throw millraceError('NO_SOURCE', { what: 'CREATE TABLE' });
  const parameters = coordinator.connectionOf(source);
  const upstream = await readUpstreamCatalog(parameters, source.publication);
  const published = publishedNamed(upstream, statement.reference, source.publication);
  const wanted: Wanted = { published, schema, name: statement.name.name };
  const known = catalog.all('table').find((table) => table.upstream.oid === published.table.oid);
  if (known !== undefined)
    throw millraceError('TABLE_ALREADY_REFERENCED', {
      upstream: qualified(published.table.schema, published.table.name),
      table: known.name,
    });
  const refusal = refusalOf(published, source.publication, parameters.user);
  if (refusal !== undefined) throw refusal;
  const grown: Source = { ...source, types: upstream.types, collations: upstream.collations };
  await mirror.changeSource(mirrored(catalog, grown)[0] as Parameters<typeof mirror.changeSource>[0]);
  const table = await mirrorTable(coordinator, grown, wanted, by);
  try {
    await engine.rpc.call('addTables', { tables: [table], alsoPut: [grown], types: mirror.evaluatorTypes() });
  } catch (error) {
    await mirror.remove([table.id]);
    throw error;
  }
  catalog.add(grown);
  catalog.add(table);
  try {
    await copyBegun(running, published.table);
  } catch (error) {
    // Nobody shall have to find out later, and to drop what never was.
    await engine.rpc.call('drop', { ids: [table.id] });
    catalog.remove(table.id);
    await mirror.remove([table.id]);
    await running.ingest.removeTables([published.table.oid]);
    throw error;
  }
  return { tag: 'CREATE TABLE', notices: leftOut(wanted, source.publication) };
}

async function mirrorTable(coordinator: Coordinator, source: Source, { published, schema, name }: Wanted, by: Defining): Promise<Table> {
  const id = coordinator.catalog.nextId();
  const { table: upstream } = published;
  await coordinator.mirror.add({ kind: 'table', id, schema, name, upstream }, by.call);
  try {
    const without = published.unpublished.map((column) => ident(column.name)).join(', ');
    const comment = without === '' ? '' : ` /* without ${without}: publication ${ident(source.publication)} leaves it out */`;
    const reference = `CREATE TABLE ${qualified(schema, name)} FROM SOURCE ${ident(source.name)} (REFERENCE ${qualified(upstream.schema, upstream.name)})${comment.replaceAll('*/', '* /').replace(/\* \/$/, '*/')}`;
    return {
      kind: 'table',
      id,
      schema,
      name,
      createSql: reference,
      sourceId: source.id,
      upstream,
      columns: await columnsOf(coordinator, schema, name, by),
    };
  } catch (error) {
    await coordinator.mirror.remove([id]);
    throw error;
  }
}

/** The mirror's own word on the columns' types: what every plan over this table will say. */
async function columnsOf(coordinator: Coordinator, schema: string, name: string, by: Defining): Promise<Column[]> {
  const { columns, types } = await coordinator.mirror.analyseView(
    { sql: `SELECT * FROM ${qualified(schema, name)}`, searchPath: [] },
    by.call,
  );
  return columns.map((column) => ({ name: column.name, type: types.typeOf(column.typeOid, column.typmod, column.collationOid) }));
}

function chosen(
  upstream: UpstreamCatalog,
  tables: StatementOf<'createSource'>['tables'],
  user: string,
  publication: string,
  by: Defining,
): Wanted[] {
  const here = (published: PublishedTable): Wanted => ({ published, schema: published.table.schema, name: published.table.name });
  const wanted = ((): Wanted[] => {
    switch (tables.which) {
      case 'none':
        return [];
      case 'all':
        return upstream.tables.map(here);
      case 'schemas':
        return upstream.tables.filter(({ table }) => tables.schemas.includes(table.schema)).map(here);
      case 'tables':
        return tables.tables.map(({ upstream: name, alias }) => {
          const published = publishedNamed(upstream, name, publication);
          return alias === undefined ? here(published) : { published, schema: schemaFor(alias, by.settings), name: alias.name };
        });
    }
  })();
  if (tables.which !== 'none' && wanted.length === 0) throw millraceError('PUBLICATION_EMPTY', { publication });
  for (const { published } of wanted) {
    const refusal = refusalOf(published, publication, user);
    if (refusal !== undefined) throw refusal;
  }
  return wanted;
}

function publishedNamed(upstream: UpstreamCatalog, { schema, name }: Name, publication: string): PublishedTable {
  const found = upstream.tables.filter(({ table }) => table.name === name && (schema === undefined || table.schema === schema));
  if (found.length > 1)
    throw millraceError('REFERENCE_AMBIGUOUS', { table: name, candidates: found.map(({ table }) => qualified(table.schema, table.name)) });
  const [one] = found;
  if (one !== undefined) return one;
  const root = upstream.tables.find((part) => part.root?.name === name && (schema === undefined || part.root.schema === schema))?.root;
  if (root !== undefined && root !== null)
    throw millraceError('TABLE_PUBLISHED_BY_PARTITIONS', {
      schema: root.schema,
      table: root.name,
      publication,
      mend: upstream.facts.versionNum >= VIA_ROOT_VERSION,
    });
  throw referenceMissing(upstream, { name, ...(schema === undefined ? {} : { schema }) });
}

/** From this version on a publication can publish partitions as rows of their root. */
const VIA_ROOT_VERSION = 130_000;

/** Columns that `SELECT *` has upstream and not here. */
function leftOut({ published, schema, name }: Wanted, publication: string): Notice[] {
  return published.unpublished.map(({ name: column, generated }) => ({
    severity: 'NOTICE',
    sqlstate: '01000',
    message: `table ${qualified(schema, name)} comes without column "${column}": ${generated ? 'it is generated, and ' : ''}publication "${publication}" leaves it out`,
    ...(generated
      ? { hint: `from Postgres 18 on: ALTER PUBLICATION ${ident(publication)} SET (publish_generated_columns = stored);   (stored ones)` }
      : {}),
  }));
}

/** Partitions that come one by one, each complete: the table that they are parts of does not come, nor does a partition that is made later. */
function byPartitions(wanted: readonly Wanted[], publication: string): Notice[] {
  const roots = new Set(wanted.flatMap(({ published: { root } }) => (root === null ? [] : [qualified(root.schema, root.name)])));
  return [...roots].map((root) => ({
    severity: 'NOTICE',
    sqlstate: '01000',
    message: `the partitions of ${root} are tables of their own here, and one that is made later is not among them`,
    hint: `to have ${root} itself, upstream before CREATE SOURCE: ALTER PUBLICATION ${ident(publication)} SET (publish_via_partition_root = true);`,
  }));
}
