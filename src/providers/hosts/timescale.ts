/** Tiger Cloud (Timescale): logical replication on request; hypertables publish as their chunks. */
import type { Provider } from '../model.ts';
import { EVERYWHERE, IDENTITY, UNSAID } from './guide.ts';

const LINK = 'https://docs.tigerdata.com/';

export const timescale: Provider = {
  id: 'timescale',
  name: 'Tiger Cloud (Timescale)',
  link: LINK,
  requirements: [...EVERYWHERE, IDENTITY, ...UNSAID],
  switch: { parameter: 'wal_level', on: 'logical', restarts: true },
  replicationRight: { by: 'attribute' },
  mend(need) {
    switch (need.kind) {
      case 'logical_decoding':
        return {
          console: 'Service → Operations → Database parameters → wal_level = logical, then restart; where it is not offered, ask support.',
          cost: 'A restart.',
          link: LINK,
        };
      case 'address':
        return { console: 'Service → Security → IP allow list.', cost: 'No restart.', link: LINK };
      default:
        return undefined;
    }
  },
  traps: [
    {
      about: 'C16',
      says: 'A hypertable’s rows live in chunks: the stream names chunks, not the hypertable. Publish ordinary tables.',
      source: 'reported',
    },
  ],
};
