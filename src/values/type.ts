/**
 * What Millrace knows of a Postgres type: enough to store, compare, order and print a value, and nothing of its functions.
 * Plain data: crosses threads and is kept in the catalog as JSON.
 *
 * Three relations on values, never mixed up (docs/internals/values.md):
 *  - identity: the text on the wire, what a row *is* (weights, retractions). Two slots are identical iff all their words (and heap bytes) are.
 *  - equality: the type's operator class (1.0 = 1.00, '1 month' = '30 days', -0 = 0). Used by GROUP BY, DISTINCT and joins, always
 *    as identity of the *canonical* value (`values/canonical.ts`), so that every hash table compares words only.
 *  - order: the type's btree order under the column's collation (`values/order.ts`).
 */

/**
 * How a value lies in a packed row. Words are 32 bits.
 *
 * | storage | words | what is in them |
 * |---|---|---|
 * | bool    | 1 | 0 or 1 |
 * | int32   | 1 | int2, int4, date (days since 2000-01-01; ±infinity = int32 max/min), oid and xid (their 32 bits) |
 * | int64   | 2 | low, high: int8; timestamp, timestamptz, time (µs, epoch 2000-01-01; ±infinity = int64 max/min) |
 * | float64 | 2 | float4 (widened exactly) and float8; one NaN; -0 is kept (identity) |
 * | numeric | 2 | see `values/numeric.ts`: a 54-bit signed integer and a display scale, or a reference into the heap for the long ones |
 * | uuid    | 4 | the 16 bytes, big-endian words |
 * | interval| 4 | µs low, µs high, days, months |
 * | text    | 4 | length in bytes; then ≤ 12 bytes inline, zero padded; or 4-byte prefix, heap byte offset, 32-bit hash of the bytes |
 *
 * `text` holds every other type, in its Postgres text form as UTF-8 (fault 73: json keeps its text; enums are their label).
 * A NULL slot is all zeros.
 */
export type Storage = 'bool' | 'int32' | 'int64' | 'float64' | 'numeric' | 'uuid' | 'interval' | 'text';

export const STORAGE_WORDS: Readonly<Record<Storage, number>> = {
  bool: 1,
  int32: 1,
  int64: 2,
  float64: 2,
  numeric: 2,
  uuid: 4,
  interval: 4,
  text: 4,
};

export interface PgType {
  /** The OID in the mirror (PGlite). Equal to the upstream's for built-in types; mirror-made for enums, domains, composites. */
  readonly oid: number;
  /** As `format_type(oid, NULL)` prints it: `integer`, `character varying`, `public.mood`. */
  readonly name: string;
  readonly kind: 'base' | 'enum' | 'domain' | 'composite' | 'range' | 'multirange' | 'array' | 'pseudo';
  readonly storage: Storage;
  /** −1 when there is none. */
  readonly typmod: number;
  /** Arrays: the element. */
  readonly element?: PgType;
  /** Domains: what they stand on (never a domain itself). */
  readonly base?: PgType;
  /** Enums: labels in `enumsortorder`. */
  readonly labels?: readonly string[];
  /**
   * The type that makes its comparisons the upstream's code (an extension's type, a range of text): itself, its element, an attribute, a bound. Values are kept and
   * shown as text; `sql/plan` refuses whatever would compare or compute them.
   */
  readonly foreign?: string;
  /** Only for collatable types. */
  readonly collation?: Collation;
}

/** A collation as the *upstream* has it; the mirror's own (always C) never decides an order. */
export interface Collation {
  readonly name: string;
  /** `c`: C, POSIX, ucs_basic and the builtin provider: by bytes. */
  readonly provider: 'c' | 'builtin' | 'icu' | 'libc';
  readonly locale: string;
  readonly deterministic: boolean;
}

export interface Column {
  readonly name: string;
  readonly type: PgType;
}

/** Storage of a built-in type by OID; anything else is `text`. https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat */
export function storageOf(oid: number): Storage {
  return BUILTIN_STORAGE.get(oid) ?? 'text';
}

const BUILTIN_STORAGE: ReadonlyMap<number, Storage> = new Map([
  [16, 'bool'],
  [21, 'int32'],
  [23, 'int32'],
  [26, 'int32'],
  [28, 'int32'],
  [1082, 'int32'],
  [20, 'int64'],
  [1083, 'int64'],
  [1114, 'int64'],
  [1184, 'int64'],
  [700, 'float64'],
  [701, 'float64'],
  [1700, 'numeric'],
  [2950, 'uuid'],
  [1186, 'interval'],
]);
