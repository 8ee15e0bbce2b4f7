/** Tiger Cloud (Timescale): whether logical replication is offered is told differently, so the probe decides; hypertables publish as their chunks. */
import type { Provider } from '../model.ts';
import { requirements } from './guide.ts';

export const timescale: Provider = {
  id: 'timescale',
  name: 'Tiger Cloud (Timescale)',
  link: 'https://docs.tigerdata.com/',
  requirements: requirements(),
  switch: { parameter: 'wal_level', on: 'logical', restarts: true },
  replicationRight: { by: 'attribute' },
  mends: {
    logical_decoding: {
      console:
        'Service → Operations → Database parameters → wal_level = logical, then restart (check this: some say that the service does not offer it; then ask support).',
      cost: 'A restart.',
    },
    address: { console: 'Service → Security → IP allow list.', cost: 'No restart.' },
  },
  traps: [
    {
      about: 'C08',
      says: 'Sources differ on whether the service offers logical replication at all (check this): what counts is the probe.',
      source: 'reported',
    },
    { about: 'C10', says: 'Whether tsdbadmin may give REPLICATION is not verified (check this): setup tries.', source: 'reported' },
    {
      about: 'C16',
      says: 'A hypertable’s rows live in chunks: the stream names chunks, not the hypertable. Publish ordinary tables.',
      source: 'reported',
    },
  ],
};
