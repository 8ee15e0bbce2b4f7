/**
 * The catalog: every object that a user made, by id and by name. The coordinator keeps it in memory on the main thread; the engine worker keeps the
 * durable copy (`catalog-store.ts`), whose commit is the commit point of DDL. Plain data throughout.
 */
import type { Exactness } from '../plan/facts/exactness.ts';
import type { Plan } from '../plan/plan.ts';
import type { UpstreamCollation, UpstreamFacts, UpstreamTable, UpstreamType } from '../upstream/table.ts';
import type { Column } from '../values/type.ts';

export type ObjectId = string;

export type CatalogObject = Secret | Connection | Source | Table | View | MaterializedView | Index;

interface Named {
  readonly id: ObjectId;
  readonly schema: string;
  readonly name: string;
  /** The statement that made it, for SHOW CREATE; never holds a secret's value. */
  readonly createSql: string;
}

/** The value lies in the data directory's secrets file, under this id. */
export interface Secret extends Named {
  readonly kind: 'secret';
}

export interface Connection extends Named {
  readonly kind: 'connection';
  readonly options: ConnectionOptions;
}

/** libpq's parameters by name (host, port, dbname, user, sslmode, sslrootcert …); a value that is a secret is given by the secret's id. */
export type ConnectionOptions = Readonly<Record<string, string | { readonly secret: ObjectId }>>;

export interface Source extends Named {
  readonly kind: 'source';
  readonly connectionId: ObjectId;
  readonly publication: string;
  readonly facts: UpstreamFacts;
  readonly types: readonly UpstreamType[];
  readonly collations: readonly UpstreamCollation[];
}

export interface Table extends Named {
  readonly kind: 'table';
  readonly sourceId: ObjectId;
  readonly upstream: UpstreamTable;
  /** As views see them. */
  readonly columns: readonly Column[];
}

interface Viewed extends Named {
  readonly sql: string;
  readonly columns: readonly Column[];
  readonly dependsOn: readonly ObjectId[];
  readonly settings: ViewSettings;
}

export interface View extends Viewed {
  readonly kind: 'view';
}

export interface MaterializedView extends Viewed {
  readonly kind: 'materializedView';
  /** Made of `sql`, by the plan language of this version. */
  readonly plan: Plan;
  readonly planVersion: number;
  /** It was of an earlier version, and could not be made again: the view is faulty. */
  readonly planError?: string;
  /** What is sent upstream for an audit. */
  readonly upstreamSql: string;
  readonly exactness: Exactness;
  readonly exactnessReasons: readonly string[];
}

export interface Index extends Named {
  readonly kind: 'index';
  readonly onId: ObjectId;
  /** Positions of columns of the indexed object. */
  readonly columns: readonly number[];
}

/** Settings that a view captures at CREATE, so that its STABLE functions mean the same for ever (docs/internals/exactness.md). */
export type ViewSettings = Readonly<Record<string, string>>;

export class Catalog {
  readonly #objects = new Map<ObjectId, CatalogObject>();
  readonly #byName = new Map<string, ObjectId>();
  #lastId = 0;
  /** Rises with every change: what was planned before stands on what is no more. */
  generation = 0;

  constructor(objects: readonly CatalogObject[] = []) {
    for (const object of objects) this.add(object);
  }

  nextId(): ObjectId {
    return `u${++this.#lastId}`;
  }

  add(object: CatalogObject): void {
    this.generation++;
    this.#objects.set(object.id, object);
    this.#byName.set(nameKey(object), object.id);
    this.#lastId = Math.max(this.#lastId, Number(object.id.slice(1)));
  }

  remove(id: ObjectId): void {
    const object = this.#objects.get(id);
    if (object === undefined) return;
    this.generation++;
    this.#objects.delete(id);
    this.#byName.delete(nameKey(object));
  }

  get(id: ObjectId): CatalogObject | undefined {
    return this.#objects.get(id);
  }

  find<K extends CatalogObject['kind']>(
    kinds: readonly K[],
    name: string,
    searchPath: readonly string[],
  ): Extract<CatalogObject, { kind: K }> | undefined {
    for (const schema of searchPath) {
      for (const kind of kinds) {
        const id = this.#byName.get(`${namespaceOf(kind)}:${schema}.${name}`);
        const object = id === undefined ? undefined : this.#objects.get(id);
        if (object !== undefined && (kinds as readonly string[]).includes(object.kind))
          return object as Extract<CatalogObject, { kind: K }>;
      }
    }
    return undefined;
  }

  all<K extends CatalogObject['kind']>(kind: K): Extract<CatalogObject, { kind: K }>[] {
    return [...this.#objects.values()].filter((object) => object.kind === kind) as Extract<CatalogObject, { kind: K }>[];
  }

  objects(): IterableIterator<CatalogObject> {
    return this.#objects.values();
  }

  /** What stands directly on `id`. */
  dependents(id: ObjectId): CatalogObject[] {
    return [...this.#objects.values()].filter((object) => dependenciesOf(object).includes(id));
  }

  /** `ids` and all that stands on them, dependents first: the order in which to drop. */
  dropOrder(ids: readonly ObjectId[]): CatalogObject[] {
    const ordered: CatalogObject[] = [];
    const seen = new Set<ObjectId>();
    const visit = (id: ObjectId): void => {
      if (seen.has(id)) return;
      seen.add(id);
      for (const dependent of this.dependents(id)) visit(dependent.id);
      const object = this.#objects.get(id);
      if (object !== undefined) ordered.push(object);
    };
    for (const id of ids) visit(id);
    return ordered;
  }
}

export function dependenciesOf(object: CatalogObject): readonly ObjectId[] {
  switch (object.kind) {
    case 'secret':
      return [];
    case 'connection':
      return Object.values(object.options).flatMap((value) => (typeof value === 'string' ? [] : [value.secret]));
    case 'source':
      return [object.connectionId];
    case 'table':
      return [object.sourceId];
    case 'view':
    case 'materializedView':
      return object.dependsOn;
    case 'index':
      return [object.onId];
  }
}

/** Tables, views, materialized views, indexes and sources share one namespace, as relations do in Postgres; secrets and connections have their own. */
function namespaceOf(kind: CatalogObject['kind']): string {
  return kind === 'secret' || kind === 'connection' ? kind : 'relation';
}

function nameKey(object: CatalogObject): string {
  return `${namespaceOf(object.kind)}:${object.schema}.${object.name}`;
}
