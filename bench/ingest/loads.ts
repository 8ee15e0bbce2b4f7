/**
 * What `bench:ingest` lets Postgres do, as procedures that commit as they go (a client could not write fast enough), and the views that stand on it.
 * Every load ends with a row in `marker`; its arrival at a subscriber says that everything before it is applied, its WAL position where pg_recvlogical may stop.
 */

/** Rows there before any load. */
export interface Sizes {
  readonly lines: number;
  readonly accounts: number;
}

export const TABLES = ['orders', 'lineitem', 'lineitem_new', 'documents', 'branches', 'tellers', 'accounts', 'history', 'marker'] as const;

const LINE = `l_orderkey int8 NOT NULL, l_returnflag char(1) NOT NULL, l_quantity int4 NOT NULL, l_extendedprice numeric(15,2) NOT NULL,
  l_shipdate date NOT NULL, l_comment_id int8 NOT NULL`;
/** The columns of a line after its key. */
const LINE_VALUES = (orders: number): string =>
  `1 + (random() * ${orders - 1})::int8, (ARRAY['A','N','R'])[1 + (random() * 2)::int], 1 + (random() * 49)::int, (1 + random() * 9999998)::int8 / 100.0,
   date '1992-01-01' + (random() * 2000)::int, (random() * 1000000)::int8`;

export function schema({ lines, accounts }: Sizes): string {
  const orders = Math.ceil(lines / 4);
  return `
    CREATE TABLE orders (o_orderkey int8 PRIMARY KEY, o_custkey int8 NOT NULL, o_orderpriority text NOT NULL);
    CREATE TABLE lineitem (l_id int8 PRIMARY KEY, ${LINE});
    CREATE TABLE lineitem_new (l_id bigserial PRIMARY KEY, ${LINE});
    CREATE TABLE documents (id uuid PRIMARY KEY, ${LINE});
    CREATE TABLE branches (bid int4 PRIMARY KEY, bbalance int4 NOT NULL);
    CREATE TABLE tellers (tid int4 PRIMARY KEY, bid int4 NOT NULL, tbalance int4 NOT NULL);
    CREATE TABLE accounts (aid int4 PRIMARY KEY, bid int4 NOT NULL, abalance int4 NOT NULL, filler char(84) NOT NULL);
    CREATE TABLE history (hid bigserial PRIMARY KEY, tid int4 NOT NULL, bid int4 NOT NULL, aid int4 NOT NULL, delta int4 NOT NULL, mtime timestamptz NOT NULL);
    CREATE TABLE marker (id int4 PRIMARY KEY);
    INSERT INTO orders SELECT n, 1 + (random() * ${Math.max(1, Math.floor(lines / 40) - 1)})::int8, (ARRAY['1-URGENT','2-HIGH','3-MEDIUM','4-NOT SPECIFIED','5-LOW'])[1 + n % 5]
      FROM generate_series(1, ${orders}) n;
    INSERT INTO lineitem SELECT n, ${LINE_VALUES(orders)} FROM generate_series(1, ${lines}) n;
    INSERT INTO branches SELECT n, 0 FROM generate_series(1, 10) n;
    INSERT INTO tellers SELECT n, 1 + n % 10, 0 FROM generate_series(1, 100) n;
    INSERT INTO accounts SELECT n, 1 + n % 10, 0, '' FROM generate_series(1, ${accounts}) n;
    CREATE PROCEDURE insert_serial(n int, per int) LANGUAGE plpgsql AS $$ BEGIN
      FOR i IN 1..n LOOP INSERT INTO lineitem_new (l_orderkey, l_returnflag, l_quantity, l_extendedprice, l_shipdate, l_comment_id) SELECT ${LINE_VALUES(orders)};
      IF i % per = 0 THEN COMMIT; END IF; END LOOP; END $$;
    CREATE PROCEDURE insert_uuid(n int, per int) LANGUAGE plpgsql AS $$ BEGIN
      FOR i IN 1..n LOOP INSERT INTO documents SELECT gen_random_uuid(), ${LINE_VALUES(orders)}; IF i % per = 0 THEN COMMIT; END IF; END LOOP; END $$;
    CREATE PROCEDURE update_random(n int, per int) LANGUAGE plpgsql AS $$ DECLARE k int8; BEGIN
      FOR i IN 1..n LOOP k := 1 + floor(random() * ${lines}); UPDATE lineitem SET l_quantity = 1 + (random() * 49)::int, l_extendedprice = (1 + random() * 9999998)::int8 / 100.0
        WHERE l_id = k; IF i % per = 0 THEN COMMIT; END IF; END LOOP; END $$;
    CREATE PROCEDURE tpcb(n int, per int) LANGUAGE plpgsql AS $$ DECLARE a int; t int; b int; d int; BEGIN
      FOR i IN 1..n / 4 LOOP a := 1 + floor(random() * ${accounts}); t := 1 + floor(random() * 100); b := 1 + t % 10; d := (random() * 10000)::int - 5000;
      UPDATE accounts SET abalance = abalance + d WHERE aid = a; UPDATE tellers SET tbalance = tbalance + d WHERE tid = t;
      UPDATE branches SET bbalance = bbalance + d WHERE bid = b; INSERT INTO history (tid, bid, aid, delta, mtime) VALUES (t, b, a, d, now());
      COMMIT; END LOOP; END $$;`;
}

const M = (table: string): string =>
  `SELECT o_custkey, count(*) AS n, sum(l_extendedprice) AS total, min(l_extendedprice) AS lowest FROM ${table} JOIN orders ON o_orderkey = l_orderkey GROUP BY o_custkey`;

export interface Load {
  readonly name: string;
  readonly procedure: string;
  readonly perTransaction: number;
  readonly table: string;
  /** The one view that stands on the table while the load is measured. */
  readonly view: string;
}

export const LOADS: readonly Load[] = [
  {
    name: 'inserts, serial keys, transactions of 100',
    procedure: 'insert_serial',
    perTransaction: 100,
    table: 'lineitem_new',
    view: M('lineitem_new'),
  },
  {
    name: 'inserts, serial keys, transactions of 1',
    procedure: 'insert_serial',
    perTransaction: 1,
    table: 'lineitem_new',
    view: M('lineitem_new'),
  },
  {
    name: 'inserts, random uuid keys, transactions of 100',
    procedure: 'insert_uuid',
    perTransaction: 100,
    table: 'documents',
    view: M('documents'),
  },
  {
    name: 'updates of random rows, transactions of 100',
    procedure: 'update_random',
    perTransaction: 100,
    table: 'lineitem',
    view: M('lineitem'),
  },
  {
    name: 'updates of random rows, transactions of 1',
    procedure: 'update_random',
    perTransaction: 1,
    table: 'lineitem',
    view: M('lineitem'),
  },
  {
    name: 'TPC-B, transactions of 4 changes',
    procedure: 'tpcb',
    perTransaction: 4,
    table: 'accounts',
    view: 'SELECT b.bid, b.bbalance, sum(h.delta) AS total, count(*) AS n FROM branches b JOIN history h ON h.bid = b.bid GROUP BY b.bid, b.bbalance',
  },
];
