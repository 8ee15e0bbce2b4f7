/**
 * ALTER CONNECTION: a host that moved, another port, user or way to encrypt, without copying anything again. Tried before it is kept (VALIDATE), durable, and in force at
 * once: the stream is begun anew over the new way. Whether the server there is the one that the source was made from, ingest decides as at every connect.
 */
import { objectNamed } from '../object-named.ts';
import { millraceError } from '../../base/errors.ts';
import { ident, literal } from '../../base/ident.ts';
import type { CallOptions } from '../../pglite/catalog-client.ts';
import { CONNECTION_OPTIONS } from '../../sql/statements/parse-create.ts';
import type { OptionValue, StatementOf } from '../../sql/statements/statement.ts';
import { connectUpstream } from '../../upstream/connection/connect.ts';
import { optionsIn, refuseHalfCertificate, type ConnectionParameters } from '../../upstream/connection/parameters.ts';
import type { Catalog, Connection, ConnectionOptions } from '../../catalog/catalog.ts';
import type { Coordinator } from '../coordinator.ts';
import type { Defined, Defining } from './defining.ts';

export async function alterConnection(coordinator: Coordinator, statement: StatementOf<'alterConnection'>, by: Defining): Promise<Defined> {
  const { catalog, engine } = coordinator;
  if (statement.ifExists && catalog.find(['connection'], statement.name, ['public']) === undefined)
    return {
      tag: 'ALTER CONNECTION',
      notices: [{ severity: 'NOTICE', sqlstate: '00000', message: `connection "${statement.name}" does not exist, skipping` }],
    };
  const before = objectNamed(catalog, ['connection'], statement, ['public']);
  const options: Record<string, ConnectionOptions[string]> = { ...before.options, ...withSecretIds(catalog, statement.set) };
  for (const name of statement.reset) delete options[name];
  if (options['host'] === undefined && options['url'] === undefined)
    throw millraceError('OPTION_MISSING', { statement: 'ALTER CONNECTION', option: 'HOST' });
  refuseUnsound(options);
  const parameters = coordinator.parametersOf(options);
  if (statement.validate) await tryConnection(parameters, by.call);
  const after: Connection = { ...before, options, createSql: createSql(catalog, before.name, options) };
  await engine.rpc.call('commit', { put: [after], remove: [] });
  catalog.add(after);
  await coordinator.source?.ingest.setConnection(parameters);
  return { tag: 'ALTER CONNECTION', notices: [] };
}

export async function tryConnection(parameters: ConnectionParameters, { signal }: CallOptions): Promise<void> {
  const upstream = await connectUpstream(parameters, { purpose: 'validate', ...(signal === undefined ? {} : { signal }) });
  await upstream.end();
}

/** What would be kept and shown again although it is a secret, and what would be kept and never used. */
export function refuseUnsound(options: ConnectionOptions): void {
  const { url, ...rest } = options;
  const inUrl = typeof url === 'string' ? optionsIn(url) : {};
  if (inUrl['password'] !== undefined || inUrl['sslpassword'] !== undefined) throw millraceError('SECRET_IN_STATEMENT', {});
  refuseHalfCertificate({ ...inUrl, ...rest });
}

/** Secrets by their ids. */
export function withSecretIds(catalog: Catalog, options: Readonly<Record<string, OptionValue>>): ConnectionOptions {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]): [string, ConnectionOptions[string]] => {
      if (typeof value === 'string') return [name, value];
      return [name, { secret: objectNamed(catalog, ['secret'], { name: value.secret }, ['public']).id }];
    }),
  );
}

/** The statement that would make it as it is now. */
function createSql(catalog: Catalog, name: string, options: ConnectionOptions): string {
  const parts = Object.entries(CONNECTION_OPTIONS).flatMap(([option, parameter]) => {
    const value = options[parameter];
    if (value === undefined) return [];
    const written = typeof value === 'string' ? literal(value) : `SECRET ${ident(catalog.get(value.secret)?.name ?? value.secret)}`;
    return [`${option.toUpperCase()} ${written}`];
  });
  return `CREATE CONNECTION ${ident(name)} TO POSTGRES (${parts.join(', ')})`;
}
