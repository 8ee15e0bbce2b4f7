/** Azure Database for PostgreSQL, Flexible Server. Single Server, which the guide describes, was retired in March 2025: recognised and refused. */
import type { Answer, MendFacts, Provider } from '../model.ts';
import { holds, outdated, requirements } from './guide.ts';

export const azure: Provider = {
  id: 'azure',
  name: 'Azure Database for PostgreSQL',
  cloud: 'azure',
  link: 'https://learn.microsoft.com/azure/postgresql/flexible-server/concepts-logical',
  switch: { parameter: 'wal_level', on: 'logical', restarts: true },
  replicationRight: { by: 'attribute', selfGranted: true },
  variantsRefused: {
    single: {
      reason: 'this is Azure Database for PostgreSQL Single Server, retired in March 2025',
      wayOut: 'Migrate to Flexible Server: az postgres flexible-server migration create …, then run doctor on the new server.',
    },
  },
  requirements: requirements(
    holds('AZ1', ['C09'], 'A restart is required.', 'True: until then wal_level shows a pending restart.'),
    outdated(
      'AZ2',
      ['C01', 'C02', 'C04', 'C06'],
      '“Connections security” → add the IP address → Save.',
      'That was Single Server. Flexible Server: Networking → firewall rules, IPv4 only; not possible with VNet integration.',
    ),
    outdated(
      'AZ3',
      ['C08', 'C10', 'C14', 'C17'],
      '“Replication” → “Enable Logical Replication”.',
      'That toggle is gone with Single Server. Flexible Server: server parameter wal_level = logical, and ALTER ROLE … REPLICATION, even for the administrator.',
    ),
    holds(
      'AZ4',
      ['C15'],
      'Create a publication mz_source for tables.',
      'For tables. Whether azure_pg_admin may publish all tables is not verified (check this: the server’s own answer decides); it is not advisable.',
    ),
  ),
  mends: {
    logical_decoding: (_need, facts) => setting('wal_level', 'logical', true, facts),
    parameter: (need, facts) =>
      need.name === 'max_slot_wal_keep_size'
        ? {
            console: 'max_slot_wal_keep_size is read-only on Azure (-1).',
            cost: 'Nothing can be set. Above 95 % of storage Azure drops unused slots by itself.',
          }
        : setting(need.name, need.value, need.restarts, facts),
    restart: (_need, facts) => ({
      cli: restart(facts),
      console: `Azure portal → ${facts.resource} → Overview → Restart.`,
      cost: 'Every client is disconnected for about a minute.',
    }),
    address(need, facts) {
      const address = need.cidr?.replace(/\/\d+$/, '') ?? '<this machine’s public address>';
      return {
        cli: `az postgres flexible-server firewall-rule create --resource-group <group> --name ${facts.resource} --rule-name millrace --start-ip-address ${address} --end-ip-address ${address}`,
        console: `Azure portal → ${facts.resource} → Networking → Firewall rules → add ${address} (IPv4 only) → Save. A server in a virtual network has no firewall rules: connect from that network.`,
        terraform: `resource "azurerm_postgresql_flexible_server_firewall_rule" "millrace" {\n  name             = "millrace"\n  server_id        = azurerm_postgresql_flexible_server.<name>.id\n  start_ip_address = "${address}"\n  end_ip_address   = "${address}"\n}`,
        cost: 'No restart. Only that address is let in.',
        link: 'https://learn.microsoft.com/azure/postgresql/flexible-server/concepts-firewall-rules',
      };
    },
    direct_host: { console: 'Use port 5432; 6432 is the built-in PgBouncer.' },
    tls: (need) => ({
      console: `Add ?sslmode=${need.sslmode} to the URL; the authorities (DigiCert, Microsoft) are known to every system.`,
      link: 'https://learn.microsoft.com/azure/postgresql/flexible-server/how-to-connect-tls-ssl',
    }),
  },
  traps: [
    {
      about: 'C18',
      says: 'max_slot_wal_keep_size is fixed at -1; at 95 % of storage the server turns read-only and Azure drops unused slots.',
      source: 'vendor',
    },
    {
      about: 'C19',
      says: 'With high availability, slots survive a failover from 17 on (sync_replication_slots, hot_standby_feedback); up to 16 only with the pg_failover_slots extension.',
      source: 'vendor',
    },
    { about: 'C12', says: 'High availability itself takes 2 WAL senders.', source: 'vendor' },
  ],
};

function restart({ resource }: MendFacts): string {
  return `az postgres flexible-server restart --resource-group <group> --name ${resource}`;
}

function setting(name: string, value: string, restarts: boolean, facts: MendFacts): Answer {
  return {
    cli: `az postgres flexible-server parameter set --resource-group <group> --server-name ${facts.resource} --name ${name} --value ${value}${restarts ? `\n${restart(facts)}` : ''}`,
    console: `Azure portal → ${facts.resource} → Server parameters → ${name} = ${value} → Save${restarts ? ' and Restart' : ''}.`,
    terraform: `resource "azurerm_postgresql_flexible_server_configuration" "${name}" {\n  server_id = azurerm_postgresql_flexible_server.<name>.id\n  name      = "${name}"\n  value     = "${value}"\n}`,
    cost: restarts ? 'A restart of the server. Afterwards somewhat more WAL.' : 'No restart.',
  };
}
