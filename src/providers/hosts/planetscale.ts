/** PlanetScale for Postgres: on by default; only the default role may make slots. */
import type { Provider } from '../model.ts';
import { EVERYWHERE, IDENTITY, UNSAID } from './guide.ts';

const LINK = 'https://planetscale.com/docs/postgres';

export const planetscale: Provider = {
  id: 'planetscale',
  name: 'PlanetScale',
  link: LINK,
  requirements: [...EVERYWHERE, IDENTITY, ...UNSAID],
  switch: undefined,
  replicationRight: { by: 'fixed', says: 'Only the “default” role may replicate: Branch → Roles → reset or use the default role.' },
  mend(need) {
    switch (need.kind) {
      case 'direct_host':
        return { console: 'Use port 5432; 6432 is PgBouncer.', cost: 'Nothing.', link: LINK };
      case 'parameter':
        return {
          console: `Branch → Clusters → Parameters → ${need.name} = ${need.value} → queue and apply the change.`,
          cost: 'The branch may restart.',
          link: LINK,
        };
      default:
        return undefined;
    }
  },
  traps: [
    {
      about: 'C19',
      says: 'A slot survives a failover only when its name is registered (patroni.slots), with sync_replication_slots and hot_standby_feedback on.',
      source: 'reported',
    },
  ],
};
