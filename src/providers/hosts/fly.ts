/** Fly: Managed Postgres (private network, without TLS) and the older unmanaged clusters. */
import type { Provider } from '../model.ts';
import { requirements } from './guide.ts';

const LINK = 'https://fly.io/docs/mpg/';

export const fly: Provider = {
  id: 'fly',
  name: 'Fly.io',
  link: LINK,
  requirements: requirements(),
  switch: { parameter: 'wal_level', on: 'logical', restarts: true },
  replicationRight: { by: 'attribute' },
  withoutTls: true,
  mend(need) {
    switch (need.kind) {
      case 'logical_decoding':
        return {
          cli: 'fly pg config update --wal-level=logical --app <app>   # unmanaged clusters; Managed Postgres has it on',
          cost: 'A restart.',
          link: LINK,
        };
      case 'direct_host':
        return {
          console: 'Use the direct host of the cluster (direct.<cluster>.flympg.net), not pgbouncer.<cluster>.flympg.net.',
          cost: 'Nothing.',
          link: LINK,
        };
      case 'address':
        return { cli: 'fly mpg proxy <cluster>   # or run Millrace inside the private network', cost: 'Nothing.', link: LINK };
      case 'tls':
        return { console: 'The private network has no TLS: sslmode=disable.', cost: 'Nothing.', link: LINK };
      default:
        return undefined;
    }
  },
  traps: [],
};
