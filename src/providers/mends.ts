/**
 * What mends a need: the provider's own answer, else the one that is the same everywhere because it is plain SQL. Pure. Used by doctor for its findings and by `emit`.
 * Every SQL text is complete and quoted: copied, it runs.
 */
import { ident, literal, qualified } from '../base/ident.ts';
import type { Answer, IdentityChoice, Mend, MendFacts, Mends, Need, Provider, PublicationChange, TableName } from './model.ts';

const DOCS = 'https://www.postgresql.org/docs/current';
const NOTHING = 'Nothing: no restart, no further cost.';

export function mendFor(provider: Provider, need: Need | undefined, facts: MendFacts): Mend {
  if (need === undefined) return { cost: NOTHING, link: provider.link };
  return hostMend(provider, need, facts) ?? { cost: NOTHING, link: provider.link, ...answer(plainMends(provider), need, facts) };
}

/** The host's own answer, where it has one. */
export function hostMend(provider: Provider, need: Need, facts: MendFacts): Mend | undefined {
  const own = answer(provider.mends, need, facts);
  return own && { cost: 'Nothing.', link: provider.link, ...own };
}

function answer(mends: Mends, need: Need, facts: MendFacts): Answer | undefined {
  const found = mends[need.kind];
  // The key is the kind of the need: it is the function's own.
  return typeof found === 'function' ? (found as (need: Need, facts: MendFacts) => Answer)(need, facts) : found;
}

/** Long: one answer a need, total. */
function plainMends(provider: Provider): Required<Mends> {
  return {
    logical_decoding: {
      sql: `ALTER SYSTEM SET wal_level = logical;   -- then restart the server`,
      cost: 'A restart of the server; afterwards somewhat more WAL.',
      link: `${DOCS}/runtime-config-wal.html`,
    },
    restart: {
      cli: 'pg_ctl restart -D <data directory> -m fast',
      cost: 'Every client is disconnected for the length of a restart.',
      link: `${DOCS}/server-shutdown.html`,
    },
    parameter: (need) => ({
      sql: `ALTER SYSTEM SET ${need.name} = ${literal(need.value)};${need.restarts ? '   -- then restart the server' : ' SELECT pg_reload_conf();'}`,
      cost: need.restarts ? 'A restart of the server.' : 'No restart.',
      link: `${DOCS}/runtime-config-replication.html`,
    }),
    address: (need, facts) => ({
      console: `Let ${need.cidr ?? 'the public address of this machine (curl -s https://checkip.amazonaws.com)'} in at the firewall in front of ${facts.host}, port ${facts.port}.`,
      cost: 'No restart. Only the address named is let in.',
    }),
    host_rule: (need) => ({
      console: `Add to pg_hba.conf, above any rule that rejects:  hostssl ${ident(need.database)} ${ident(need.role)} <this machine>/32 scram-sha-256`,
      sql: 'SELECT pg_reload_conf();',
      cost: 'No restart, a reload. The database’s name, not the keyword "replication", admits logical replication.',
      link: `${DOCS}/auth-pg-hba-conf.html`,
    }),
    direct_host: { console: 'Use the direct host and port of the database, not those of its pooler.' },
    primary: { console: 'Connect to the primary.' },
    tls: ({ sslmode }) => ({
      console:
        sslmode === 'prefer'
          ? 'Turn ssl on at the server (ssl = on, ssl_cert_file, ssl_key_file), or use sslmode=prefer on a private network only.'
          : `Add ?sslmode=${sslmode} to the URL${sslmode.startsWith('verify') ? ' with &sslrootcert=<the host’s CA bundle>' : ''}.`,
    }),
    credentials: (_need, facts) => ({
      sql: `ALTER ROLE ${ident(facts.user)} PASSWORD '…';   -- as an administrator, if the password is lost`,
      console: 'Correct the user, password or database in the URL; % and @ in a password are written %25 and %40.',
      cost: 'Clients that use the old password are refused.',
      link: `${DOCS}/sql-alterrole.html`,
    }),
    replication_right: (need) => rightMend(provider, need.role),
    grants: ({ role, table: { schema, name } }) => ({
      sql: `GRANT USAGE ON SCHEMA ${ident(schema)} TO ${ident(role)}; GRANT SELECT ON ${qualified(schema, name)} TO ${ident(role)};`,
      link: `${DOCS}/sql-grant.html`,
    }),
    row_security: (need) => ({
      sql: `ALTER ROLE ${ident(need.role)} BYPASSRLS;   -- as a superuser, or from 16 on as one who has it; or publish without ${qualified(need.table.schema, need.table.name)}`,
      cost: 'The role then reads every row of every table that it may read.',
      link: `${DOCS}/ddl-rowsecurity.html`,
    }),
    identity: (need) => ({
      sql: identityStatement(need.table, need.how),
      cost:
        need.how.by === 'full'
          ? 'No restart. UPDATE and DELETE of this table then log the whole old row (more WAL); a primary key would be cheaper.'
          : 'No restart, no more WAL.',
      link: `${DOCS}/sql-altertable.html`,
    }),
    key: (need) => keyMend(need.table, need.partitionedBy),
    publication: (need) => ({
      sql: publicationStatements(need.change).join(' '),
      cost: 'No restart. Tables without a replica identity refuse UPDATE and DELETE once published: mend those first.',
      link: `${DOCS}/sql-createpublication.html`,
    }),
    publication_right: (need, facts) => ({
      sql: `GRANT CREATE ON DATABASE ${ident(facts.database)} TO ${ident(need.role)};   -- and own the tables, or let their owner make the publication`,
      link: `${DOCS}/logical-replication-security.html`,
    }),
    drop_slot: (need) => ({
      sql: `SELECT pg_drop_replication_slot(${literal(need.slot)});   -- only if nobody will read it again`,
      cost: 'Whoever reads that slot must copy everything again.',
      link: `${DOCS}/functions-admin.html`,
    }),
    transactions({ pids, prepared }) {
      const ends = [
        ...pids.map((pid) => `SELECT pg_terminate_backend(${pid});`),
        ...prepared.map((gid) => `ROLLBACK PREPARED ${literal(gid)};`),
      ];
      return {
        sql:
          ends.length > 0
            ? ends.join(' ')
            : 'SELECT pid, usename, xact_start, state, query FROM pg_stat_activity WHERE backend_xid IS NOT NULL ORDER BY xact_start;',
        cost: 'The work of those transactions is lost: ask whose they are.',
        link: `${DOCS}/monitoring-stats.html`,
      };
    },
    connections: {
      sql: 'SELECT pid, usename, application_name, state, state_change FROM pg_stat_activity ORDER BY state_change;   -- close the idle ones, or ALTER ROLE … CONNECTION LIMIT -1',
      cost: 'Idle clients are disconnected.',
      link: `${DOCS}/runtime-config-connection.html`,
    },
    writable: (_need, facts) => ({
      sql: `ALTER DATABASE ${ident(facts.database)} RESET default_transaction_read_only;`,
      console: 'Where the host made it read-only because the storage is nearly full: enlarge the storage, or drop what is not needed.',
      cost: 'Larger storage costs money.',
    }),
    replace: (need) => ({ console: need.wayOut, cost: 'A migration.' }),
  };
}

function keyMend({ schema, name }: TableName, partitionedBy: readonly string[] | undefined): Answer {
  const table = qualified(schema, name);
  const elsewise = {
    console: 'Or leave the table out of what is streamed.',
    cost: 'A new column rewrites the table under an exclusive lock; a key over columns that are there builds an index under one.',
    link: `${DOCS}/sql-altertable.html`,
  };
  if (partitionedBy === undefined)
    return {
      ...elsewise,
      sql: `ALTER TABLE ${table} ADD COLUMN row_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;   -- or ADD PRIMARY KEY over columns that it has`,
    };
  if (partitionedBy.length === 0)
    return { ...elsewise, console: 'It is partitioned by an expression, so it can have no primary key: leave it out of what is streamed.' };
  return {
    ...elsewise,
    sql: `ALTER TABLE ${table} ADD COLUMN row_id uuid NOT NULL DEFAULT gen_random_uuid(), ADD PRIMARY KEY (row_id, ${partitionedBy.map(ident).join(', ')});   -- or over columns that it has`,
  };
}

function rightMend({ replicationRight: right }: Provider, role: string): Answer {
  const cost = 'The role can then read every change of every table.';
  switch (right.by) {
    case 'attribute':
      return {
        sql: `ALTER ROLE ${ident(role)} REPLICATION;${right.selfGranted === true ? '   -- as the administrator; from 16 on, after ALTER ROLE <yourself> REPLICATION' : ''}`,
        cost,
        link: `${DOCS}/role-attributes.html`,
      };
    case 'membership':
      return { sql: `GRANT ${ident(right.role)} TO ${ident(role)};`, cost };
    case 'api':
      return { console: `Let "${role}" replicate in the control panel or through the API.`, cost };
    case 'fixed':
      return { console: right.says };
  }
}

export function identityStatement({ schema, name }: TableName, how: IdentityChoice): string {
  const what = how.by === 'full' ? 'FULL' : how.by === 'default' ? 'DEFAULT' : `USING INDEX ${ident(how.index)}`;
  return `ALTER TABLE ${qualified(schema, name)} REPLICA IDENTITY ${what};`;
}

/** From 18 on. */
const GENERATED = 'publish_generated_columns = stored';

export function publicationStatements(change: PublicationChange): string[] {
  const list = (tables: readonly TableName[]): string => tables.map(({ schema, name }) => qualified(schema, name)).join(', ');
  const publication = ident(change.publication);
  switch (change.change) {
    case 'create':
      return [
        `CREATE PUBLICATION ${publication} FOR ${change.tables === 'all' ? 'ALL TABLES' : `TABLE ${change.tables.length === 0 ? '<schema.table, …>' : list(change.tables)}`}${change.generated === true ? ` WITH (${GENERATED})` : ''};`,
      ];
    case 'add':
      return [
        ...(change.generated === true ? [`ALTER PUBLICATION ${publication} SET (${GENERATED});`] : []),
        `ALTER PUBLICATION ${publication} ADD TABLE ${list(change.tables)};`,
      ];
    case 'publish_generated':
      return [`ALTER PUBLICATION ${publication} SET (${GENERATED});`];
    case 'publish_all_operations':
      return [`ALTER PUBLICATION ${publication} SET (publish = 'insert, update, delete, truncate');`];
    case 'unfilter':
      return [
        `ALTER PUBLICATION ${publication} DROP TABLE ${list([change.table])};`,
        `ALTER PUBLICATION ${publication} ADD TABLE ${list([change.table])};`,
      ];
    case 'drop_table':
      return [`ALTER PUBLICATION ${publication} DROP TABLE ${list([change.table])};`];
  }
}
