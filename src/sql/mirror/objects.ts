/**
 * What the mirror is made of: the engine's catalog objects, as far as Postgres needs to know them to analyse a statement. Plain data; the coordinator makes
 * them from its catalog. `id` is the catalog's object id.
 */
import type { UpstreamCollation, UpstreamTable, UpstreamType } from '../../upstream/table.ts';

export type MirrorObject = MirrorSource | MirrorTable | MirrorView | MirrorIndex;

interface Named {
  readonly id: string;
  readonly schema: string;
  readonly name: string;
}

/** Brings the upstream's types and collations; has no relation of its own. */
export interface MirrorSource {
  readonly kind: 'source';
  readonly id: string;
  readonly types: readonly UpstreamType[];
  readonly collations: readonly UpstreamCollation[];
  readonly databaseCollation: UpstreamCollation;
}

/** An empty table under the name that it has here, which may be another than upstream. */
export interface MirrorTable extends Named {
  readonly kind: 'table';
  readonly upstream: UpstreamTable;
}

export interface MirrorView extends Named {
  readonly kind: 'view' | 'materializedView';
  /** The SELECT alone. */
  readonly sql: string;
  readonly columnNames?: readonly string[];
  /** In force at CREATE; `search_path` decides what the names in `sql` mean. */
  readonly settings: Readonly<Record<string, string>>;
  /** Ids of the relations that it reads. */
  readonly dependsOn: readonly string[];
}

export interface MirrorIndex extends Named {
  readonly kind: 'index';
  readonly onId: string;
  /** Of the indexed relation. */
  readonly columnNames: readonly string[];
}
