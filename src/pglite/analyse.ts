/**
 * From SQL text to Postgres's analysed query tree (I-5): names, types, overloads and coercions resolved to OIDs by Postgres itself.
 * A view's text becomes a temporary view, an ad hoc statement a temporary SQL-standard function, each in a transaction that is rolled back; nothing stays.
 * Error positions are those of the caller's own text. Called by `catalog-worker.ts`.
 */
import { MillraceError } from '../base/errors.ts';
import { ident } from '../base/ident.ts';
import type { Analysis, AnalysedColumn, Dependency, Description, QueryToAnalyse, ViewToAnalyse } from './catalog-contract.ts';
import type { PostgresInstance } from './instance.ts';
import { postgresError } from './postgres-error.ts';
import { joined, request } from './messages.ts';
import { localSettings } from './settings.ts';

const TEXT_OID = 25;
const UNKNOWN_OID = 705;

/** Parameter types and result columns, without running anything. Refuses what is more than one statement. */
export function describe(pg: PostgresInstance, query: QueryToAnalyse): Description {
  return pg.inTransaction(`BEGIN READ ONLY${localSettings(query)}`, 'ROLLBACK', () => describeHere(pg, query));
}

function describeHere(pg: PostgresInstance, { sql, parameterTypes = [] }: QueryToAnalyse): Description {
  const reply = pg.exchange(joined(request.parse(sql, parameterTypes), request.describeStatement(), request.sync()));
  if (reply.error !== undefined) throw postgresError(reply.error);
  return { parameterTypes: reply.parameterTypes.map((oid) => (oid === UNKNOWN_OID ? TEXT_OID : oid)), columns: reply.columns };
}

export function analyseView(pg: PostgresInstance, view: ViewToAnalyse): Analysis {
  const names = view.columnNames === undefined ? '' : ` (${view.columnNames.map(ident).join(', ')})`;
  const prefix = `CREATE TEMPORARY VIEW millrace_analysed${names} AS `;
  return pg.inTransaction(`BEGIN${localSettings(view)}`, 'ROLLBACK', () => {
    // Parse takes one statement only, so nothing can follow the view's query.
    const reply = pg.exchange(joined(request.parse(prefix + view.sql), request.bind(), request.execute(), request.sync()));
    if (reply.error !== undefined) throw postgresError(reply.error, prefix);
    const [row] = pg.query(`SELECT oid, ev_class, ev_action FROM pg_rewrite WHERE ev_class = 'pg_temp.millrace_analysed'::regclass`).rows;
    const [rule, relation, tree] = row! as [string, string, string];
    const columns = columnsOf(pg, relation);
    const dependsOn = dependenciesOf(pg, 'pg_rewrite', rule, relation);
    // Last, because it may fail: what nests too deeply to be printed can be analysed all the same.
    const definition = definitionOf(pg, relation);
    return { tree, columns, parameterTypes: [], dependsOn, ...(definition === undefined ? {} : { definition }) };
  });
}

export function analyseQuery(pg: PostgresInstance, query: QueryToAnalyse): Analysis {
  return pg.inTransaction(`BEGIN${localSettings(query)}`, 'ROLLBACK', () => {
    const { parameterTypes, columns } = describeHere(pg, query);
    const types = parameterTypes.length === 0 ? [] : typeNames(pg, parameterTypes);
    const prefix = `CREATE FUNCTION pg_temp.millrace_analysed(${types.join(', ')}) RETURNS SETOF record BEGIN ATOMIC `;
    // A new line, because the text may end in a comment.
    const reply = pg.exchange(request.query(`${prefix}${query.sql}\n; END`));
    if (reply.error !== undefined) throw postgresError(reply.error, prefix);
    const [row] = pg.query(
      `SELECT oid, prosqlbody FROM pg_proc WHERE pronamespace = pg_my_temp_schema() AND proname = 'millrace_analysed'`,
    ).rows;
    const [proc, tree] = row! as [string, string];
    return {
      tree,
      columns: (columns ?? []).map(({ name, typeOid, typmod }) => ({ name, typeOid, typmod, collationOid: undefined })),
      parameterTypes,
      dependsOn: dependenciesOf(pg, 'pg_proc', proc, '0'),
    };
  });
}

function definitionOf(pg: PostgresInstance, view: string): string | undefined {
  try {
    pg.run('SET LOCAL search_path = pg_temp');
    return pg.query('SELECT pg_get_viewdef($1::oid)', [view]).rows[0]?.[0]?.replace(/;\s*$/, '').trim();
  } catch (error) {
    if (error instanceof MillraceError) return undefined;
    throw error;
  }
}

function typeNames(pg: PostgresInstance, oids: readonly number[]): string[] {
  const { rows } = pg.query(`SELECT format_type(oid, NULL) FROM unnest($1::oid[]) WITH ORDINALITY AS u(oid, i) ORDER BY i`, [
    `{${oids.join(',')}}`,
  ]);
  return rows.map(([name]) => name!);
}

function columnsOf(pg: PostgresInstance, relation: string): AnalysedColumn[] {
  const { rows } = pg.query(
    'SELECT attname, atttypid, atttypmod, attcollation FROM pg_attribute WHERE attrelid = $1::oid AND attnum > 0 ORDER BY attnum',
    [relation],
  );
  return rows.map(([name, type, typmod, collation]) => ({
    name: name!,
    typeOid: Number(type),
    typmod: Number(typmod),
    collationOid: Number(collation),
  }));
}

/** What pg_depend says of the rule or function; built-in objects are pinned and not in there. */
function dependenciesOf(pg: PostgresInstance, catalog: 'pg_rewrite' | 'pg_proc', object: string, self: string): Dependency[] {
  const { rows } = pg.query(
    `SELECT d.refobjid,
            CASE WHEN d.refclassid = 'pg_class'::regclass THEN CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materializedView' ELSE 'table' END
                 WHEN d.refclassid = 'pg_proc'::regclass THEN 'function'
                 WHEN d.refclassid = 'pg_type'::regclass THEN 'type'
                 ELSE 'other' END,
            coalesce(n.nspname, ''), coalesce(c.relname, p.proname, t.typname, i.identity),
            array_to_string(array_agg(DISTINCT d.refobjsubid) FILTER (WHERE d.refobjsubid <> 0), ',')
     FROM pg_depend d
     CROSS JOIN LATERAL pg_identify_object(d.refclassid, d.refobjid, 0) i
     LEFT JOIN pg_class c ON d.refclassid = 'pg_class'::regclass AND c.oid = d.refobjid
     LEFT JOIN pg_proc p ON d.refclassid = 'pg_proc'::regclass AND p.oid = d.refobjid
     LEFT JOIN pg_type t ON d.refclassid = 'pg_type'::regclass AND t.oid = d.refobjid
     -- By its own name: pg_identify_object writes it with quotes.
     LEFT JOIN pg_namespace n ON n.oid = coalesce(c.relnamespace, p.pronamespace, t.typnamespace)
     WHERE d.classid = $1::regclass AND d.objid = $2::oid AND d.deptype = 'n' AND d.refobjid <> $3::oid AND d.refclassid <> 'pg_namespace'::regclass
     GROUP BY 1, 2, 3, 4 ORDER BY 1`,
    [catalog, object, self],
  );
  return rows.map(([oid, kind, schema, name, attnums]) => ({
    oid: Number(oid),
    kind: kind as Dependency['kind'],
    schema: schema!,
    name: name!,
    attnums: attnums === null || attnums === undefined || attnums === '' ? [] : attnums.split(',').map(Number),
  }));
}
