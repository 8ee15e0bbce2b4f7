/**
 * A session on a coordinator that is none: what it asks of planner, engine and Postgres is written down, and answered with a row. For this room's tests.
 *
 *     const { run } = session();  await run('SELECT n FROM orders')   →   { tag: 'SELECT 1', rows: [['1']] }
 */
import { ClientsMemory } from '../base/client-memory.ts';
import { Catalog } from '../catalog/catalog.ts';
import type { Result } from '../server/session.ts';
import { rowsIn } from '../wire/data-row.ts';
import type { Coordinator } from './coordinator.ts';
import { textRows } from './results/literal-result.ts';
import { EngineSession } from './session.ts';

export interface Ran {
  readonly tag: string;
  readonly columns: readonly string[] | null;
  readonly rows: readonly (readonly (string | null)[])[];
  readonly result: Result;
}

/** A text that names orders reads a table; any other is the catalog's own. */
const readsTable = (sql: string): boolean => /orders/.test(sql);

export function session({ rows = [['1']], startup = {} as Record<string, string> } = {}) {
  const asked: string[] = [];
  const row = textRows(rows);
  const ask = <T>(what: string, answer: T): Promise<T> => (asked.push(what), Promise.resolve(answer));
  const analysed = (sql: string) => ({
    tree: sql,
    columns: [{ name: 'n', typeOid: 23, typmod: -1, collationOid: undefined }],
    parameterTypes: [...sql.matchAll(/\$\d/g)].map(() => 25),
    types: { typeOf: () => ({ kind: 'base' }) },
    relations: new Map(),
    names: '',
  });
  const planned = { plan: { op: 'scan' }, columns: [{}], finish: { order: [], limit: null, offset: 0, project: [0] } };
  let number = 0;
  const coordinator = {
    catalog: new Catalog([{ kind: 'secret', id: 'u1', schema: 'public', name: 'pw', createSql: `CREATE SECRET pw AS '********'` }]),
    memory: new ClientsMemory(),
    sessions: new Set(),
    auditQueue: { run: (_: AbortSignal, work: () => Promise<unknown>) => work() },
    source: undefined,
    nextNumber: () => ++number,
    define: (work: () => Promise<unknown>) => work(),
    planner: {
      analyse: (sql: string) => ask(`analyse ${sql}`, analysed(sql)),
      analyseView: (sql: string) => ask(`analyse ${sql}`, analysed(sql)),
      isCurrent: () => Promise.resolve(true),
      isCatalogStatement: ({ tree }: { tree: string }) => !readsTable(tree),
      isTrivial: () => false,
      query: ({ tree }: { tree: string }, values: unknown[]) => ask(`plan ${tree} with ${JSON.stringify(values)}`, planned),
      view: ({ tree }: { tree: string }) => ask(`plan view ${tree}`, planned),
    },
    mirror: {
      run: (_: object, { sql }: { sql: string }) =>
        ask(`catalog ${sql}`, { columns: [], rows: row.bytes, rowCount: row.rows, tag: 'SELECT', notices: [] }),
    },
    engine: {
      cancellable: (_: number, __: AbortSignal, work: () => Promise<unknown>) => work(),
      rpc: { call: (method: string) => ask(`engine ${method}`, { batches: [row] }) },
      subscribe: () =>
        ask(
          'engine subscribe',
          (async function* () {
            yield await Promise.resolve(row);
          })(),
        ),
    },
  };
  const made = new EngineSession(coordinator as unknown as Coordinator, new Map(Object.entries(startup)));
  return {
    session: made,
    /** What was asked since it was last read. */
    asked: () => asked.splice(0),
    run: async (sql: string, values: readonly (string | null)[] = []): Promise<Ran> => {
      const prepared = await made.prepare(sql, []);
      const result = await made.execute(
        prepared,
        values.map((value) => (value === null ? null : Buffer.from(value))),
        [],
        [],
      );
      const seen: (string | null)[][] = [];
      let sent = 0;
      if (result.body.kind !== 'none')
        for await (const { bytes, rows: count } of result.body.batches) {
          sent += count;
          for (const fields of rowsIn(bytes)) seen.push(fields.map((field) => field && field.toString('utf8')));
        }
      return { tag: result.tag(sent), columns: prepared.columns?.map(({ name }) => name) ?? null, rows: seen, result };
    },
  };
}
