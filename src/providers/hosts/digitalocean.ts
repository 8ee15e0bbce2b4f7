/** DigitalOcean Managed PostgreSQL: logical decoding is always on; trusted sources and the right to replicate are settings of the API. */
import type { Provider } from '../model.ts';
import { EVERYWHERE, line, UNSAID } from './guide.ts';

const LINK = 'https://docs.digitalocean.com/products/databases/postgresql/';

export const digitalocean: Provider = {
  id: 'digitalocean',
  name: 'DigitalOcean',
  cloud: 'do',
  link: LINK,
  switch: undefined,
  replicationRight: { by: 'api' },
  allTablesRefused: 'doadmin is no superuser, and DigitalOcean makes no exception',
  requirements: [
    ...EVERYWHERE,
    line(
      'DO1',
      'Connect as doadmin.',
      'To set up, yes. Another user replicates only after the API’s settings.pg_allow_replication.',
      true,
      'C03',
      'C10',
      'C17',
    ),
    line(
      'DO2',
      'Add the IP address to the trusted sources.',
      'True, IPv4 only. An empty list means open to all: its first entry locks everybody else out.',
      true,
      'C01',
      'C04',
    ),
    line('DO3', 'Create a publication mz_source for tables.', 'True.', false, 'C15'),
    line('DO4', 'doadmin is no superuser: no publication for all tables.', 'True.', false, 'C14'),
    line(
      'DO5',
      'A table without a primary key needs REPLICA IDENTITY FULL.',
      'True of every provider, and it must come before the publication; an index over NOT NULL columns does as well.',
      false,
      'C16',
    ),
    line('DO6', '(no step for wal_level)', 'Right: it is on, and not to be set. doctor’s probe shows whether it is.', false, 'C08'),
    ...UNSAID,
  ],
  mend(need, facts) {
    const api = `https://api.digitalocean.com/v2/databases/${facts.resource}`;
    const curl = (method: string, path: string, body: unknown): string =>
      `curl -X ${method} -H "Authorization: Bearer $DIGITALOCEAN_TOKEN" -H "Content-Type: application/json" -d '${JSON.stringify(body)}' ${api}${path}`;
    switch (need.kind) {
      case 'logical_decoding':
        return {
          console: 'It is on by default and cannot be set: ask DigitalOcean’s support why wal_level is not logical.',
          cost: 'Nothing.',
          link: LINK,
        };
      case 'parameter': {
        const value =
          need.name === 'max_slot_wal_keep_size'
            ? Number(need.value.replace('GB', '')) * 1024
            : need.name === 'wal_sender_timeout'
              ? 60_000
              : Number(need.value);
        return {
          cli: curl('PATCH', '/config', { config: { [need.name]: value } }),
          terraform: `resource "digitalocean_database_postgresql_config" "millrace" {\n  cluster_id = "<cluster>"\n  ${need.name} = ${value}\n}`,
          cost: need.name === 'max_wal_senders' ? 'It can never be lowered again.' : 'The server may restart.',
          link: 'https://docs.digitalocean.com/reference/api/digitalocean/#tag/Databases/operation/databases_patch_config',
        };
      }
      case 'address': {
        const address = need.cidr?.replace(/\/32$/, '') ?? '<this machine’s public address>';
        return {
          cli: `doctl databases firewalls append ${facts.resource} --rule ip_addr:${address}`,
          console: `Databases → ${facts.resource} → Settings → Trusted sources → Edit → add ${address}. An empty list means open to all: the first entry closes it for everybody else.`,
          terraform: `resource "digitalocean_database_firewall" "millrace" {\n  cluster_id = "<cluster>"\n  # this resource owns the whole list: repeat every source that is there\n  rule {\n    type  = "ip_addr"\n    value = "${address}"\n  }\n}`,
          cost: 'No restart. Every source in the list is let in, and nobody else.',
          link: 'https://docs.digitalocean.com/products/databases/postgresql/how-to/secure/#firewalls',
        };
      }
      case 'replication_right':
        return {
          cli: curl('PUT', `/users/${encodeURIComponent(need.role)}`, { settings: { pg_allow_replication: true } }),
          terraform: `resource "digitalocean_database_user" "millrace" {\n  cluster_id = "<cluster>"\n  name       = "${need.role}"\n  settings {\n    pg_allow_replication = true\n  }\n}`,
          cost: 'The role can then read every change of every table.',
          link: 'https://docs.digitalocean.com/reference/api/digitalocean/#tag/Databases/operation/databases_update_user',
        };
      case 'direct_host':
        return { console: 'Use port 25060; 25061 is the connection pool.', cost: 'Nothing.', link: LINK };
      case 'tls':
        return {
          cli: `doctl databases get-ca ${facts.resource}`,
          console:
            'Add ?sslmode=require to the URL; for verify-full download the cluster’s own CA certificate (Overview → Download CA certificate).',
          cost: 'Nothing.',
          link: LINK,
        };
      default:
        return undefined;
    }
  },
  traps: [
    { about: 'C19', says: 'Slots are not carried over to a standby: after a failover every table is copied again.', source: 'reported' },
    { about: 'C12', says: 'max_wal_senders can be raised (20 to 64) and never lowered.', source: 'vendor' },
  ],
};
