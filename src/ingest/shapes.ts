/**
 * The owner of what tables' rows are kept by: the one place that stops a table because it is another one upstream. Noticed in the stream (a Relation message, a value that
 * cannot be read, before the transaction that holds it is in the log) and in the catalog (`look`). What it decides stands in the log as a `stopped` record: there the engine and
 * the fold stop reading, and so does every later start, until the table is copied anew. Keeps I-1.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { millraceError, type MillraceError } from '../base/errors.ts';
import type { Lsn } from '../base/lsn.ts';
import { formatLsn, parseLsn } from '../base/lsn.ts';
import type { LogWriter } from '../store/log/writer.ts';
import type { TableInForce } from '../store/log/segment.ts';
import { hasRowsBefore, readShapes, type ReadShapes } from '../upstream/catalog/read-shapes.ts';
import { requirePublication } from '../upstream/catalog/publication.ts';
import type { UpstreamConnection } from '../upstream/connection/connect.ts';
import { relationChange, shapeChange, tellsRewriteByRows, type ShapeFacts, type ShapeStop, type TableShape } from '../upstream/shape.ts';
import type { UpstreamTable } from '../upstream/table.ts';
import { INSERT, parseRelation, parseTruncate, RELATION, relationOid, TRUNCATE, UPDATE } from '../wire/pgoutput.ts';
import type { Inspector } from './receiver.ts';
import { RowCheck } from './row-check.ts';

/** How long the stream may take to come to where the catalog was read; then what could not be told is taken for what it may be. */
const SETTLE_MS = 10_000;
const SETTLE_POLL_MS = 20;

export interface ShapesParts {
  readonly writer: LogWriter;
  readonly publication: string;
  /** Tables that follow the stream. */
  live(): readonly UpstreamTable[];
  /** A fact record ends at `offset`. */
  appended(offset: number): void;
  stopped(oid: number, error: MillraceError): void;
  /** Everything committed before it is in the log. */
  committedLsn(): Lsn;
  /** Else nothing comes that could tell what is not settled yet: the next look decides. */
  isStreaming(): boolean;
  /** Has the walsender say how far it has sent: an upstream where nothing happens is silent else. */
  askPosition(): void;
}

export class Shapes implements Inspector {
  readonly #parts: ShapesParts;
  readonly #checks = new Map<number, RowCheck | undefined>();
  #takesAnyBytes = false;
  /** The look that has not begun yet: whoever asks meanwhile is served by it. */
  #next: Promise<void> | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(parts: ShapesParts) {
    this.#parts = parts;
  }

  /** What the stream last said of these tables, if one of them is another now: it may not say so again on the same connection. */
  staleDescription(tables: readonly UpstreamTable[]): MillraceError | undefined {
    const { relations } = this.#parts.writer.inForce;
    const stale = tables.find((table) => {
      const told = relations.get(table.oid);
      return told !== undefined && relationChange(table, parseRelation(told, 0)) !== undefined;
    });
    return stale === undefined ? undefined : millraceError('STREAM_DESCRIBES_ANOTHER_TABLE', { schema: stale.schema, table: stale.name });
  }

  /** A table was copied, or left. */
  changed(): void {
    this.#checks.clear();
  }

  /** A session has begun. */
  connected({ takesAnyBytes }: UpstreamConnection): void {
    this.#takesAnyBytes = takesAnyBytes;
    this.#checks.clear();
  }

  /**
   * Compares all live tables with the catalog as it is now. One look at a time; it begins after it is asked for, so that what was committed before is seen. Rejects where
   * the upstream cannot be asked.
   */
  look(control: UpstreamConnection): Promise<void> {
    if (this.#next !== undefined) return this.#next;
    const before = this.#last.catch(() => undefined);
    const next = before.then(() => {
      this.#next = undefined;
      return this.#look(control);
    });
    this.#next = next;
    this.#last = next;
    return next;
  }

  message(kind: number, bytes: Buffer, at: number, commitLsn: Lsn): void {
    if (kind === INSERT || kind === UPDATE) {
      const oid = relationOid(bytes, at);
      const problem = this.#checkOf(oid)?.problem(kind, bytes, at);
      if (problem !== undefined && this.#follows(oid, commitLsn) !== undefined) this.#stop(oid, problem);
    } else if (kind === RELATION) {
      const relation = parseRelation(bytes, at);
      const inForce = this.#follows(relation.oid, commitLsn);
      const reason = inForce === undefined ? undefined : relationChange(inForce.table, relation);
      if (reason !== undefined) this.#stop(relation.oid, this.#error('TABLE_CHANGED', inForce!.table, reason));
    } else if (kind === TRUNCATE) {
      for (const oid of parseTruncate(bytes, at).oids) this.#truncated(oid, commitLsn);
    }
  }

  /** The table, if the transaction counts for it: others are in its copy already. */
  #follows(oid: number, commitLsn: Lsn): TableInForce | undefined {
    const known = this.#parts.writer.inForce.tables.get(oid);
    if (known?.snapshotLsn === undefined || known.stopped !== undefined) return undefined;
    return commitLsn >= parseLsn(known.snapshotLsn) ? known : undefined;
  }

  #checkOf(oid: number): RowCheck | undefined {
    if (this.#checks.has(oid)) return this.#checks.get(oid);
    const known = this.#parts.writer.inForce.tables.get(oid);
    const check = known === undefined ? undefined : RowCheck.of(known.table, known.shape, this.#takesAnyBytes);
    this.#checks.set(oid, check);
    return check;
  }

  async #look(control: UpstreamConnection): Promise<void> {
    const { publication, writer } = this.#parts;
    const since = new Map([...writer.inForce.tables].map(([oid, known]) => [oid, known.since]));
    const tables = this.#parts.live();
    if (tables.length === 0) return;
    const found = await readShapes(control, publication, tables);
    // After the tables: where it is gone, or brings only a part, the whole source says so.
    await requirePublication(control, publication, tables);
    const rowsKept = await this.#withRowsKept(found, control);
    const isLeft = ({ oid }: UpstreamTable): boolean => {
      const known = writer.inForce.tables.get(oid);
      return known !== undefined && known.since === since.get(oid) && known.snapshotLsn !== undefined && known.stopped === undefined;
    };
    const unsettled = tables.filter(
      (table) => isLeft(table) && this.#judge(table, found, control, { rowsKept: rowsKept.has(table.oid), streamed: false }),
    );
    if (unsettled.length === 0 || !this.#parts.isStreaming()) return;
    const deadline = performance.now() + SETTLE_MS;
    while (this.#parts.committedLsn() < found.lsn && performance.now() < deadline && control.lost === undefined) {
      this.#parts.askPosition();
      await sleep(SETTLE_POLL_MS);
    }
    for (const table of unsettled) if (isLeft(table)) this.#judge(table, found, control, { rowsKept: false, streamed: true });
  }

  /** Tables with a new file of which nothing but rows tells what it means, and one does. A table that cannot be asked is none. */
  async #withRowsKept({ shapes }: ReadShapes, control: UpstreamConnection): Promise<ReadonlySet<number>> {
    const kept = new Set<number>();
    for (const [oid, now] of shapes) {
      const before = this.#parts.writer.inForce.tables.get(oid)?.shape;
      if (before?.horizon === undefined || !tellsRewriteByRows(before, now)) continue;
      if (await hasRowsBefore(control, now, before.horizon).catch(() => false)) kept.add(oid);
    }
    return kept;
  }

  /** True when it cannot be told yet. */
  #judge(table: UpstreamTable, found: ReadShapes, control: UpstreamConnection, seen: Pick<ShapeFacts, 'rowsKept' | 'streamed'>): boolean {
    const { oid } = table;
    const { writer, publication } = this.#parts;
    const now = found.shapes.get(oid);
    const before = writer.inForce.tables.get(oid)?.shape ?? (now === undefined ? undefined : adopted(table, now));
    if (before === undefined) return false;
    const { truncated } = before;
    const facts = { publication, versionNum: control.versionNum, truncated: truncated !== undefined, ...seen };
    const change = shapeChange(before, now, facts);
    if (change.kind === 'stop') this.#stop(oid, this.#error(change.code, table, change.reason));
    if (change.kind === 'same') {
      const isSeen = truncated === undefined || (parseLsn(truncated) < found.lsn && !haveSameFiles(before, now!));
      const shape = isSeen ? now! : { ...now!, truncated };
      // A horizon that moved on is no reason to write: an older one only asks for older rows.
      const noted = writer.inForce.tables.get(oid)?.shape;
      if (noted === undefined || JSON.stringify({ ...shape, horizon: noted.horizon }) !== JSON.stringify(noted)) {
        this.#parts.appended(writer.appendShape({ oid, shape }));
        this.changed();
      }
    }
    return change.kind === 'unsettled';
  }

  /** Noted in the log: a look after a restart must not take the new files for a rewrite. */
  #truncated(oid: number, commitLsn: Lsn): void {
    const shape = this.#follows(oid, commitLsn)?.shape;
    if (shape !== undefined && (shape.children.length > 0 || shape.toast === 0))
      this.#parts.appended(this.#parts.writer.appendShape({ oid, shape: { ...shape, truncated: formatLsn(commitLsn) } }));
  }

  #error(code: ShapeStop, { schema, name }: UpstreamTable, reason: string): MillraceError {
    return millraceError(code, { schema, table: name, publication: this.#parts.publication, reason });
  }

  #stop(oid: number, error: MillraceError): void {
    this.#parts.appended(this.#parts.writer.appendStopped({ oid, error: error.toPlain() }));
    this.#parts.stopped(oid, error);
    this.changed();
  }
}

/** Nothing was truncated between the two looks. */
function haveSameFiles({ file, children }: TableShape, now: TableShape): boolean {
  return file === now.file && now.children.every(({ oid, file }) => children.find((child) => child.oid === oid)?.file === file);
}

/** A table that an earlier version copied: what it has now is taken for what it had, as far as that is known. */
function adopted(table: UpstreamTable, now: TableShape): TableShape {
  const current = new Map(now.columns.map((column) => [column.attnum, column]));
  const known = table.columns.map((column) => ({ ...column, generated: '', version: '', ...current.get(column.attnum), ...named(column) }));
  const others = now.columns.filter(({ attnum }) => !known.some((column) => column.attnum === attnum));
  const { schema, name } = table;
  return { ...now, schema, name, columns: [...known, ...others].sort((a, b) => a.attnum - b.attnum) };
}

function named({ name, typeOid, typmod, typeName }: UpstreamTable['columns'][number]): {
  name: string;
  typeOid: number;
  typmod: number;
  typeName: string;
} {
  return { name, typeOid, typmod, typeName };
}
