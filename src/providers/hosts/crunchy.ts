/** Crunchy Bridge: logical by default, `postgres` is a true superuser. */
import type { Answer, MendFacts, Provider } from '../model.ts';
import { requirements } from './guide.ts';

export const crunchy: Provider = {
  id: 'crunchy',
  name: 'Crunchy Bridge',
  link: 'https://docs.crunchybridge.com/how-to/logical-replication',
  requirements: requirements(),
  switch: { parameter: 'wal_level', on: 'logical', restarts: true },
  replicationRight: { by: 'attribute' },
  mends: {
    direct_host: { console: 'Use port 5432; 5431 is PgBouncer.' },
    address: (need) => ({
      console: `Cluster → Networking → Firewall rules: add ${need.cidr ?? 'the address of this machine'}.`,
      cli: `cb network add-firewall-rule --network <network> --rule ${need.cidr ?? '<address>/32'}`,
      cost: 'No restart.',
    }),
    restart: (_need, facts) => ({ cli: `cb restart ${facts.resource}`, cost: 'Every client is disconnected.' }),
    logical_decoding: (_need, facts) => setting('wal_level', 'logical', facts),
    parameter: (need, facts) => setting(need.name, need.value, facts),
  },
  traps: [],
};

function setting(name: string, value: string, { resource }: MendFacts): Answer {
  return { cli: `cb config-param set --cluster ${resource} postgres:${name}=${value}`, cost: 'A restart where the parameter needs one.' };
}
