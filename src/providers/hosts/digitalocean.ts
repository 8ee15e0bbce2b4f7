/** DigitalOcean Managed PostgreSQL: logical decoding is always on; trusted sources and the right to replicate are settings of the API. */
import type { MendFacts, Provider } from '../model.ts';
import { EVERYWHERE, holds, outdated, UNSAID } from './guide.ts';

export const digitalocean: Provider = {
  id: 'digitalocean',
  name: 'DigitalOcean',
  cloud: 'do',
  link: 'https://docs.digitalocean.com/products/databases/postgresql/',
  switch: undefined,
  replicationRight: { by: 'api' },
  allTablesRefused: 'doadmin is no superuser, and DigitalOcean makes no exception',
  requirements: [
    ...EVERYWHERE,
    outdated(
      'DO1',
      ['C03', 'C10', 'C17'],
      'Connect as doadmin.',
      'To set up, yes. Another user replicates only after the API’s settings.pg_allow_replication.',
    ),
    outdated(
      'DO2',
      ['C01', 'C04'],
      'Add the IP address to the trusted sources.',
      'True, IPv4 only. An empty list means open to all: its first entry locks everybody else out.',
    ),
    holds('DO3', ['C15'], 'Create a publication mz_source for tables.', 'True.'),
    holds('DO4', ['C14'], 'doadmin is no superuser: no publication for all tables.', 'True.'),
    holds(
      'DO5',
      ['C16'],
      'A table without a primary key needs REPLICA IDENTITY FULL.',
      'True of every provider, and it must come before the publication; an index over NOT NULL columns does as well.',
    ),
    holds('DO6', ['C08'], '(no step for wal_level)', 'Right: it is on, and not to be set. doctor’s probe shows whether it is.'),
    ...UNSAID,
  ],
  mends: {
    logical_decoding: { console: 'It is on by default and cannot be set: ask DigitalOcean’s support why wal_level is not logical.' },
    parameter(need, facts) {
      const value =
        need.name === 'max_slot_wal_keep_size'
          ? Number(need.value.replace('GB', '')) * 1024
          : need.name === 'wal_sender_timeout'
            ? 60_000
            : Number(need.value);
      return {
        cli: curl('PATCH', '/config', { config: { [need.name]: value } }, facts),
        terraform: `resource "digitalocean_database_postgresql_config" "millrace" {\n  cluster_id = "<cluster>"\n  ${need.name} = ${value}\n}`,
        cost: need.name === 'max_wal_senders' ? 'It can never be lowered again.' : 'The server may restart.',
        link: 'https://docs.digitalocean.com/reference/api/digitalocean/#tag/Databases/operation/databases_patch_config',
      };
    },
    address(need, facts) {
      const address = need.cidr?.replace(/\/32$/, '') ?? '<this machine’s public address>';
      return {
        cli: `doctl databases firewalls append ${facts.resource} --rule ip_addr:${address}`,
        console: `Databases → ${facts.resource} → Settings → Trusted sources → Edit → add ${address}. An empty list means open to all: the first entry closes it for everybody else.`,
        terraform: `resource "digitalocean_database_firewall" "millrace" {\n  cluster_id = "<cluster>"\n  # this resource owns the whole list: repeat every source that is there\n  rule {\n    type  = "ip_addr"\n    value = "${address}"\n  }\n}`,
        cost: 'No restart. Every source in the list is let in, and nobody else.',
        link: 'https://docs.digitalocean.com/products/databases/postgresql/how-to/secure/#firewalls',
      };
    },
    replication_right: (need, facts) => ({
      cli: curl('PUT', `/users/${encodeURIComponent(need.role)}`, { settings: { pg_allow_replication: true } }, facts),
      terraform: `resource "digitalocean_database_user" "millrace" {\n  cluster_id = "<cluster>"\n  name       = "${need.role}"\n  settings {\n    pg_allow_replication = true\n  }\n}`,
      cost: 'The role can then read every change of every table.',
      link: 'https://docs.digitalocean.com/reference/api/digitalocean/#tag/Databases/operation/databases_update_user',
    }),
    direct_host: { console: 'Use port 25060; 25061 is the connection pool.' },
    tls: (_need, facts) => ({
      cli: `doctl databases get-ca ${facts.resource}`,
      console:
        'Add ?sslmode=require to the URL; for verify-full download the cluster’s own CA certificate (Overview → Download CA certificate).',
    }),
  },
  traps: [
    { about: 'C19', says: 'Slots are not carried over to a standby: after a failover every table is copied again.', source: 'reported' },
    { about: 'C12', says: 'max_wal_senders can be raised (20 to 64) and never lowered.', source: 'vendor' },
  ],
};

function curl(method: string, path: string, body: unknown, { resource }: MendFacts): string {
  return `curl -X ${method} -H "Authorization: Bearer $DIGITALOCEAN_TOKEN" -H "Content-Type: application/json" -d '${JSON.stringify(body)}' https://api.digitalocean.com/v2/databases/${resource}${path}`;
}
