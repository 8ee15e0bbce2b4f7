/**
 * What of a row can be seen to be unreadable while it is received: a label that its enum did not have when the table was copied, text that is not UTF-8. Only tables that
 * have such columns are looked at. Called by `shapes.ts` for every row that comes.
 */
import { isUtf8 } from 'node:buffer';
import { millraceError, type MillraceError } from '../base/errors.ts';
import { notUtf8 } from '../upstream/not-utf8.ts';
import type { TableShape } from '../upstream/shape.ts';
import type { UpstreamTable } from '../upstream/table.ts';
import { readInt16, readInt32, readUtf8 } from '../wire/bytes.ts';
import { COLUMN_TEXT, FIRST_TUPLE_OFFSET, INSERT, NEW_TUPLE, skipTuple } from '../wire/pgoutput.ts';

export class RowCheck {
  readonly #table: UpstreamTable;
  /** A column's labels, where it is of an enum. */
  readonly #labels: readonly (ReadonlySet<string> | undefined)[];
  readonly #anyBytes: boolean;

  private constructor(table: UpstreamTable, labels: readonly (ReadonlySet<string> | undefined)[], anyBytes: boolean) {
    this.#table = table;
    this.#labels = labels;
    this.#anyBytes = anyBytes;
  }

  /** undefined: nothing of it needs to be looked at. */
  static of(table: UpstreamTable, shape: TableShape | undefined, anyBytes: boolean): RowCheck | undefined {
    const labels = table.columns.map(({ typeOid }) => {
      const type = shape?.types[typeOid];
      return type?.kind === 'enum' ? new Set(type.labels) : undefined;
    });
    return anyBytes || labels.some((set) => set !== undefined) ? new RowCheck(table, labels, anyBytes) : undefined;
  }

  /** Why the new row of an Insert or Update cannot be read. */
  problem(kind: number, bytes: Buffer, at: number): MillraceError | undefined {
    const first = at + FIRST_TUPLE_OFFSET;
    let tuple = first + 1;
    if (kind !== INSERT && bytes[first] !== NEW_TUPLE) tuple = skipTuple(bytes, tuple) + 1;
    let next = tuple + 2;
    for (let column = 0, count = readInt16(bytes, tuple); column < count; column++) {
      if (bytes[next++] !== COLUMN_TEXT) continue;
      const from = next + 4;
      next = from + readInt32(bytes, next);
      const labels = this.#labels[column];
      if (labels !== undefined) {
        const label = readUtf8(bytes, from, next);
        if (!labels.has(label)) return this.#unknownLabel(column, label);
      } else if (this.#anyBytes && !isUtf8(bytes.subarray(from, next))) return notUtf8(this.#table, valuesAt(bytes, tuple));
    }
    return undefined;
  }

  #unknownLabel(column: number, label: string): MillraceError {
    const { schema, name, columns } = this.#table;
    return millraceError('TABLE_CHANGED', {
      schema,
      table: name,
      reason: `column "${columns[column]!.name}" has the value "${label}", a label that enum ${columns[column]!.typeName} did not have`,
    });
  }
}

function valuesAt(bytes: Buffer, tuple: number): (Buffer | null)[] {
  const values: (Buffer | null)[] = [];
  let next = tuple + 2;
  for (let left = readInt16(bytes, tuple); left > 0; left--) {
    if (bytes[next++] !== COLUMN_TEXT) {
      values.push(null);
      continue;
    }
    const from = next + 4;
    next = from + readInt32(bytes, next);
    values.push(bytes.subarray(from, next));
  }
  return values;
}
