/** A catalog worker with a shop in it, and planning on it: for this room's tests. */
import { CatalogClient } from '../pglite/catalog-client.ts';
import { MillraceError } from '../base/errors.ts';
import type { Column } from '../values/type.ts';
import { readTypes, type TypeTable } from './mirror/types.ts';
import { builtinsOf, catalogContext, PLANNING_PRELUDE, type PlanRelation } from './tree/catalog-context.ts';
import type { PlanContext } from './tree/context.ts';
import { load } from './tree/load.ts';
import { planQuery, planView, type PlannedQuery, type PlannedView } from './plan-query.ts';
import { printPlan, printSortKey } from '../plan/print.ts';

export interface PlanningFixture {
  readonly catalog: CatalogClient;
  readonly context: PlanContext;
  view(sql: string): Promise<PlannedView>;
  query(sql: string, parameterTypes?: readonly number[], parameters?: readonly (string | null)[]): Promise<PlannedQuery>;
  /** The printed plan of a view. */
  plan(sql: string): Promise<string>;
  /** Printed plan and finish of an ad hoc query. */
  queryPlan(sql: string): Promise<string>;
  /** `code: message` of the refusal. */
  refusal(sql: string): Promise<string>;
  close(): Promise<void>;
}

/** `collationLocale`: of the database, for exactness. */
export async function planningFixture(ddl: string, { collation = 'C' } = {}): Promise<PlanningFixture> {
  const catalog = new CatalogClient({ rebuild: () => [{ id: 'prelude', ddl: [...PLANNING_PRELUDE] }] });
  await catalog.open();
  await catalog.exec(
    ddl
      .split(';')
      .map((statement) => statement.trim())
      .filter((statement) => statement !== ''),
  );
  const databaseCollation = {
    oid: 100,
    schema: 'pg_catalog',
    name: 'default',
    provider: collation === 'C' ? ('c' as const) : ('libc' as const),
    locale: collation,
    deterministic: true,
    version: null,
  };
  const types: TypeTable = await readTypes(catalog, { types: [], collations: [], databaseCollation });
  const relations = await relationsOf(catalog, types);
  const builtins = await builtinsOf(catalog);
  const contextFor = (parameterTypes: readonly number[] = []): PlanContext =>
    catalogContext({
      catalog,
      types,
      builtins,
      parameterTypes,
      relationNamed: (schema, name) => relations.get(`${schema}.${name}`),
      searchPath: ['public'],
    });
  const context = contextFor();

  async function view(sql: string): Promise<PlannedView> {
    const { tree } = await catalog.analyseView({ sql, searchPath: ['public'] });
    return planView(await load(tree, context, 'view'), context);
  }

  async function query(
    sql: string,
    parameterTypes: readonly number[] = [],
    parameters: readonly (string | null)[] = [],
  ): Promise<PlannedQuery> {
    const analysis = await catalog.analyseQuery({ sql, parameterTypes, searchPath: ['public'] });
    const own = contextFor(analysis.parameterTypes);
    return planQuery(await load(analysis.tree, own, 'query'), own, parameters);
  }

  return {
    catalog,
    context,
    view,
    query,
    plan: async (sql) => printPlan((await view(sql)).plan),
    queryPlan: async (sql) => {
      const { plan, finish, columns } = await query(sql);
      const order = finish.order.map((key) => printSortKey(key, plan.columns)).join(', ');
      return `${printPlan(plan)}\nfinish: [${columns.map(({ name }) => name).join(', ')}] order (${order}) limit ${finish.limit} offset ${finish.offset}`;
    },
    refusal: async (sql) => {
      try {
        await view(sql);
      } catch (error) {
        if (error instanceof MillraceError) return `${error.code}: ${error.message}`;
        throw error;
      }
      return 'accepted';
    },
    close: () => catalog.close(),
  };
}

async function relationsOf(catalog: CatalogClient, types: TypeTable): Promise<Map<string, PlanRelation>> {
  const { rows } = await catalog.query(
    `SELECT n.nspname, c.relname, c.relkind::text, a.attname, a.atttypid::text, a.atttypmod::text, a.attcollation::text
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE n.nspname = 'public' AND c.relkind IN ('r', 'v', 'm') AND a.attnum > 0 ORDER BY c.oid, a.attnum`,
  );
  const columns = new Map<string, { kind: PlanRelation['kind']; columns: Column[] }>();
  for (const [schema, name, kind, attribute, type, typmod, collation] of rows) {
    const key = `${schema}.${name}`;
    const entry = columns.get(key) ?? { kind: kind === 'r' ? 'table' : kind === 'v' ? 'view' : 'materializedView', columns: [] };
    columns.set(key, entry);
    entry.columns.push({ name: attribute!, type: types.typeOf(Number(type), Number(typmod), Number(collation)) });
  }
  return new Map(
    [...columns].map(([key, { kind, columns: own }]) => [
      key,
      { kind, objectId: key.split('.')[1]!, name: key.split('.')[1]!, columns: own },
    ]),
  );
}

export const SHOP_DDL = `
  CREATE TYPE order_status AS ENUM ('new', 'paid', 'packed', 'shipped', 'returned');
  CREATE TABLE customers (id integer PRIMARY KEY, name text NOT NULL, region text NOT NULL, city text NOT NULL, since date NOT NULL);
  CREATE TABLE products (id integer PRIMARY KEY, name text NOT NULL, price numeric(10,2) NOT NULL, description text, details jsonb);
  CREATE TABLE orders (id bigint PRIMARY KEY, customer_id integer NOT NULL, status order_status NOT NULL, placed_at timestamptz NOT NULL, note varchar(20), tags text[], weight float8);
  CREATE TABLE order_lines (order_id bigint NOT NULL, line integer NOT NULL, product_id integer NOT NULL, quantity integer NOT NULL, price numeric(10,2) NOT NULL, PRIMARY KEY (order_id, line));
  CREATE VIEW open_orders AS SELECT id, customer_id, status, placed_at FROM orders WHERE status IN ('new', 'paid');
  CREATE MATERIALIZED VIEW revenue_by_region AS SELECT c.region, o.status, count(*) AS lines, sum(l.quantity * l.price) AS revenue FROM customers c JOIN orders o ON o.customer_id = c.id JOIN order_lines l ON l.order_id = o.id GROUP BY c.region, o.status WITH NO DATA;
`;
