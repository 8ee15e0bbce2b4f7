/** The five views of `bench:ivm` as a user writes them, and their plans as the real planner makes them (Postgres analyses). */
import type { Plan } from '../../src/plan/plan.ts';
import { planningFixture } from '../../src/sql/catalog.fixture.ts';
import type { Column } from '../../src/values/type.ts';
import { VIEW_NAMES, type ViewName } from './workload.ts';

export const DDL = `
  CREATE TABLE orders (o_orderkey bigint PRIMARY KEY, o_custkey bigint NOT NULL, o_orderpriority text NOT NULL);
  CREATE TABLE lineitem (l_id bigint PRIMARY KEY, l_orderkey bigint NOT NULL, l_returnflag char(1) NOT NULL, l_quantity integer NOT NULL,
    l_extendedprice numeric(15,2) NOT NULL, l_shipdate date NOT NULL, l_comment_id bigint NOT NULL)`;

const JOINED = 'FROM lineitem JOIN orders ON o_orderkey = l_orderkey';
const FIFTEEN = 'o_orderpriority, l_returnflag';

export const QUERIES: Readonly<Record<ViewName, string>> = {
  A1: `SELECT ${FIFTEEN}, count(*) AS n, sum(l_quantity) AS total ${JOINED} GROUP BY ${FIFTEEN}`,
  A2: `SELECT o_custkey, count(*) AS n, sum(l_extendedprice) AS total ${JOINED} GROUP BY o_custkey`,
  A3: `SELECT ${FIFTEEN}, count(*) AS n, sum(l_extendedprice) AS total ${JOINED} GROUP BY ${FIFTEEN}`,
  M: `SELECT o_custkey, count(*) AS n, sum(l_extendedprice) AS total, min(l_extendedprice) AS lowest ${JOINED} GROUP BY o_custkey`,
  M3: `SELECT ${FIFTEEN}, count(*) AS n, sum(l_extendedprice) AS total, min(l_extendedprice) AS lowest ${JOINED} GROUP BY ${FIFTEEN}`,
};

export interface Planned {
  readonly tables: Readonly<Record<'orders' | 'lineitem', readonly Column[]>>;
  readonly views: Readonly<Record<ViewName, Plan>>;
}

export async function planned(): Promise<Planned> {
  const fixture = await planningFixture(DDL);
  try {
    const views: Partial<Record<ViewName, Plan>> = {};
    for (const name of VIEW_NAMES) views[name] = (await fixture.view(QUERIES[name])).plan;
    const orders = (await fixture.view('SELECT * FROM orders')).plan.columns;
    const lineitem = (await fixture.view('SELECT * FROM lineitem')).plan.columns;
    return { tables: { orders, lineitem }, views: views as Record<ViewName, Plan> };
  } finally {
    await fixture.close();
  }
}
