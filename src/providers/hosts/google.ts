/** Cloud SQL for PostgreSQL and AlloyDB: a database flag, an authorised network, REPLICATION as an attribute. */
import { ident } from '../../base/ident.ts';
import type { Mend, MendFacts, Need, Provider } from '../model.ts';
import { line, requirements } from './guide.ts';

const CLOUDSQL = 'https://cloud.google.com/sql/docs/postgres/replication/configure-logical-replication';
const ALLOYDB = 'https://cloud.google.com/alloydb/docs/reference/alloydb-flags';
const FLAG_COST =
  'Setting the flag restarts the instance at once. Afterwards somewhat more WAL; storage that grew automatically never shrinks.';

function cloudsqlMend(need: Need, facts: MendFacts): Mend | undefined {
  switch (need.kind) {
    case 'logical_decoding':
    case 'parameter': {
      const [name, value] = need.kind === 'parameter' ? [need.name, flagValue(need.name, need.value)] : ['cloudsql.logical_decoding', 'on'];
      return {
        cli: `gcloud sql instances describe ${facts.resource} --format='value(settings.databaseFlags)'   # the list is replaced whole: repeat every flag that is there\ngcloud sql instances patch ${facts.resource} --database-flags=<present flags>,${name}=${value}`,
        console: `Cloud SQL → ${facts.resource} → Edit → Flags → ${name} = ${value} → Save.`,
        terraform: `settings {\n  database_flags {\n    name  = "${name}"\n    value = "${value}"\n  }\n}`,
        cost: FLAG_COST,
        link: CLOUDSQL,
      };
    }
    case 'restart':
      return {
        cli: `gcloud sql instances restart ${facts.resource}`,
        console: `Cloud SQL → ${facts.resource} → Restart.`,
        cost: 'Every client is disconnected for about a minute.',
        link: 'https://cloud.google.com/sql/docs/postgres/start-stop-restart-instance',
      };
    case 'address': {
      const source = need.cidr ?? '<this machine’s public address>/32';
      return {
        cli: `gcloud sql instances patch ${facts.resource} --authorized-networks=<present networks>,${source}   # the list is replaced whole`,
        console: `Cloud SQL → ${facts.resource} → Connections → Networking → Public IP → Add a network: ${source}. With private IP only this does nothing: connect from its VPC.`,
        terraform: `ip_configuration {\n  authorized_networks {\n    name  = "millrace"\n    value = "${source}"\n  }\n}`,
        cost: 'No restart. Only that address is let in.',
        link: 'https://cloud.google.com/sql/docs/postgres/authorize-networks',
      };
    }
    case 'tls':
      return {
        console: `Add ?sslmode=${need.sslmode === 'verify-full' ? 'verify-ca' : need.sslmode} to the URL. The server’s certificate names project:instance, not a host: verify-ca with the instance’s server-ca.pem (Connections → Security → Download).`,
        cost: 'Nothing.',
        link: 'https://cloud.google.com/sql/docs/postgres/configure-ssl-instance',
      };
    case 'direct_host':
      return { console: 'Use port 5432 of the instance, not the managed pooling port (6432).', cost: 'Nothing.', link: CLOUDSQL };
    case 'primary':
      return { console: 'Use the primary instance, not a read replica.', cost: 'Nothing.', link: CLOUDSQL };
    case 'replication_right':
      return {
        sql: `ALTER USER ${ident(need.role)} WITH REPLICATION;   -- as a member of cloudsqlsuperuser; from 16 on, after ALTER USER <yourself> WITH REPLICATION`,
        cost: 'The role can then read every change of every table.',
        link: CLOUDSQL,
      };
    default:
      return undefined;
  }
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
  link: CLOUDSQL,
  switch: { parameter: 'cloudsql.logical_decoding', on: 'on', restarts: true },
  replicationRight: { by: 'attribute', selfGranted: true },
  requirements: requirements(
    line(
      'CSQL1',
      'The account needs the cloudsqlsuperuser role.',
      'Only to set up. To stream a role needs REPLICATION, which the guide never gives (postgres has it not).',
      true,
      'C10',
      'C14',
      'C17',
    ),
    line(
      'CSQL2',
      'Set cloudsql.logical_decoding to on.',
      'True. The list of flags is replaced whole: repeat those that are there.',
      false,
      'C08',
    ),
    line(
      'CSQL3',
      'Enable access for the IP address.',
      'True: an authorised network; it does nothing for an instance with a private IP only.',
      false,
      'C01',
      'C02',
      'C04',
    ),
    line('CSQL4', 'Restart the database.', 'Setting the flag restarts it by itself; do not be surprised.', true, 'C09'),
    line(
      'CSQL5',
      'Create a publication mz_source for tables, or FOR ALL TABLES.',
      'For tables; whether FOR ALL TABLES is allowed is doubtful, and it is not advisable.',
      true,
      'C15',
    ),
  ),
  mend: cloudsqlMend,
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
  link: ALLOYDB,
  switch: { parameter: 'alloydb.logical_decoding', on: 'on', restarts: true },
  replicationRight: { by: 'attribute', selfGranted: true },
  requirements: requirements(),
  mend(need, facts) {
    switch (need.kind) {
      case 'logical_decoding':
      case 'parameter': {
        const [name, value] =
          need.kind === 'parameter' ? [need.name, flagValue(need.name, need.value)] : ['alloydb.logical_decoding', 'on'];
        return {
          cli: `gcloud alloydb instances update ${facts.resource} --cluster=<cluster> --region=<region> --database-flags=<present flags>,${name}=${value}`,
          console: `AlloyDB → the primary instance → Edit → Flags → ${name} = ${value} → Update.`,
          terraform: `database_flags = {\n  "${name}" = "${value}"\n}`,
          cost: 'The primary instance restarts.',
          link: ALLOYDB,
        };
      }
      case 'restart':
        return {
          cli: `gcloud alloydb instances restart ${facts.resource} --cluster=<cluster> --region=<region>`,
          cost: 'Every client is disconnected.',
          link: ALLOYDB,
        };
      case 'address':
        return {
          console:
            'AlloyDB has a private IP unless public IP is enabled: connect from its VPC, or add an authorised external network to the primary instance.',
          cost: 'No restart.',
          link: ALLOYDB,
        };
      default:
        return undefined;
    }
  },
  traps: [],
};
