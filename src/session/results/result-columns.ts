/** A statement's columns as RowDescription tells them. */
import type { AnalysedColumn } from '../../pglite/catalog-contract.ts';
import type { ResultColumn } from '../../server/session.ts';
import type { TypeTable } from '../../sql/mirror/types.ts';

/** pg_type.typlen of the fixed-length types; −1 for all others. */
const TYPE_SIZES: ReadonlyMap<number, number> = new Map([
  [16, 1],
  [18, 1],
  [19, 64],
  [20, 8],
  [21, 2],
  [23, 4],
  [26, 4],
  [28, 4],
  [600, 16],
  [601, 32],
  [603, 32],
  [628, 24],
  [700, 4],
  [701, 8],
  [718, 24],
  [774, 8],
  [790, 8],
  [829, 6],
  [1082, 4],
  [1083, 8],
  [1114, 8],
  [1184, 8],
  [1186, 16],
  [1266, 12],
  [2950, 16],
  [3220, 8],
]);

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
