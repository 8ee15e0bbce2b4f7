/**
 * A replicated table as the upstream's catalog describes it, with what is needed to read its rows, mirror it and judge its exactness.
 * Plain data: crosses threads and is kept in the log (`table` records) and the catalog as JSON.
 */
export interface UpstreamTable {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** pg_class.relreplident: d default, n nothing, f full, i index. */
  readonly replicaIdentity: 'd' | 'n' | 'f' | 'i';
  /** In attnum order, without dropped and generated columns: exactly the columns, in the order, that pgoutput sends. */
  readonly columns: readonly UpstreamColumn[];
  /**
   * Positions in `columns` of the row identity: the primary key (also under FULL), else the replica identity index. Empty: the table has neither, is sent under
   * FULL and kept as a multiset of whole rows.
   */
  readonly key: readonly number[];
  readonly primaryKeyName?: string;
  readonly comment?: string;
}

export interface UpstreamColumn {
  readonly attnum: number;
  readonly name: string;
  readonly notNull: boolean;
  readonly typeOid: number;
  readonly typmod: number;
  /** format_type(oid, typmod) with schema where it is not in pg_catalog: what the mirror's CREATE TABLE says. */
  readonly typeName: string;
  /** pg_collation OID on the upstream; 0 when not collatable. */
  readonly collationOid: number;
  readonly comment?: string;
}

/** An enum, domain, composite or range of the upstream that replicated columns use, in an order in which they can be created. */
export type UpstreamType =
  | { readonly kind: 'enum'; readonly oid: number; readonly schema: string; readonly name: string; readonly labels: readonly string[] }
  | { readonly kind: 'domain'; readonly oid: number; readonly schema: string; readonly name: string; readonly baseTypeName: string }
  | {
      readonly kind: 'composite';
      readonly oid: number;
      readonly schema: string;
      readonly name: string;
      readonly attributes: readonly { readonly name: string; readonly typeName: string }[];
    }
  | { readonly kind: 'range'; readonly oid: number; readonly schema: string; readonly name: string; readonly subtypeName: string }
  /** An extension's or another type that the mirror cannot have: its columns are mirrored as text. */
  | { readonly kind: 'opaque'; readonly oid: number; readonly schema: string; readonly name: string };

export interface UpstreamCollation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly provider: 'c' | 'builtin' | 'icu' | 'libc';
  readonly locale: string;
  readonly deterministic: boolean;
  readonly version: string | null;
}

/** Facts of the server and database, read at CREATE SOURCE and at every reconnect. */
export interface UpstreamFacts {
  readonly systemId: string;
  readonly timeline: number;
  readonly versionNum: number;
  readonly version: string;
  readonly database: string;
  readonly encoding: string;
  readonly databaseCollation: UpstreamCollation;
  readonly timeZoneDataHash: string;
  readonly walLevel: string;
}
