/** Which value of a row is no text, and which row that is: for a database of encoding SQL_ASCII, which takes any bytes. Used by the copy and the stream alike. */
import { isUtf8 } from 'node:buffer';
import { millraceError, type MillraceError } from '../base/errors.ts';
import type { UpstreamTable } from './table.ts';

const SHOWN_BYTES_MAX = 200;

export function notUtf8(
  { schema, name, columns, key }: Pick<UpstreamTable, 'schema' | 'name' | 'columns' | 'key'>,
  values: readonly (Buffer | null)[],
): MillraceError {
  const at = values.findIndex((value) => value !== null && !isUtf8(value));
  const named = (key.length === 0 ? [] : key).map((place) => `${columns[place]!.name} = ${shown(values[place])}`);
  return millraceError('TABLE_NOT_UTF8', {
    schema,
    table: name,
    column: columns[at]?.name ?? '?',
    key: named.length === 0 ? '(the table has no key)' : `(${named.join(', ')})`,
  });
}

function shown(value: Buffer | null | undefined): string {
  if (value === undefined || value === null) return 'NULL';
  const short = value.subarray(0, SHOWN_BYTES_MAX);
  return isUtf8(short) ? short.toString('utf8') : `\\x${short.toString('hex')}`;
}
