/** What the catalog worker is asked, one request at a time. Plain data both ways. `catalog-client.ts` asks, `catalog-worker.ts` answers. */
import type { PlainError } from '../base/errors.ts';
import type { Complaint, FieldDescription } from './messages.ts';

/** How names resolve and values print while one statement runs. */
export interface StatementSettings {
  /** Schemas in order; pg_catalog is implied in front, as in Postgres. */
  readonly searchPath?: readonly string[];
  /** TimeZone, DateStyle … */
  readonly settings?: Readonly<Record<string, string>>;
}

/** One statement of DDL, run as the mirror's owner, or as superuser (functions and collations in pg_catalog). */
export type Ddl = string | { readonly privileged: string };

/** One object of the mirror in a rebuild: all of it or nothing, and without it the others still are. */
export interface RebuildStep {
  readonly id: string;
  readonly ddl: readonly Ddl[];
}

export interface RebuildFailure {
  readonly id: string;
  readonly error: PlainError;
}

export interface CatalogRows {
  readonly columns: readonly FieldDescription[];
  readonly rows: (string | null)[][];
}

export interface RawStatement extends StatementSettings {
  readonly sql: string;
  readonly parameterTypes: readonly number[];
  /** As in Bind. */
  readonly parameters: readonly (Uint8Array | null)[];
  readonly parameterFormats: readonly number[];
  readonly resultFormats: readonly number[];
  /** Status relations that it reads, as they are now: DDL that is committed before it. */
  readonly before?: readonly Ddl[];
}

export interface RawResult {
  /** null: the statement returns no rows. */
  readonly columns: readonly FieldDescription[] | null;
  /** A run of whole DataRow messages, ready for a socket. */
  readonly rows: Uint8Array;
  readonly rowCount: number;
  readonly tag: string;
  readonly notices: readonly Complaint[];
  /** What Postgres's memory has grown to, for good. */
  readonly memoryBytes: number;
}

export interface Description {
  readonly parameterTypes: readonly number[];
  readonly columns: readonly FieldDescription[] | null;
}

/** An object of the mirror that an analysed statement refers to. Columns by mirror attnum; empty = the whole (or none by name). */
export interface Dependency {
  readonly oid: number;
  readonly kind: 'table' | 'view' | 'materializedView' | 'function' | 'type' | 'other';
  readonly schema: string;
  readonly name: string;
  readonly attnums: readonly number[];
}

export interface AnalysedColumn {
  readonly name: string;
  /** A view's own; of a query as Postgres describes it to clients, a domain as its base type (the tree has both). */
  readonly typeOid: number;
  readonly typmod: number;
  /** Mirror OID; 0: not collatable. Undefined for a query's: the tree has it. */
  readonly collationOid: number | undefined;
}

export interface Analysis {
  /** `pg_rewrite.ev_action` or `pg_proc.prosqlbody`: the query tree as text. */
  readonly tree: string;
  /**
   * Of a view: its SELECT as Postgres prints it, every name qualified and `*` written out. What a view is kept as: it means the same for ever, as in
   * Postgres, when the search path is another or a table gets a further column. Undefined where it nests too deeply to be printed.
   */
  readonly definition?: string;
  readonly columns: readonly AnalysedColumn[];
  readonly parameterTypes: readonly number[];
  readonly dependsOn: readonly Dependency[];
}

export interface ViewToAnalyse extends StatementSettings {
  readonly sql: string;
  /** The column names of `CREATE VIEW v (a, b)`. */
  readonly columnNames?: readonly string[];
}

export interface QueryToAnalyse extends StatementSettings {
  readonly sql: string;
  /** OIDs; 0 or absent: to be inferred. */
  readonly parameterTypes?: readonly number[];
}

export interface OwnQuery extends StatementSettings {
  readonly sql: string;
  readonly parameters: readonly (string | null)[];
}

export type CatalogMethods = {
  boot(params: object): object;
  /** Once, right after `boot`. */
  rebuild(params: { readonly steps: readonly RebuildStep[] }): readonly RebuildFailure[];
  /** Statements in one transaction. */
  exec(params: { readonly ddl: readonly Ddl[] }): object;
  query(params: OwnQuery): CatalogRows;
  /** The query's rows after `before`, all of which is rolled back. */
  rolledBack(params: OwnQuery & { readonly before: readonly Ddl[] }): CatalogRows;
  queryRaw(params: RawStatement): RawResult;
  describe(params: QueryToAnalyse): Description;
  analyseView(params: ViewToAnalyse): Analysis;
  analyseQuery(params: QueryToAnalyse): Analysis;
};

/** What the worker is started with. */
export interface CatalogWorkerData {
  readonly preparedTgz: Uint8Array;
}
