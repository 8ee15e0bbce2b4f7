/** A statement's columns as RowDescription tells them. */
import type { AnalysedColumn } from '../../pglite/catalog-contract.ts';
import type { ResultColumn } from '../../server/session.ts';
import type { TypeTable } from '../../sql/mirror/types.ts';

/** pg_type.typlen of the fixed-length types, by length; −1 for all others. */
const FIXED: readonly (readonly [number, readonly number[]])[] = [
  [1, [16, 18]],
  [2, [21]],
  [4, [23, 26, 28, 700, 1082]],
  [6, [829]],
  [8, [20, 701, 774, 790, 1083, 1114, 1184, 3220]],
  [12, [1266]],
  [16, [600, 1186, 2950]],
  [24, [628, 718]],
  [32, [601, 603]],
  [64, [19]],
];
const TYPE_SIZES = new Map(FIXED.flatMap(([size, oids]) => oids.map((oid) => [oid, size] as const)));

/** The first OID of a type that is not Postgres's own. */
const OWN_TYPES_FROM = 16_384;
const ENUM_SIZE = 4;

/** Of a domain its base type is told, as in Postgres. */
export function resultColumns(columns: readonly AnalysedColumn[], types: TypeTable): ResultColumn[] {
  return columns.map(({ name, typeOid, typmod }) => {
    const size = TYPE_SIZES.get(typeOid);
    if (size !== undefined || typeOid < OWN_TYPES_FROM) return { name, typeOid, typeSize: size ?? -1, typmod };
    const { kind, base } = types.typeOf(typeOid);
    if (base !== undefined) return resultColumns([{ name, typeOid: base.oid, typmod: base.typmod, collationOid: undefined }], types)[0]!;
    return { name, typeOid, typeSize: kind === 'enum' ? ENUM_SIZE : -1, typmod };
  });
}
