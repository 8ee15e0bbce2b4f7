/** Cloud SQL for PostgreSQL and AlloyDB: a database flag, an authorised network, REPLICATION as an attribute. */
import { ident } from '../../base/ident.ts';
import type { Answer, MendFacts, Provider } from '../model.ts';
import { holds, outdated, requirements } from './guide.ts';

function cloudsqlFlag(name: string, value: string, { resource }: MendFacts): Answer {
  return {
    cli: `gcloud sql instances describe ${resource} --format='value(settings.databaseFlags)'   # the list is replaced whole: repeat every flag that is there\ngcloud sql instances patch ${resource} --database-flags=<present flags>,${name}=${value}`,
    console: `Cloud SQL → ${resource} → Edit → Flags → ${name} = ${value} → Save.`,
    terraform: `settings {\n  database_flags {\n    name  = "${name}"\n    value = "${value}"\n  }\n}`,
    cost: 'Setting the flag restarts the instance at once. Afterwards somewhat more WAL; storage that grew automatically never shrinks.',
  };
}

function alloydbFlag(name: string, value: string, { resource }: MendFacts): Answer {
  return {
    cli: `gcloud alloydb instances update ${resource} --cluster=<cluster> --region=<region> --database-flags=<present flags>,${name}=${value}`,
    console: `AlloyDB → the primary instance → Edit → Flags → ${name} = ${value} → Update.`,
    terraform: `database_flags = {\n  "${name}" = "${value}"\n}`,
    cost: 'The primary instance restarts.',
  };
}

/** Cloud SQL takes megabytes and milliseconds without a unit. */
function flagValue(name: string, value: string): string {
  if (name === 'max_slot_wal_keep_size') return String(Number(value.replace('GB', '')) * 1024);
  if (name === 'wal_sender_timeout') return '60000';
  return value;
}

export const cloudsql: Provider = {
  id: 'cloudsql',
  name: 'Google Cloud SQL',
  cloud: 'gcp',
  link: 'https://cloud.google.com/sql/docs/postgres/replication/configure-logical-replication',
  switch: { parameter: 'cloudsql.logical_decoding', on: 'on', restarts: true },
  replicationRight: { by: 'attribute', selfGranted: true },
  requirements: requirements(
    outdated(
      'CSQL1',
      ['C10', 'C14', 'C17'],
      'The account needs the cloudsqlsuperuser role.',
      'Only to set up. To stream a role needs REPLICATION, which the guide never gives (postgres has it not).',
    ),
    holds(
      'CSQL2',
      ['C08'],
      'Set cloudsql.logical_decoding to on.',
      'True. The list of flags is replaced whole: repeat those that are there.',
    ),
    holds(
      'CSQL3',
      ['C01', 'C02', 'C04'],
      'Enable access for the IP address.',
      'True: an authorised network; it does nothing for an instance with a private IP only.',
    ),
    outdated('CSQL4', ['C09'], 'Restart the database.', 'Setting the flag restarts it by itself; do not be surprised.'),
    outdated(
      'CSQL5',
      ['C15'],
      'Create a publication mz_source for tables, or FOR ALL TABLES.',
      'For tables; whether FOR ALL TABLES is allowed is doubtful, and it is not advisable.',
    ),
  ),
  mends: {
    logical_decoding: (_need, facts) => cloudsqlFlag('cloudsql.logical_decoding', 'on', facts),
    parameter: (need, facts) => cloudsqlFlag(need.name, flagValue(need.name, need.value), facts),
    restart: (_need, facts) => ({
      cli: `gcloud sql instances restart ${facts.resource}`,
      console: `Cloud SQL → ${facts.resource} → Restart.`,
      cost: 'Every client is disconnected for about a minute.',
      link: 'https://cloud.google.com/sql/docs/postgres/start-stop-restart-instance',
    }),
    address(need, facts) {
      const source = need.cidr ?? '<this machine’s public address>/32';
      return {
        cli: `gcloud sql instances patch ${facts.resource} --authorized-networks=<present networks>,${source}   # the list is replaced whole`,
        console: `Cloud SQL → ${facts.resource} → Connections → Networking → Public IP → Add a network: ${source}. With private IP only this does nothing: connect from its VPC.`,
        terraform: `ip_configuration {\n  authorized_networks {\n    name  = "millrace"\n    value = "${source}"\n  }\n}`,
        cost: 'No restart. Only that address is let in.',
        link: 'https://cloud.google.com/sql/docs/postgres/authorize-networks',
      };
    },
    tls: (need) => ({
      console: `Add ?sslmode=${need.sslmode === 'verify-full' ? 'verify-ca' : need.sslmode} to the URL. The server’s certificate names project:instance, not a host: verify-ca with the instance’s server-ca.pem (Connections → Security → Download).`,
      link: 'https://cloud.google.com/sql/docs/postgres/configure-ssl-instance',
    }),
    direct_host: { console: 'Use port 5432 of the instance, not the managed pooling port (6432).' },
    primary: { console: 'Use the primary instance, not a read replica.' },
    replication_right: (need) => ({
      sql: `ALTER USER ${ident(need.role)} WITH REPLICATION;   -- as a member of cloudsqlsuperuser; from 16 on, after ALTER USER <yourself> WITH REPLICATION`,
      cost: 'The role can then read every change of every table.',
    }),
  },
  traps: [
    {
      about: 'C18',
      says: 'Storage grows automatically by default, without limit, and never shrinks: an abandoned slot becomes a bill.',
      source: 'vendor',
    },
    { about: 'C19', says: 'High availability uses a regional disk, so slots survive its failover.', source: 'reported' },
    { about: 'C10', says: 'A user with a password is the safe choice; IAM users are not verified for replication.', source: 'reported' },
  ],
};

export const alloydb: Provider = {
  id: 'alloydb',
  name: 'Google AlloyDB',
  link: 'https://cloud.google.com/alloydb/docs/reference/alloydb-flags',
  switch: { parameter: 'alloydb.logical_decoding', on: 'on', restarts: true },
  replicationRight: { by: 'attribute', selfGranted: true },
  requirements: requirements(),
  mends: {
    logical_decoding: (_need, facts) => alloydbFlag('alloydb.logical_decoding', 'on', facts),
    parameter: (need, facts) => alloydbFlag(need.name, flagValue(need.name, need.value), facts),
    restart: (_need, facts) => ({
      cli: `gcloud alloydb instances restart ${facts.resource} --cluster=<cluster> --region=<region>`,
      cost: 'Every client is disconnected.',
    }),
    address: {
      console:
        'AlloyDB has a private IP unless public IP is enabled: connect from its VPC, or add an authorised external network to the primary instance.',
      cost: 'No restart.',
    },
  },
  traps: [],
};
