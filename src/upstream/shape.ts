/**
 * A table's shape: everything of the upstream's catalog that decides how its rows are read, which of them the stream brings, and what their values mean. `shapeChange` is the
 * one place that decides what a difference means. Pure; read by `catalog/read-shapes.ts`, kept in the log with the copy, compared by `ingest/shapes.ts`. Keeps I-1: what the
 * stream does not say is found here, and a table stops with the reason rather than be silently different.
 *
 * Files: a rewrite that keeps all values (VACUUM FULL, CLUSTER, SET TABLESPACE) changes the table's file and no column, TRUNCATE is in the stream. ALTER … TYPE … USING always
 * writes the column's own catalog row, too, also where its type stays: both at once is a rewrite that may have changed values. SET UNLOGGED and back leaves no trace but
 * the rewrite itself, as every ALTER TABLE does it: another TOAST table, and, where there is none, no row that is as old as the look before.
 */
import type { UpstreamTable } from './table.ts';
import type { Relation } from '../wire/pgoutput.ts';

export interface TableShape {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** pg_class.relkind: r, p. */
  readonly kind: string;
  /** pg_class.relpersistence: p, u (not in the log: not streamed). */
  readonly persistence: string;
  /** pg_class.relfilenode. */
  readonly file: number;
  /** pg_class.reltoastrelid; 0: its columns need none. Absent in what earlier versions noted, as `horizon`. */
  readonly toast?: number;
  /** The oldest transaction that still ran when this was read (a 64-bit number): a row by an older one has not been written anew since. */
  readonly horizon?: string;
  readonly identity: UpstreamTable['replicaIdentity'];
  /** attnums, of a valid and immediate primary key. */
  readonly primaryKey: readonly number[];
  readonly identityIndex: readonly number[];
  /** All columns, published or not, in attnum order. */
  readonly columns: readonly ColumnShape[];
  readonly dropped: readonly number[];
  /** Partitions and inheritance children, their own among them. */
  readonly children: readonly ChildShape[];
  /** The transaction that last named it or moved it to a schema. */
  readonly named: string;
  readonly published: PublishedShape;
  /** What its columns' types are made of, by type OID. */
  readonly types: Readonly<Record<number, TypeShape>>;
  /** Another table that has its name now. */
  readonly successor: number | null;
  /** Not of the catalog: the LSN of the last TRUNCATE that the stream brought since the shape was noted. Its files, and its children's, are others then. */
  readonly truncated?: string;
}

export interface ColumnShape {
  readonly attnum: number;
  readonly name: string;
  readonly typeOid: number;
  readonly typmod: number;
  /** As format_type writes it. */
  readonly typeName: string;
  readonly collationOid: number;
  /** '', s (stored), v (virtual). */
  readonly generated: string;
  /** The transaction that last wrote the column's catalog row. */
  readonly version: string;
}

export interface ChildShape {
  readonly oid: number;
  readonly name: string;
  readonly file: number;
  /** The transaction that last wrote its catalog row, and the one that made it a child. */
  readonly version: string;
  readonly since: string;
}

export interface PublishedShape {
  /** OID, and the transaction that last altered it; null: it is gone. */
  readonly publication: number | null;
  readonly version: string;
  /** It publishes all tables. */
  readonly all: boolean;
  /** The publication's entries for the table, its schema, and (of a partition) its ancestors, with the transactions that attached it: any other means that it was out meanwhile. */
  readonly entries: readonly string[];
}

export type TypeShape =
  | { readonly kind: 'enum'; readonly name: string; readonly labels: readonly string[] }
  | { readonly kind: 'composite'; readonly name: string; readonly attributes: readonly string[] }
  | { readonly kind: 'other'; readonly name: string; readonly base: string };

export interface ShapeFacts {
  readonly publication: string;
  /** server_version_num */
  readonly versionNum: number;
  /** A TRUNCATE of this table has come in the stream since the shape before was noted. */
  readonly truncated: boolean;
  /** A row is there that is older than the shape before (`tellsRewriteByRows`: asked then alone). */
  readonly rowsKept: boolean;
  /** Whether the stream has passed the moment at which the shape was read. */
  readonly streamed: boolean;
}

export type ShapeChange =
  | { readonly kind: 'same' }
  /** A TRUNCATE may be on its way: ask again once the stream has come this far. */
  | { readonly kind: 'unsettled' }
  | { readonly kind: 'stop'; readonly code: ShapeStop; readonly reason: string };

export type ShapeStop = 'TABLE_CHANGED' | 'TABLE_NOT_PUBLISHED' | 'TABLE_REPUBLISHED';

/** From this version on TRUNCATE is streamed. */
const TRUNCATE_VERSION = 110_000;
const SAME: ShapeChange = { kind: 'same' };

/** What a difference between the shape that rows are kept by and the one that the upstream has now means. */
export function shapeChange(before: TableShape, now: TableShape | undefined, facts: ShapeFacts): ShapeChange {
  const changed = (reason: string): ShapeChange => ({ kind: 'stop', code: 'TABLE_CHANGED', reason });
  if (now === undefined) return changed('it was dropped');
  if (now.kind === '') return changed(now.successor === null ? 'it was dropped' : 'it was dropped, and another table has its name now');
  const named = nameChange(before, now) ?? columnChange(before, now) ?? keyChange(before, now) ?? typeChange(before, now);
  if (named !== undefined) return changed(named);
  if (now.persistence !== 'p') return changed('it is unlogged now, and its changes are in no log');
  const published = publicationChange(before, now, facts);
  if (published !== undefined) return published;
  const files = fileChange(before, now, facts);
  return files.kind === 'same' ? childChange(before, now, facts) : files;
}

function nameChange(before: TableShape, now: TableShape): string | undefined {
  if (before.kind !== now.kind) return 'it is another kind of relation now';
  if (before.schema === now.schema && before.name === now.name) return undefined;
  return `it is called ${now.schema}.${now.name} now${now.successor === null ? '' : ', and another table has its name'}`;
}

function columnChange(before: TableShape, now: TableShape): string | undefined {
  const current = new Map(now.columns.map((column) => [column.attnum, column]));
  const names = new Map(now.columns.map((column) => [column.name, column]));
  const known = new Set(before.columns.map((column) => column.attnum));
  for (const was of before.columns) {
    const is = current.get(was.attnum);
    if (is === undefined)
      return names.has(was.name) && !known.has(names.get(was.name)!.attnum)
        ? `column "${was.name}" was dropped, and another one of that name added`
        : `column "${was.name}" was dropped`;
    if (is.name !== was.name) return `column "${was.name}" is called "${is.name}" now`;
    if (is.typeOid !== was.typeOid || is.typmod !== was.typmod)
      return `column "${was.name}" is of type ${is.typeName} now, and was ${was.typeName}`;
    if (is.collationOid !== was.collationOid) return `column "${was.name}" has another collation now`;
    if (is.generated !== was.generated) return `column "${was.name}" is ${is.generated === '' ? 'no longer generated' : 'generated now'}`;
  }
  const added = now.columns.find((column) => !known.has(column.attnum));
  return added === undefined ? undefined : `column "${added.name}" was added`;
}

/** attnums that name a row, as `UpstreamTable.key`. */
function keyOf({ identity, identityIndex, primaryKey }: TableShape): readonly number[] {
  return identity === 'n' ? [] : identity === 'i' ? identityIndex : primaryKey;
}

function keyChange(before: TableShape, now: TableShape): string | undefined {
  const key = keyOf(before);
  const names = (shape: TableShape, attnums: readonly number[]): string =>
    attnums.length === 0
      ? 'none'
      : attnums.map((attnum) => shape.columns.find((column) => column.attnum === attnum)?.name ?? '?').join(', ');
  // Without a key whole rows are compared: a key that comes changes nothing, as long as whole rows are sent.
  if (key.length === 0) return now.identity === 'f' ? undefined : 'its replica identity is no longer FULL, and it is kept without a key';
  const other = keyOf(now);
  if (key.length === other.length && key.every((attnum, i) => attnum === other[i])) return undefined;
  return `its rows are identified by other columns now (${names(now, other)}; it was ${names(before, key)})`;
}

function typeChange(before: TableShape, now: TableShape): string | undefined {
  for (const [oid, was] of Object.entries(before.types)) {
    const is = now.types[Number(oid)];
    if (JSON.stringify(is) === JSON.stringify(was)) continue;
    if (is?.kind === 'enum') return `the labels of enum ${is.name} are now (${is.labels.join(', ')})`;
    if (is?.kind === 'composite') return `the attributes of type ${is.name} are now (${is.attributes.join(', ')})`;
    if (is !== undefined && is.name === was.name) return `type ${was.name} changed`;
    if (is === undefined) return `type ${was.name} is no longer what its columns are made of`;
  }
  return undefined;
}

function publicationChange(before: TableShape, now: TableShape, { publication }: ShapeFacts): ShapeChange | undefined {
  const [was, is] = [before.published, now.published];
  const out = (code: ShapeStop, reason: string): ShapeChange => ({ kind: 'stop', code, reason });
  if (is.publication === null) return out('TABLE_NOT_PUBLISHED', `publication "${publication}" was dropped`);
  if (!is.all && is.entries.length === 0) return out('TABLE_NOT_PUBLISHED', `it was taken out of publication "${publication}"`);
  if (is.publication !== was.publication) return out('TABLE_REPUBLISHED', `publication "${publication}" was dropped and made again`);
  if (is.version !== was.version)
    return out('TABLE_REPUBLISHED', `publication "${publication}" was altered (what it publishes, by which root, or its name or owner)`);
  if (!is.all && is.entries.join() !== was.entries.join())
    return out(
      'TABLE_REPUBLISHED',
      `it was taken out of publication "${publication}" and put back, or is published by another entry of it`,
    );
  // By its schema, or by its root: it may have left and come back, within two looks.
  if (!is.all && now.named !== before.named && is.entries.some((entry) => entry.startsWith('schema')))
    return out('TABLE_REPUBLISHED', 'it was moved to another schema and back, or renamed and back, or given to another owner');
  return undefined;
}

function fileChange(before: TableShape, now: TableShape, { versionNum, truncated, rowsKept, streamed }: ShapeFacts): ShapeChange {
  const stop = (reason: string): ShapeChange => ({ kind: 'stop', code: 'TABLE_CHANGED', reason });
  if (before.file === now.file) return SAME;
  if (versionNum < TRUNCATE_VERSION) return stop('it was truncated or rewritten, and the stream of Postgres 10 does not tell which');
  const altered = now.columns.find((column, i) => before.columns[i]?.version !== column.version);
  if (altered !== undefined)
    return stop(`it was rewritten, and column "${altered.name}" altered: its values may be others (ALTER COLUMN … TYPE … USING)`);
  const rewritten = stop('its rows were written anew (SET UNLOGGED and SET LOGGED do that): what changed meanwhile is in no log');
  if (before.toast !== undefined && before.toast !== now.toast) return rewritten;
  if (!tellsRewriteByRows(before, now) || rowsKept || truncated) return SAME;
  return streamed ? rewritten : { kind: 'unsettled' };
}

/** Whether only the age of its rows can tell what its new file means. */
export function tellsRewriteByRows(before: TableShape, now: TableShape): boolean {
  return before.file !== now.file && before.horizon !== undefined && now.toast === 0 && now.kind === 'r';
}

function childChange(before: TableShape, now: TableShape, { truncated, streamed }: ShapeFacts): ShapeChange {
  const stop = (reason: string): ShapeChange => ({ kind: 'stop', code: 'TABLE_CHANGED', reason });
  const child = before.kind === 'p' ? 'partition' : 'inheritance child';
  const known = new Map(before.children.map((one) => [one.oid, one]));
  const current = new Set(now.children.map((one) => one.oid));
  const gone = before.children.find(({ oid }) => !current.has(oid));
  if (gone !== undefined) return stop(`${child} ${gone.name} was detached or dropped`);
  const rewritten: ChildShape[] = [];
  for (const one of now.children) {
    const was = known.get(one.oid);
    if (was === undefined) return stop(`${child} ${one.name} was added`);
    if (was.since !== one.since) return stop(`${child} ${one.name} was detached and attached again`);
    if (was.file !== one.file) rewritten.push(one);
  }
  const [first] = rewritten;
  if (first === undefined) return SAME;
  const reason = `partition ${first.name} was truncated or rewritten, which the stream of its root does not tell`;
  // TRUNCATE of the root empties all its leaves in one transaction, and is in the stream.
  const leaves = now.children.filter(({ file }) => file !== 0);
  const asOne = rewritten.length === leaves.length && new Set(rewritten.map(({ version }) => version)).size === 1;
  if (!asOne) return stop(reason);
  if (truncated) return SAME;
  return streamed ? stop(reason) : { kind: 'unsettled' };
}

/** The stream's own word on a table, which stands before the first change that it holds for. undefined: its tuples are read by the columns that `table` has. */
export function relationChange(table: UpstreamTable, relation: Relation): string | undefined {
  if (relation.schema !== table.schema || relation.name !== table.name) return `it is called ${relation.schema}.${relation.name} now`;
  const known = table.columns;
  const same = (at: number): boolean => {
    const [is, was] = [relation.columns[at], known[at]];
    return is?.name === was?.name && is?.typeOid === was?.typeOid && is?.typmod === was?.typmod;
  };
  const length = Math.max(relation.columns.length, known.length);
  for (let at = 0; at < length; at++)
    if (!same(at)) return `its columns changed; they are now (${relation.columns.map((column) => column.name).join(', ')})`;
  // Under FULL every column arrives, whatever the key is.
  if (relation.replicaIdentity === 'f') return undefined;
  if (relation.replicaIdentity === 'n') return 'it has no replica identity any more';
  const isKey = new Set(table.key);
  if (known.every((_, at) => relation.columns[at]!.key === isKey.has(at))) return undefined;
  const names = relation.columns.filter((column) => column.key).map((column) => column.name);
  return `its rows are identified by other columns now (${names.length === 0 ? 'none' : names.join(', ')})`;
}
