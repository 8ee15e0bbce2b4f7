/** Heroku Postgres: no logical replication at all. Recognised, refused. */
import type { Provider } from '../model.ts';
import { requirements } from './guide.ts';

export const heroku: Provider = {
  id: 'heroku',
  name: 'Heroku Postgres',
  link: 'https://devcenter.heroku.com/articles/heroku-postgresql',
  requirements: requirements(),
  switch: undefined,
  replicationRight: { by: 'fixed', says: 'Heroku gives no role the right to replicate.' },
  refused: {
    reason: 'Heroku Postgres gives no access to logical replication',
    wayOut:
      'Move the database to a host that does (RDS, Cloud SQL, Crunchy Bridge, …), for example from a backup: heroku pg:backups:download.',
  },
  mends: {},
  traps: [],
};
