/** Railway: a plain Postgres with a superuser; ALTER SYSTEM and a redeploy. */
import type { Provider } from '../model.ts';
import { requirements } from './guide.ts';

const LINK = 'https://docs.railway.com/guides/postgresql';

export const railway: Provider = {
  id: 'railway',
  name: 'Railway',
  link: LINK,
  requirements: requirements(),
  switch: { parameter: 'wal_level', on: 'logical', restarts: true },
  replicationRight: { by: 'attribute' },
  superuser: true,
  mend(need) {
    switch (need.kind) {
      case 'restart':
        return {
          console: 'Project → the Postgres service → Deployments → Restart.',
          cli: 'railway redeploy --service Postgres',
          cost: 'Every client is disconnected.',
          link: LINK,
        };
      case 'address':
        return {
          console: 'Project → the Postgres service → Settings → Networking → TCP proxy.',
          cost: 'Traffic through the proxy is billed.',
          link: LINK,
        };
      default:
        return undefined;
    }
  },
  traps: [],
};
