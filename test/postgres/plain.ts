/**
 * `npm run postgres:plain`: a Postgres as it comes out of the box (wal_level = replica) with a table that has no key. Prints its URL and stays until interrupted.
 * For trying `millrace doctor URL` on: it prints two findings.
 */
import { startPostgres } from './postgres.ts';

const pg = await startPostgres({ settings: { wal_level: 'replica', max_wal_senders: 10, max_replication_slots: 10 } });
await pg.createDatabase('shop');
await pg.query(
  `CREATE TABLE orders (id bigint PRIMARY KEY, customer text NOT NULL, total numeric(12,2) NOT NULL, at timestamptz NOT NULL DEFAULT now());
   CREATE TABLE visits (customer text, page text, at timestamptz NOT NULL DEFAULT now());
   INSERT INTO orders SELECT n, 'customer ' || n % 100, n * 1.25 FROM generate_series(1, 1000) n;
   INSERT INTO visits SELECT 'customer ' || n % 100, '/page/' || n % 17 FROM generate_series(1, 1000) n;`,
  undefined,
  'shop',
);
process.stdout.write(`${pg.url(undefined, 'shop')}\n`);

// The server is a child that does not keep us alive; this does.
const stay = setInterval(() => undefined, 2 ** 30);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    clearInterval(stay);
    void pg.stop().then(() => process.exit(0));
  });
