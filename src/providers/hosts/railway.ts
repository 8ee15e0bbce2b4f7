/** Railway: a plain Postgres with a superuser; ALTER SYSTEM and a redeploy. */
import type { Provider } from '../model.ts';
import { requirements } from './guide.ts';

export const railway: Provider = {
  id: 'railway',
  name: 'Railway',
  link: 'https://docs.railway.com/guides/postgresql',
  requirements: requirements(),
  switch: { parameter: 'wal_level', on: 'logical', restarts: true },
  replicationRight: { by: 'attribute' },
  superuser: true,
  mends: {
    restart: {
      console: 'Project → the Postgres service → Deployments → Restart.',
      cli: 'railway redeploy --service Postgres',
      cost: 'Every client is disconnected.',
    },
    address: {
      console: 'Project → the Postgres service → Settings → Networking → TCP proxy.',
      cost: 'Traffic through the proxy is billed.',
    },
  },
  traps: [],
};
