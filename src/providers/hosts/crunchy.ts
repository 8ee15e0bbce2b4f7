/** Crunchy Bridge: logical by default, `postgres` is a true superuser. */
import type { Provider } from '../model.ts';
import { requirements } from './guide.ts';

const LINK = 'https://docs.crunchybridge.com/how-to/logical-replication';

export const crunchy: Provider = {
  id: 'crunchy',
  name: 'Crunchy Bridge',
  link: LINK,
  requirements: requirements(),
  switch: { parameter: 'wal_level', on: 'logical', restarts: true },
  replicationRight: { by: 'attribute' },
  mend(need, facts) {
    switch (need.kind) {
      case 'direct_host':
        return { console: 'Use port 5432; 5431 is PgBouncer.', cost: 'Nothing.', link: LINK };
      case 'address':
        return {
          console: `Cluster → Networking → Firewall rules: add ${need.cidr ?? 'the address of this machine'}.`,
          cli: `cb network add-firewall-rule --network <network> --rule ${need.cidr ?? '<address>/32'}`,
          cost: 'No restart.',
          link: LINK,
        };
      case 'restart':
        return { cli: `cb restart ${facts.resource}`, cost: 'Every client is disconnected.', link: LINK };
      case 'logical_decoding':
      case 'parameter': {
        const [name, value] = need.kind === 'parameter' ? [need.name, need.value] : ['wal_level', 'logical'];
        return {
          cli: `cb config-param set --cluster ${facts.resource} postgres:${name}=${value}`,
          cost: 'A restart where the parameter needs one.',
          link: LINK,
        };
      }
      default:
        return undefined;
    }
  },
  traps: [],
};
