/** A Postgres of your own: settings by ALTER SYSTEM, a line in pg_hba.conf, a restart that only you can make. */
import type { Provider } from '../model.ts';
import { requirements } from './guide.ts';

const LINK = 'https://www.postgresql.org/docs/current/logical-replication.html';

export const selfhosted: Provider = {
  id: 'selfhosted',
  name: 'Postgres',
  link: LINK,
  requirements: requirements(),
  switch: { parameter: 'wal_level', on: 'logical', restarts: true },
  replicationRight: { by: 'attribute' },
  plain: true,
  superuser: true,
  withoutTls: true,
  mend: () => undefined,
  traps: [],
};
