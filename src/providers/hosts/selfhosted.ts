/** A Postgres of your own: settings by ALTER SYSTEM, a line in pg_hba.conf, a restart that only you can make. */
import type { Provider } from '../model.ts';
import { requirements } from './guide.ts';

export const selfhosted: Provider = {
  id: 'selfhosted',
  name: 'Postgres',
  link: 'https://www.postgresql.org/docs/current/logical-replication.html',
  requirements: requirements(),
  switch: { parameter: 'wal_level', on: 'logical', restarts: true },
  replicationRight: { by: 'attribute' },
  plain: true,
  superuser: true,
  withoutTls: true,
  mends: {},
  traps: [],
};
