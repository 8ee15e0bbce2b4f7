/** PlanetScale for Postgres: wal_level is a parameter of the cluster, often logical already; as far as we know only the default role may make slots. */
import type { Provider } from '../model.ts';
import { requirements } from './guide.ts';

export const planetscale: Provider = {
  id: 'planetscale',
  name: 'PlanetScale',
  link: 'https://planetscale.com/docs/postgres/integrations/logical-cdc',
  requirements: requirements(),
  switch: { parameter: 'wal_level', on: 'logical', restarts: true },
  replicationRight: {
    by: 'fixed',
    says: 'Told differently (check this): some say that only the default role (postgres.…, Branch → Roles) may replicate, others that it may give that right: try CREATE ROLE … LOGIN REPLICATION as that role, and let doctor’s probe decide; where it fails, setup --role <the default role>.',
  },
  mends: {
    direct_host: { console: 'Use port 5432; 6432 is PgBouncer.' },
    logical_decoding: {
      console: 'Branch → Clusters → Parameters → Write-ahead log → wal_level = logical → queue and apply the change.',
      cost: 'The branch restarts.',
    },
    parameter: (need) => ({
      console: `Branch → Clusters → Parameters → ${need.name} = ${need.value} → queue and apply the change.`,
      cost: 'The branch may restart.',
    }),
  },
  traps: [
    {
      about: 'C19',
      says: 'A slot survives a failover only when its name is registered (patroni.slots), with sync_replication_slots and hot_standby_feedback on.',
      source: 'reported',
    },
  ],
};
