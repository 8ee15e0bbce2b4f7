/**
 * A stream of changes as an upstream would send it, for tests: pgoutput messages in their CopyData frames. Imported by tests only.
 */
import { recordKind } from '../log/record.ts';
import type { LogWriter } from '../log/writer.ts';
import type { UpstreamTable } from '../../upstream/table.ts';
import { ByteWriter } from '../../wire/bytes.ts';
import { COLUMN_NULL, COLUMN_TEXT, COLUMN_UNCHANGED, COPY_DATA, XLOG_DATA, XLOG_DATA_HEADER_BYTES } from '../../wire/pgoutput.ts';

/** Text, NULL, or undefined: an unchanged TOAST value that is not sent. */
export type Value = string | null | undefined;

export function frame(message: Uint8Array): Buffer {
  const bytes = Buffer.alloc(XLOG_DATA_HEADER_BYTES + message.length);
  bytes[0] = COPY_DATA;
  bytes.writeInt32BE(bytes.length - 1, 1);
  bytes[5] = XLOG_DATA;
  bytes.set(message, XLOG_DATA_HEADER_BYTES);
  return bytes;
}

export function begin(commitLsn: bigint): Buffer {
  const message = Buffer.alloc(21);
  message.write('B');
  message.writeBigUInt64BE(commitLsn, 1);
  return frame(message);
}

export function commit(commitLsn: bigint, endLsn: bigint = commitLsn + 1n): Buffer {
  const message = Buffer.alloc(26);
  message.write('C');
  message.writeBigUInt64BE(commitLsn, 2);
  message.writeBigUInt64BE(endLsn, 10);
  return frame(message);
}

export function tuple(values: readonly Value[]): Buffer {
  const out = new ByteWriter(64);
  out.int16(values.length);
  for (const value of values) {
    if (value === undefined) out.int8(COLUMN_UNCHANGED);
    else if (value === null) out.int8(COLUMN_NULL);
    else {
      out.int8(COLUMN_TEXT);
      out.int32(Buffer.byteLength(value));
      out.utf8(value);
    }
  }
  return out.copy();
}

/** The Relation message for a table as it is: its key columns are flagged as its replica identity says. */
export function relation(table: UpstreamTable): Buffer {
  const out = new ByteWriter(256);
  out.utf8('R');
  out.int32(table.oid);
  out.cstring(table.schema);
  out.cstring(table.name);
  out.utf8(table.replicaIdentity);
  out.int16(table.columns.length);
  table.columns.forEach((column, place) => {
    out.int8(table.replicaIdentity === 'f' || (table.replicaIdentity !== 'n' && table.key.includes(place)) ? 1 : 0);
    out.cstring(column.name);
    out.int32(column.typeOid);
    out.int32(column.typmod);
  });
  return frame(out.copy());
}

export function insert(oid: number, row: readonly Value[]): Buffer {
  return change('I', oid, ['N', row]);
}

export function update(oid: number, old: readonly ['K' | 'O', readonly Value[]] | undefined, row: readonly Value[]): Buffer {
  return old === undefined ? change('U', oid, ['N', row]) : change('U', oid, old, ['N', row]);
}

export function remove(oid: number, old: readonly ['K' | 'O', readonly Value[]]): Buffer {
  return change('D', oid, old);
}

export function truncate(...oids: number[]): Buffer {
  const out = new ByteWriter(64);
  out.utf8('T');
  out.int32(oids.length);
  out.int8(0);
  for (const oid of oids) out.int32(oid);
  return frame(out.copy());
}

function change(kind: string, oid: number, ...tuples: (readonly [string, readonly Value[]])[]): Buffer {
  const out = new ByteWriter(64);
  out.utf8(kind);
  out.int32(oid);
  for (const [tupleKind, values] of tuples) {
    out.utf8(tupleKind);
    out.raw(tuple(values));
  }
  return frame(out.copy());
}

export function testTable(oid: number, replicaIdentity: 'd' | 'f', columns: readonly string[], key: readonly string[]): UpstreamTable {
  return {
    oid,
    schema: 'public',
    name: `t${oid}`,
    replicaIdentity,
    columns: columns.map((name, place) => ({
      attnum: place + 1,
      name,
      notNull: key.includes(name),
      typeOid: 25,
      typmod: -1,
      typeName: 'text',
      collationOid: 100,
    })),
    key: key.map((name) => columns.indexOf(name)),
  };
}

/** The table's columns or names changed, its rows stay: what comes behind this record is in the new shape. */
export function appendAltered(writer: LogWriter, table: UpstreamTable): number {
  return writer.append(recordKind.altered, [Buffer.from(JSON.stringify(table))]);
}
