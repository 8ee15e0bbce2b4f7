/** A type as SQL writes it in a cast, with its length or precision where it has one. */
import type { PgType } from './type.ts';

/** `numeric(10,2)`, `character varying(20)`, `integer[]`. Without typmod: `plainTypeName`. */
export function typeName(type: PgType): string {
  const { typmod } = type;
  if (typmod < 0 || type.kind === 'array') return plainTypeName(type);
  switch (type.oid) {
    case 1700:
      return `numeric(${((typmod - 4) >> 16) & 0xffff},${(((typmod - 4) & 0x7ff) ^ 1024) - 1024})`;
    case 1043:
      return `character varying(${typmod - 4})`;
    case 1042:
      return `character(${typmod - 4})`;
    case 1560:
      return `bit(${typmod})`;
    case 1562:
      return `bit varying(${typmod})`;
    case 1083:
      return `time(${typmod}) without time zone`;
    case 1266:
      return `time(${typmod}) with time zone`;
    case 1114:
      return `timestamp(${typmod}) without time zone`;
    case 1184:
      return `timestamp(${typmod}) with time zone`;
    default:
      return plainTypeName(type);
  }
}

/** `character` alone would be `character(1)`, `bit` alone `bit(1)`, and a cast would cut: `bpchar` and `"bit"` keep the length open. */
export function plainTypeName(type: PgType): string {
  if (type.oid === 1042) return 'bpchar';
  if (type.oid === 1014) return 'bpchar[]';
  if (type.oid === 1560) return '"bit"';
  if (type.oid === 1561) return '"bit"[]';
  return type.name;
}
