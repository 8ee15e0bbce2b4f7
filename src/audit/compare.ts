/**
 * The upstream's answer against ours, as multisets (I-1). Pure.
 *
 * Rows that are identical text for text are set against each other first. Of what is left, rows are paired where every column is *equal* by its type's
 * operator class (a group shows one representative of its key: 1.0 or 1.00), and float aggregates agree within `FLOAT_TOLERANCE` (Postgres's own answer
 * depends on the order of adding). What still has no partner is a difference. Called by the coordinator for AUDIT.
 */
import type { PgType } from '../values/type.ts';

export type TextRow = readonly (string | null)[];

export interface AuditedColumn {
  readonly name: string;
  readonly type: PgType;
  /** The canonical form of a value's text: equal texts ⇔ equal values. Absent: text identity is equality. */
  readonly canonical?: (text: string) => string;
  /** A float aggregate: compared within the tolerance. */
  readonly approximate: boolean;
}

export interface Comparison {
  readonly rows: number;
  readonly differences: number;
  /** The first few rows without a partner. */
  readonly onlyUpstream: readonly TextRow[];
  readonly onlyMillrace: readonly TextRow[];
}

/** Relative. Ours is the correctly rounded sum; Postgres's error grows with the number of rows: 1e-9 is some 4 million roundings. */
export const FLOAT_TOLERANCE = 1e-9;
const SHOWN_MAX = 10;

export function compare(columns: readonly AuditedColumn[], upstream: readonly TextRow[], millrace: readonly TextRow[]): Comparison {
  const [upstreamLeft, millraceLeft] = withoutPartners(upstream, millrace, (row) => rowKey(row));
  const canonical = (row: TextRow): string =>
    rowKey(row.map((value, i) => (columns[i]!.approximate ? '' : value === null ? null : (columns[i]!.canonical?.(value) ?? value))));
  const onlyMillrace: TextRow[] = [];
  const candidates = grouped(upstreamLeft, canonical);
  for (const row of millraceLeft) {
    const group = candidates.get(canonical(row));
    const partner = group?.findIndex((other) => closeEnough(columns, row, other)) ?? -1;
    if (partner < 0) onlyMillrace.push(row);
    else group!.splice(partner, 1);
  }
  const onlyUpstream = [...candidates.values()].flat();
  return {
    rows: upstream.length,
    differences: onlyUpstream.length + onlyMillrace.length,
    onlyUpstream: onlyUpstream.slice(0, SHOWN_MAX),
    onlyMillrace: onlyMillrace.slice(0, SHOWN_MAX),
  };
}

/** Takes away what both have, by key and number of occurrences. */
function withoutPartners(left: readonly TextRow[], right: readonly TextRow[], key: (row: TextRow) => string): [TextRow[], TextRow[]] {
  const counts = new Map<string, number>();
  for (const row of left) counts.set(key(row), (counts.get(key(row)) ?? 0) + 1);
  const rightLeft: TextRow[] = [];
  for (const row of right) {
    const count = counts.get(key(row)) ?? 0;
    if (count === 0) rightLeft.push(row);
    else counts.set(key(row), count - 1);
  }
  const leftLeft: TextRow[] = [];
  for (const row of left) {
    const count = counts.get(key(row))!;
    if (count > 0) {
      leftLeft.push(row);
      counts.set(key(row), count - 1);
    }
  }
  return [leftLeft, rightLeft];
}

function grouped(rows: readonly TextRow[], key: (row: TextRow) => string): Map<string, TextRow[]> {
  const groups = new Map<string, TextRow[]>();
  for (const row of rows) {
    const group = groups.get(key(row));
    if (group === undefined) groups.set(key(row), [row]);
    else group.push(row);
  }
  return groups;
}

/** Lengths are written before the values, so that no two rows share a key. */
function rowKey(row: TextRow): string {
  let key = '';
  for (const value of row) key += value === null ? 'n' : `${value.length}:${value}`;
  return key;
}

function closeEnough(columns: readonly AuditedColumn[], a: TextRow, b: TextRow): boolean {
  return columns.every((column, i) => {
    if (!column.approximate) return true;
    const x = a[i] ?? null;
    const y = b[i] ?? null;
    if (x === null || y === null || x === y) return x === y;
    const [p, q] = [Number(x), Number(y)];
    return Math.abs(p - q) <= FLOAT_TOLERANCE * Math.max(Math.abs(p), Math.abs(q));
  });
}
