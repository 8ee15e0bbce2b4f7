/** Fly: Managed Postgres (private network, without TLS) and the older unmanaged clusters. */
import type { Provider } from '../model.ts';
import { requirements } from './guide.ts';

export const fly: Provider = {
  id: 'fly',
  name: 'Fly.io',
  link: 'https://fly.io/docs/mpg/',
  requirements: requirements(),
  switch: { parameter: 'wal_level', on: 'logical', restarts: true },
  replicationRight: { by: 'attribute' },
  withoutTls: true,
  mends: {
    logical_decoding: {
      cli: 'fly pg config update --wal-level=logical --app <app>   # unmanaged clusters; Managed Postgres has it on',
      cost: 'A restart.',
    },
    direct_host: { console: 'Use the direct host of the cluster (direct.<cluster>.flympg.net), not pgbouncer.<cluster>.flympg.net.' },
    address: { cli: 'fly mpg proxy <cluster>   # or run Millrace inside the private network' },
    tls: { console: 'The private network has no TLS: sslmode=disable.' },
  },
  traps: [],
};
