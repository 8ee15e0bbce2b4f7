/**
 * From a type OID of the mirror (with typmod and collation) to a `PgType`: what Millrace keeps of a type. Built from one reading of PGlite's pg_type, pg_enum
 * and pg_collation; holds for one generation of the catalog worker. A collation is the *upstream's* of that name: PGlite's own, always C, never decides an
 * order. Made by `mirror.ts`, used by `sql/plan`.
 */
import { must } from '../../base/assert.ts';
import { qualified } from '../../base/ident.ts';
import type { CatalogClient, CallOptions } from '../../pglite/catalog-client.ts';
import type { UpstreamCollation, UpstreamType } from '../../upstream/table.ts';
import { storageOf, type Collation, type PgType } from '../../values/type.ts';

const DEFAULT_COLLATION_OID = 100;

interface TypeRow {
  readonly oid: number;
  readonly name: string;
  readonly kind: PgType['kind'];
  readonly element: number;
  readonly base: number;
  readonly baseTypmod: number;
  readonly collation: number;
  readonly labels: readonly string[] | undefined;
  /** Attributes of a composite, the subtype of a range. */
  readonly parts: readonly number[];
  /** Its operators are code of the upstream. */
  readonly opaque: boolean;
}

export class TypeTable {
  readonly #types: ReadonlyMap<number, TypeRow>;
  readonly #collations: ReadonlyMap<number, Collation>;
  readonly #byName: ReadonlyMap<string, number>;

  constructor(types: readonly TypeRow[], collations: ReadonlyMap<number, Collation>) {
    this.#types = new Map(types.map((type) => [type.oid, type]));
    this.#byName = new Map(types.map((type) => [type.name, type.oid]));
    this.#collations = collations;
  }

  /** `collationOid`: a mirror OID as in a Var or a column; 0 = none; absent = the type's own. */
  typeOf(oid: number, typmod = -1, collationOid?: number): PgType {
    const row = must(this.#types.get(oid), `type ${oid} in the mirror`);
    const collation = this.collation(collationOid ?? row.collation);
    const foreign = this.#foreignIn(row);
    const common = {
      oid,
      name: row.name,
      kind: row.kind,
      typmod,
      ...(foreign === undefined ? {} : { foreign }),
      ...(collation === undefined ? {} : { collation }),
    };
    if (row.kind === 'domain') {
      const base = this.#baseOf(row, collationOid);
      return { ...common, storage: base.storage, base: foreign === undefined ? base : { ...base, foreign } };
    }
    if (row.kind === 'array') return { ...common, storage: 'text', element: this.typeOf(row.element, typmod, collationOid) };
    if (row.kind === 'enum') return { ...common, storage: 'text', labels: row.labels ?? [] };
    return { ...common, storage: storageOf(oid) };
  }

  /** The upstream's collation; undefined for 0. */
  collation(oid: number): Collation | undefined {
    return oid === 0 ? undefined : must(this.#collations.get(oid), `collation ${oid} in the mirror`);
  }

  /** OIDs of the mirror's own types change when it is rebuilt; a stored PgType is found again by its name. */
  oidOf(name: string): number | undefined {
    return this.#byName.get(name);
  }

  /** A stored type (of a plan, of a column) with the OIDs of this generation: what a client is told in RowDescription. */
  current(type: PgType): PgType {
    const oid = this.#byName.get(type.name);
    return oid === undefined || oid === type.oid ? type : this.typeOf(oid, type.typmod);
  }

  #foreignIn(row: TypeRow): string | undefined {
    if (row.opaque) return row.name;
    for (const oid of [row.kind === 'array' ? row.element : row.base, ...row.parts]) {
      const part = this.#types.get(oid);
      const foreign = part === undefined ? undefined : this.#foreignIn(part);
      if (foreign !== undefined) return foreign;
    }
    return undefined;
  }

  #baseOf(domain: TypeRow, collationOid: number | undefined): PgType {
    let row = domain;
    let typmod = -1;
    while (row.kind === 'domain') {
      if (typmod < 0) typmod = row.baseTypmod;
      row = must(this.#types.get(row.base), `type ${row.base} in the mirror`);
    }
    return this.typeOf(row.oid, typmod, collationOid ?? domain.collation);
  }
}

const KINDS: Readonly<Record<string, PgType['kind']>> = {
  b: 'base',
  e: 'enum',
  d: 'domain',
  c: 'composite',
  r: 'range',
  m: 'multirange',
  p: 'pseudo',
};

/** One reading, so that all OIDs are of one moment. */
export async function readTypes(
  catalog: CatalogClient,
  upstream: {
    readonly types: readonly UpstreamType[];
    readonly collations: readonly UpstreamCollation[];
    readonly databaseCollation: UpstreamCollation | undefined;
  },
  options: CallOptions = {},
): Promise<TypeTable> {
  const { rows } = await catalog.query(
    `SELECT 't', t.oid::text, format_type(t.oid, NULL),
            CASE WHEN t.typtype = 'b' AND t.typelem <> 0 AND t.typlen = -1 AND t.typcategory = 'A' THEN 'array' ELSE t.typtype::text END,
            t.typelem::text, t.typbasetype::text, t.typtypmod::text, t.typcollation::text,
            (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder)::text FROM pg_enum e WHERE e.enumtypid = t.oid),
            CASE t.typtype WHEN 'c' THEN (SELECT string_agg(a.atttypid::text, ',') FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
                                          WHERE a.attrelid = t.typrelid AND c.relkind = 'c' AND a.attnum > 0 AND NOT a.attisdropped)
                           WHEN 'r' THEN (SELECT r.rngsubtype::text FROM pg_range r WHERE r.rngtypid = t.oid)
                           WHEN 'm' THEN (SELECT r.rngtypid::text FROM pg_range r WHERE r.rngmultitypid = t.oid) END,
            -- A range of text is compared as the upstream's collation says, which the mirror does not have.
            (t.typtype = 'r' AND EXISTS (SELECT FROM pg_range r WHERE r.rngtypid = t.oid AND r.rngcollation <> 0))::text
     FROM pg_type t
     UNION ALL
     SELECT 'c', c.oid::text, c.collname, c.collprovider::text, coalesce(c.colllocale, c.collcollate), n.nspname, c.collisdeterministic::text, NULL, NULL, NULL, NULL
     FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace`,
    [],
    // Names are then as the upstream prints them: with their schema unless in pg_catalog.
    { ...options, searchPath: [] },
  );
  const types: TypeRow[] = [];
  const collations = new Map<number, Collation>();
  const opaque = new Set(upstream.types.flatMap(({ kind, schema, name }) => (kind === 'opaque' ? [qualified(schema, name)] : [])));
  const known = new Map(upstream.collations.map((collation) => [`${collation.schema}.${collation.name}`, collation]));
  for (const [what, oid, name, kind, ...rest] of rows) {
    if (what === 't') {
      const [element, base, baseTypmod, collation, labels, parts, comparesText] = rest;
      types.push({
        oid: Number(oid),
        name: name!,
        kind: kind === 'array' ? 'array' : must(KINDS[kind!], `kind ${kind}`),
        element: Number(element),
        base: Number(base),
        baseTypmod: Number(baseTypmod),
        collation: Number(collation),
        labels: labels === null || labels === undefined ? undefined : (JSON.parse(labels) as string[]),
        parts: parts === null || parts === undefined || parts === '' ? [] : parts.split(',').map(Number),
        opaque: comparesText === 'true' || opaque.has(name!),
      });
    } else {
      const [locale, schema, deterministic] = rest;
      const ours = Number(oid) === DEFAULT_COLLATION_OID ? upstream.databaseCollation : known.get(`${schema}.${name}`);
      collations.set(Number(oid), ours === undefined ? own(name!, kind!, locale ?? '', deterministic === 'true') : plain(ours));
    }
  }
  return new TypeTable(types, collations);
}

function plain({ name, provider, locale, deterministic }: UpstreamCollation): Collation {
  return { name, provider, locale, deterministic };
}

/** One that the upstream did not name: C and the like, or an ICU locale that both have. */
function own(name: string, provider: string, locale: string, deterministic: boolean): Collation {
  const byBytes = name === 'default' || locale === 'C' || locale === 'POSIX';
  const kinds: Readonly<Record<string, Collation['provider']>> = { i: 'icu', b: 'builtin', c: 'libc' };
  return { name, provider: byBytes ? 'c' : (kinds[provider] ?? 'c'), locale: byBytes ? 'C' : locale, deterministic };
}
