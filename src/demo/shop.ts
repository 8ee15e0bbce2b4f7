/**
 * The demo's shop: four tables, 200,000 rows, made inside Postgres from `generate_series` and a hash, so that every run loads the same rows;
 * and five views of rising difficulty. Called by the demo alone.
 */
import type { Client } from 'pg';

export const SHOP_TABLES = ['customers', 'products', 'orders', 'order_lines'] as const;

export interface ShopSize {
  readonly customers: number;
  readonly products: number;
  readonly orders: number;
  readonly lines: number;
}

export const SHOP_SIZE: ShopSize = { customers: 20_000, products: 2_000, orders: 58_000, lines: 120_000 };

const SCHEMA = `
  CREATE TYPE order_status AS ENUM ('new', 'paid', 'packed', 'shipped', 'returned');
  CREATE TABLE customers (
    id integer PRIMARY KEY,
    name text NOT NULL,
    region text NOT NULL,
    city text NOT NULL,
    since date NOT NULL
  );
  CREATE TABLE products (
    id integer PRIMARY KEY,
    name text NOT NULL,
    price numeric(10,2) NOT NULL,
    description text
  );
  CREATE TABLE orders (
    id bigint PRIMARY KEY,
    customer_id integer NOT NULL,
    status order_status NOT NULL,
    placed_at timestamptz NOT NULL
  );
  CREATE TABLE order_lines (
    order_id bigint NOT NULL,
    line integer NOT NULL,
    product_id integer NOT NULL,
    quantity integer NOT NULL,
    price numeric(10,2) NOT NULL,
    PRIMARY KEY (order_id, line)
  );
`;

/** `hashint8(n)` folded into 0 … below: the same everywhere. */
const pick = (seed: string, below: number | string): string => `(abs(hashint8(${seed})::bigint) % ${below})`;

export async function createShop(
  client: Client,
  size: ShopSize = SHOP_SIZE,
  progress: (table: string, rows: number) => void = () => {},
): Promise<void> {
  await client.query(SCHEMA);
  await client.query(
    `INSERT INTO customers SELECT n, 'Customer ' || n, (ARRAY['north','south','east','west','central'])[1 + ${pick('n', 5)}],
       (ARRAY['Ålesund','Bergen','Chiang Mai','Dakar','Essen','Fez','Graz','Hobart','Izmir','Jena','Kyoto','Lima','Malmö','Nantes','Osaka','Porto','Quito','Riga','Split','Turku'])[1 + ${pick('n * 7', 20)}],
       date '2015-01-01' + ${pick('n * 3', 4000)}::integer
     FROM generate_series(1, ${size.customers}) n`,
  );
  progress('customers', size.customers);
  await client.query(
    `INSERT INTO products SELECT n, 'Product ' || n, (100 + ${pick('n', 20000)})::numeric / 100, CASE WHEN n % 50 = 0 THEN repeat('A long description of product ' || n || '. ', 200) END
     FROM generate_series(1, ${size.products}) n`,
  );
  progress('products', size.products);
  await client.query(
    `INSERT INTO orders SELECT n, 1 + ${pick('n', size.customers)}, (ARRAY['new','paid','packed','shipped','shipped','shipped','shipped','returned'])[1 + ${pick('n * 11', 8)}]::order_status,
       timestamptz '2025-01-01 00:00:00+00' + n * interval '7 minutes'
     FROM generate_series(1, ${size.orders}) n`,
  );
  progress('orders', size.orders);
  await client.query(
    `INSERT INTO order_lines SELECT 1 + (n - 1) % ${size.orders}, 1 + (n - 1) / ${size.orders}, p, 1 + ${pick('n * 13', 5)}, (100 + ${pick('p', 20000)})::numeric / 100
     FROM (SELECT n, 1 + ${pick('n * 17', size.products)} AS p FROM generate_series(1, ${size.lines}) n) numbered`,
  );
  progress('order_lines', size.lines);
  for (const table of SHOP_TABLES) await client.query(`ANALYZE ${table}`);
}

export const SHOP_VIEWS: readonly { readonly name: string; readonly sql: string; readonly teaches: string }[] = [
  {
    name: 'open_orders',
    teaches: 'a filter on an enum',
    sql: `SELECT id, customer_id, status, placed_at FROM orders WHERE status IN ('new', 'paid')`,
  },
  {
    name: 'buying_cities',
    teaches: 'a DISTINCT over a join',
    sql: `SELECT DISTINCT c.region, c.city, o.status FROM customers c JOIN orders o ON o.customer_id = c.id`,
  },
  {
    name: 'revenue_by_region',
    teaches: 'a three-table join with aggregates',
    sql: `SELECT c.region, o.status, count(*) AS lines, sum(l.quantity * l.price) AS revenue, avg(l.price) AS average_price, min(o.placed_at) AS first_order, max(l.price) AS dearest
FROM customers c JOIN orders o ON o.customer_id = c.id JOIN order_lines l ON l.order_id = o.id
GROUP BY c.region, o.status`,
  },
  {
    name: 'top_products',
    teaches: 'a top ten',
    sql: `SELECT p.id, p.name, sum(l.quantity) AS sold, sum(l.quantity * l.price) AS revenue
FROM products p JOIN order_lines l ON l.product_id = p.id
GROUP BY p.id, p.name ORDER BY revenue DESC, p.id LIMIT 10`,
  },
  {
    name: 'busy_regions',
    teaches: 'a view on a view',
    sql: `SELECT region, sum(lines) AS lines, sum(revenue) AS revenue FROM revenue_by_region WHERE status <> 'returned' GROUP BY region HAVING sum(lines) > 1000`,
  },
];
