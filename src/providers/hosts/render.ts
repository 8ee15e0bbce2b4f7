/** Render: logical replication by a support ticket only. */
import type { Provider } from '../model.ts';
import { requirements } from './guide.ts';

export const render: Provider = {
  id: 'render',
  name: 'Render',
  link: 'https://render.com/docs/postgresql-logical-replication',
  requirements: requirements(),
  switch: { parameter: 'wal_level', on: 'logical', restarts: true },
  replicationRight: {
    by: 'fixed',
    says: 'Render’s support gives the right to replicate, in the same ticket that turns logical replication on.',
  },
  mends: {
    logical_decoding: {
      console:
        'Ask Render’s support: a Pro workspace or higher and at least 10 GB of disk; 1/8 of the disk is reserved for WAL. It happens in a maintenance window.',
      cost: 'A restart, a part of the disk, perhaps a higher plan.',
    },
    address: (need) => ({
      console: `Database → Networking → Access control: add ${need.cidr ?? 'the address of this machine'}.`,
      cost: 'No restart.',
    }),
    direct_host: { console: 'Use the external (or internal) database URL, not that of a PgBouncer service.' },
  },
  traps: [
    {
      about: 'C19',
      says: 'The standby is asynchronous: after a failover changes that were already streamed may be gone.',
      source: 'vendor',
    },
  ],
};
