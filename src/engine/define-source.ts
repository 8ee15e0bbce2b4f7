/**
 * CREATE SOURCE and CREATE TABLE … FROM SOURCE: reads the upstream's catalog, refuses what cannot be kept exactly, mirrors types and tables, and has ingest
 * begin its copy. The statement returns when the stream is set up; the copy goes on, and reads of a table wait for it.
 */
import { millraceError } from '../base/errors.ts';
import { qualified } from '../base/ident.ts';
import type { Name, Statement } from '../sql/statements/statement.ts';
import { readUpstreamCatalog, type UpstreamCatalog } from '../upstream/catalog/catalog.ts';
import { refusalOf, type PublishedTable } from '../upstream/catalog/publication.ts';
import type { Column } from '../values/type.ts';
import type { Source, Table } from './catalog.ts';
import type { Coordinator } from './coordinator.ts';
import { copyBegun, firstTrouble } from './copy-begun.ts';
import { schemaFor, taken, type Defined, type Defining } from './defining.ts';
import { mirrored } from './mirrored.ts';

interface Wanted {
  readonly published: PublishedTable;
  readonly schema: string;
  readonly name: string;
}

export async function createSource(
  coordinator: Coordinator,
  statement: Extract<Statement, { kind: 'createSource' }>,
  by: Defining,
): Promise<Defined> {
  const { catalog } = coordinator;
  const there = taken(catalog, 'source', 'public', statement.name, statement.ifNotExists, 'CREATE SOURCE');
  if (there !== undefined) return there;
  const [existing] = catalog.all('source');
  if (existing !== undefined) throw millraceError('SECOND_SOURCE', { existing: existing.name });
  const connection = catalog.find(['connection'], statement.connection, ['public']);
  if (connection === undefined) throw millraceError('OBJECT_MISSING', { kind: 'connection', name: statement.connection });
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
  return { tag: 'CREATE SOURCE', notices: await firstTrouble(await coordinator.startSource(source)) };
}

export async function createTable(
  coordinator: Coordinator,
  statement: Extract<Statement, { kind: 'createTable' }>,
  by: Defining,
): Promise<Defined> {
  const { catalog, engine, mirror } = coordinator;
  const schema = schemaFor(statement.name, by.settings);
  const there = taken(catalog, 'table', schema, statement.name.name, statement.ifNotExists, 'CREATE TABLE');
  if (there !== undefined) return there;
  const source = catalog.find(['source'], statement.source, ['public']);
  if (source === undefined) throw millraceError('OBJECT_MISSING', { kind: 'source', name: statement.source });
  const running = coordinator.source;
  if (running === undefined) throw millraceError('NO_SOURCE', { what: 'CREATE TABLE' });
  const parameters = coordinator.connectionOf(source);
  const upstream = await readUpstreamCatalog(parameters, source.publication);
  const published = publishedNamed(upstream, statement.reference, source.publication, parameters.database);
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
  const table = await mirrorTable(coordinator, grown, { published, schema, name: statement.name.name }, by);
  try {
    await engine.rpc.call('addTables', { tables: [table], alsoPut: [grown] });
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
  return { tag: 'CREATE TABLE', notices: [] };
}

async function mirrorTable(coordinator: Coordinator, source: Source, { published, schema, name }: Wanted, by: Defining): Promise<Table> {
  const id = coordinator.catalog.nextId();
  const { table: upstream } = published;
  await coordinator.mirror.add({ kind: 'table', id, schema, name, upstream }, by.call);
  try {
    const reference = `CREATE TABLE ${qualified(schema, name)} FROM SOURCE ${source.name} (REFERENCE ${qualified(upstream.schema, upstream.name)})`;
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
  tables: Extract<Statement, { kind: 'createSource' }>['tables'],
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
          const published = publishedNamed(upstream, name, publication, upstream.facts.database);
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

function publishedNamed(upstream: UpstreamCatalog, { schema, name }: Name, publication: string, database: string): PublishedTable {
  const found =
    upstream.tables.find(({ table }) => table.name === name && table.schema === (schema ?? 'public')) ??
    (schema === undefined ? upstream.tables.find(({ table }) => table.name === name) : undefined);
  const { allTables } = upstream.publication;
  if (found === undefined)
    throw millraceError('REFERENCE_MISSING', { table: qualified(schema ?? 'public', name), publication, database, allTables });
  return found;
}
