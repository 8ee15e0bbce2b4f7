/**
 * What setup leaves in the hands of the reader: the statements that now work, with the new role's password, in a file of mode 0600 that `millrace serve --init` takes. Written before the role is
 * made, and read again by a second run: so an interruption loses no password, and none is ever printed. The only file of this room with a secret in it.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { millraceError } from '../base/errors.ts';
import { ident, literal, qualified } from '../base/ident.ts';
import type { ConnectionParameters } from '../upstream/connection/parameters.ts';
import type { Consumer, TableName } from './model.ts';

export interface InitFacts {
  readonly parameters: ConnectionParameters;
  readonly role: string;
  readonly publication: string;
  readonly tables: readonly TableName[];
  readonly consumer: Consumer;
  /** Whether the session was encrypted: then the reader should insist on it. */
  readonly tls: boolean;
}

const SECRET = 'millrace_upstream_password';

/** `password` undefined: for printing. */
export function initStatements(facts: InitFacts, password: string | undefined): string {
  const { parameters, role, publication, tables, tls } = facts;
  const { host, port } = parameters.hosts[0]!;
  const sslmode = tls && ['prefer', 'allow', 'disable'].includes(parameters.sslmode) ? 'require' : parameters.sslmode;
  if (facts.consumer === 'debezium') {
    const properties = {
      'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
      'plugin.name': 'pgoutput',
      'database.hostname': host,
      'database.port': String(port),
      'database.user': role,
      'database.password': password ?? '********',
      'database.dbname': parameters.database,
      'database.sslmode': sslmode,
      'publication.name': publication,
      'publication.autocreate.mode': 'disabled',
      'table.include.list': tables.map(({ schema, name }) => `${schema}.${name}`).join(','),
    };
    return `${JSON.stringify(properties, null, 2)}\n`;
  }
  const authority =
    parameters.sslrootcert === undefined || facts.consumer !== 'millrace'
      ? ''
      : `, SSL CERTIFICATE AUTHORITY ${literal(parameters.sslrootcert)}`;
  return [
    `CREATE SECRET IF NOT EXISTS ${SECRET} AS ${literal(password ?? '********')};`,
    `CREATE CONNECTION IF NOT EXISTS upstream TO POSTGRES (HOST ${literal(host)}, PORT ${port}, DATABASE ${literal(parameters.database)}, USER ${literal(role)}, PASSWORD SECRET ${SECRET}, SSL MODE ${literal(sslmode)}${authority});`,
    `CREATE SOURCE IF NOT EXISTS ${ident(`${parameters.database}_source`)} FROM POSTGRES CONNECTION upstream (PUBLICATION ${literal(publication)}) FOR TABLES (${tables.map(({ schema, name }) => qualified(schema, name)).join(', ')});`,
    '',
  ].join('\n');
}

/** The password that an earlier run left there; undefined: no such file. */
export async function passwordIn(file: string): Promise<string | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw millraceError('SETUP_FILE_UNUSABLE', { file, reason: (error as Error).message }, error);
  }
  const secret =
    /^CREATE SECRET (?:IF NOT EXISTS )?millrace_upstream_password AS '([^']+)';/m.exec(text) ??
    /"database\.password": "([^"]+)"/.exec(text);
  if (secret === null) throw millraceError('SETUP_FILE_UNUSABLE', { file, reason: 'it is there and was not made by setup' });
  return secret[1];
}

export async function writeInitFile(file: string, text: string): Promise<void> {
  try {
    // Whole or not at all; readable by its owner alone.
    await writeFile(`${file}.new`, text, { mode: 0o600 });
    await rename(`${file}.new`, file);
  } catch (error) {
    throw millraceError('SETUP_FILE_UNUSABLE', { file, reason: (error as Error).message }, error);
  }
}
