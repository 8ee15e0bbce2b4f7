/** A mirror and a catalog with a shop in them, and how often the catalog worker is asked: for this room's tests. */
import { Catalog, type Source, type Table } from '../catalog/catalog.ts';
import { Mirror } from '../sql/mirror/mirror.ts';
import { PLANNING_PRELUDE } from '../sql/tree/catalog-context.ts';
import type { UpstreamColumn } from '../upstream/table.ts';
import { mirrored } from './define/mirrored.ts';
import { Planner } from './planner.ts';

const COLUMNS: readonly (readonly [string, string])[] = [
  ['id', 'bigint'],
  ['customer', 'integer'],
  ['state', 'public.order_state'],
  ['total', 'numeric(10,2)'],
  ['at', 'timestamp with time zone'],
  ['note', 'character varying(20)'],
  ['weight', 'double precision'],
  ['price', 'public.price'],
];

const databaseCollation = {
  oid: 100,
  schema: 'pg_catalog',
  name: 'default',
  provider: 'c',
  locale: 'C',
  deterministic: true,
  version: null,
} as const;

export interface ShopMirror {
  readonly mirror: Mirror;
  readonly catalog: Catalog;
  readonly planner: Planner;
  /** How often Postgres was asked meanwhile. */
  asked(work: () => Promise<unknown>): Promise<number>;
  close(): Promise<void>;
}

export async function shopMirror(): Promise<ShopMirror> {
  const catalog = new Catalog();
  const mirror = new Mirror({ version: 'v0', environmentId: 'e', prelude: PLANNING_PRELUDE });
  const source = {
    kind: 'source',
    id: 'u1',
    schema: 'public',
    name: 'shop',
    createSql: '',
    connectionId: '',
    publication: 'p',
    facts: { databaseCollation },
    types: [
      { kind: 'enum', oid: 20_000, schema: 'public', name: 'order_state', labels: ['new', 'paid'] },
      { kind: 'domain', oid: 20_001, schema: 'public', name: 'price', baseTypeName: 'numeric(12,3)' },
    ],
    collations: [databaseCollation],
  } as unknown as Source;
  const columns = COLUMNS.map(([name, typeName], i): UpstreamColumn => ({
    attnum: i + 1,
    name,
    typeName,
    notNull: false,
    typeOid: 0,
    typmod: -1,
    collationOid: 0,
  }));
  const upstream = { oid: 1, schema: 'public', name: 'orders', replicaIdentity: 'd', columns, key: [0] } as const;
  const draft: Table = { kind: 'table', id: 'u2', schema: 'public', name: 'orders', createSql: '', sourceId: 'u1', upstream, columns: [] };
  await mirror.open([...mirrored(catalog, source), ...mirrored(catalog, draft)]);
  const seen = await mirror.analyseView({ sql: 'SELECT * FROM orders', searchPath: ['public'] });
  catalog.add(source);
  catalog.add({
    ...draft,
    columns: seen.columns.map(({ name, typeOid, typmod, collationOid }) => ({
      name,
      type: seen.types.typeOf(typeOid, typmod, collationOid),
    })),
  });
  let count = 0;
  for (const method of ['query', 'queryRaw', 'describe', 'analyseView', 'analyseQuery'] as const) {
    const own = mirror.catalog[method].bind(mirror.catalog) as (...given: unknown[]) => unknown;
    Object.assign(mirror.catalog, { [method]: (...given: unknown[]) => (count++, own(...given)) });
  }
  return {
    mirror,
    catalog,
    planner: new Planner(mirror, () => catalog),
    async asked(work) {
      const before = count;
      await work();
      return count - before;
    },
    close: () => mirror.close(),
  };
}
