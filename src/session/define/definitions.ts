/**
 * CREATE and DROP: one after another (`Coordinator.define`). Each first asks whoever may refuse (the upstream, Postgres, the planner), then the engine commits to the
 * durable catalog, which is the commit point; what came before is undone when that fails. Called by `statements/definition.ts`.
 */
import { millraceError } from '../../base/errors.ts';
import type { Notice } from '../../server/session.ts';
import type { DropKind, Name, StatementOf } from '../../sql/statements/statement.ts';
import { refuseUnsound, tryConnection, withSecretIds } from './alter-connection.ts';
import type { Catalog, CatalogObject, Connection, Index, Secret } from '../../catalog/catalog.ts';
import type { Coordinator } from '../coordinator.ts';
import { objectNamed, RELATIONS } from '../object-named.ts';
import { taken, type Defined, type Defining } from './defining.ts';
import type { Settings } from '../settings.ts';
import { kindName } from '../../catalog/kind-name.ts';
import { mirrored } from './mirrored.ts';

export async function createSecret(coordinator: Coordinator, statement: StatementOf<'createSecret'>): Promise<Defined> {
  const { catalog, directory, engine } = coordinator;
  const there = taken(catalog, 'secret', 'public', statement.name, statement.ifNotExists, 'CREATE SECRET');
  if (there !== undefined) return there;
  const secret: Secret = {
    kind: 'secret',
    id: catalog.nextId(),
    schema: 'public',
    name: statement.name,
    createSql: `CREATE SECRET ${statement.name} AS '********'`,
  };
  // The value first: a secret without a catalog entry is nobody's, the other way round would be a connection without a password.
  directory.writeSecrets({ ...directory.readSecrets(), [secret.id]: statement.value });
  await engine.rpc.call('commit', { put: [secret], remove: [] });
  catalog.add(secret);
  return { tag: 'CREATE SECRET', notices: [] };
}

/** A rotated password: what streams goes on, and the next attempt to connect uses it (fault 83); when nothing streams, that is at once. */
export async function alterSecret(coordinator: Coordinator, statement: StatementOf<'alterSecret'>): Promise<Defined> {
  const { catalog, directory } = coordinator;
  const secret = objectNamed(catalog, ['secret'], statement, ['public']);
  directory.writeSecrets({ ...directory.readSecrets(), [secret.id]: statement.value });
  const [source] = catalog.all('source');
  if (source !== undefined) await coordinator.source?.ingest.setConnection(coordinator.connectionOf(source));
  return { tag: 'ALTER SECRET', notices: [] };
}

export async function createConnection(
  coordinator: Coordinator,
  statement: StatementOf<'createConnection'>,
  by: Defining,
): Promise<Defined> {
  const { catalog, engine } = coordinator;
  const there = taken(catalog, 'connection', 'public', statement.name, statement.ifNotExists, 'CREATE CONNECTION');
  if (there !== undefined) return there;
  const options = withSecretIds(catalog, statement.options);
  refuseUnsound(options);
  const parameters = coordinator.parametersOf(options);
  if (statement.validate) await tryConnection(parameters, by.call);
  const connection: Connection = {
    kind: 'connection',
    id: catalog.nextId(),
    schema: 'public',
    name: statement.name,
    createSql: by.text,
    options,
  };
  await engine.rpc.call('commit', { put: [connection], remove: [] });
  catalog.add(connection);
  return { tag: 'CREATE CONNECTION', notices: [] };
}

export async function validateConnection(coordinator: Coordinator, { name }: StatementOf<'validateConnection'>): Promise<Defined> {
  const connection = objectNamed(coordinator.catalog, ['connection'], { name }, ['public']);
  await tryConnection(coordinator.parametersOf(connection.options), {});
  return { tag: 'VALIDATE CONNECTION', notices: [] };
}

export async function createIndex(coordinator: Coordinator, statement: StatementOf<'createIndex'>, by: Defining): Promise<Defined> {
  const { catalog, engine, mirror } = coordinator;
  const on = objectNamed(catalog, RELATIONS, statement.on, by.settings.searchPath);
  if (on.kind !== 'materializedView')
    throw millraceError('STATEMENT_UNSUPPORTED', {
      statement: `an index on a ${kindName(on.kind)}`,
      instead: 'Make it a materialized view and index that.',
    });
  const columns = (statement.columns ?? on.columns.map((column) => column.name)).map((name) => {
    const position = on.columns.findIndex((column) => column.name === name);
    if (position < 0) throw millraceError('COLUMN_MISSING', { column: name, relation: on.name });
    return position;
  });
  const name = statement.name ?? `${on.name}_${(statement.columns ?? ['primary']).join('_')}_idx`;
  const there = taken(catalog, 'index', on.schema, name, statement.ifNotExists, 'CREATE INDEX');
  if (there !== undefined) return there;
  const index: Index = { kind: 'index', id: catalog.nextId(), schema: on.schema, name, createSql: by.text, onId: on.id, columns };
  await mirror.add(mirrored(catalog, index)[0]!, by.call);
  try {
    const queryId = coordinator.nextNumber();
    const timeoutMs = by.settings.hydrationTimeoutMs;
    await engine.cancellable(queryId, by.call.signal, () => engine.rpc.call('createIndex', { index, queryId, timeoutMs }));
  } catch (error) {
    await mirror.remove([index.id]);
    throw error;
  }
  catalog.add(index);
  return { tag: 'CREATE INDEX', notices: [] };
}

export async function drop(coordinator: Coordinator, statement: StatementOf<'drop'>, by: Defining): Promise<Defined> {
  const { catalog, directory, engine, mirror } = coordinator;
  const tag = `DROP ${kindName(statement.object).toUpperCase()}`;
  const notices: Notice[] = [];
  const wanted: CatalogObject[] = [];
  for (const name of statement.names) {
    const found = lookUp(catalog, statement.object, name, by.settings);
    if (found !== undefined) wanted.push(found);
    else if (statement.ifExists)
      notices.push({
        severity: 'NOTICE',
        sqlstate: '00000',
        message: `${kindName(statement.object)} "${name.name}" does not exist, skipping`,
      });
    else throw millraceError('OBJECT_MISSING', { kind: kindName(statement.object), name: name.name });
  }
  const ordered = catalog.dropOrder(wanted.map((object) => object.id));
  const also = ordered.filter((object) => !wanted.includes(object));
  // A source's tables and a view's indexes are parts of it; anything else that stands on it is somebody's own.
  const others = also.filter(
    (object) => object.kind !== 'index' && !(object.kind === 'table' && wanted.some((one) => one.id === object.sourceId)),
  );
  if (others.length > 0 && !statement.cascade)
    throw millraceError('OBJECT_IN_USE', {
      kind: kindName(statement.object),
      name: wanted[0]!.name,
      dependents: others.map((object) => `${kindName(object.kind)} ${object.name} depends on it`),
    });
  if (ordered.length === 0) return { tag, notices };
  await engine.rpc.call('drop', { ids: ordered.map((object) => object.id) });
  for (const object of ordered) catalog.remove(object.id);
  await mirror.remove(ordered.filter((object) => object.kind !== 'secret' && object.kind !== 'connection').map((object) => object.id));
  const source = ordered.find((object) => object.kind === 'source');
  if (source !== undefined) {
    const left = await coordinator.stopSource();
    if (left !== undefined)
      notices.push({ severity: 'WARNING', sqlstate: left.sqlstate, message: left.message, detail: left.detail, hint: left.hint });
  } else {
    const oids = ordered.flatMap((object) => (object.kind === 'table' ? [object.upstream.oid] : []));
    if (oids.length > 0) await coordinator.source?.ingest.removeTables(oids);
  }
  const secrets = ordered.filter((object) => object.kind === 'secret').map((object) => object.id);
  if (secrets.length > 0)
    directory.writeSecrets(Object.fromEntries(Object.entries(directory.readSecrets()).filter(([id]) => !secrets.includes(id))));
  return { tag, notices };
}

function lookUp(catalog: Catalog, kind: DropKind, { schema, name }: Name, settings: Settings): CatalogObject | undefined {
  const path = kind === 'secret' || kind === 'connection' ? ['public'] : schema === undefined ? settings.searchPath : [schema];
  const found = catalog.find([kind], name, path);
  if (found !== undefined) return found;
  const other = catalog.find(['source', 'table', 'view', 'materializedView', 'index'], name, path);
  if (other !== undefined && kind !== 'secret' && kind !== 'connection')
    throw millraceError('WRONG_OBJECT_KIND', { name, wanted: kindName(kind) });
  return undefined;
}
