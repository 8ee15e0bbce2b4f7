/** Aiven for PostgreSQL: logical by default, avnadmin replicates; all tables through aiven_extras. */
import type { Provider } from '../model.ts';
import { requirements } from './guide.ts';

export const aiven: Provider = {
  id: 'aiven',
  name: 'Aiven',
  link: 'https://aiven.io/docs/products/postgresql/howto/setup-logical-replication',
  requirements: requirements(),
  switch: undefined,
  replicationRight: { by: 'attribute' },
  mends: {
    address: (need, facts) => ({
      cli: `avn service update ${facts.resource} -c ip_filter='["<present networks>","${need.cidr ?? '<address>/32'}"]'   # the list is replaced whole`,
      console: 'Service → Networking → Allowed IP addresses.',
      cost: 'No restart.',
    }),
    parameter: (need, facts) => ({
      cli: `avn service update ${facts.resource} -c pg.${need.name}=${need.value.replace('GB', '')}`,
      cost: 'The service may restart.',
      link: 'https://aiven.io/docs/products/postgresql/reference/advanced-params',
    }),
    logical_decoding: { console: 'It is on by default: ask Aiven’s support why wal_level is not logical.' },
  },
  traps: [
    {
      about: 'C14',
      says: 'All tables can be published only through aiven_extras.pg_create_publication_for_all_tables.',
      source: 'reported',
    },
  ],
};
