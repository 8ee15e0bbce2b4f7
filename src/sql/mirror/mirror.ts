/**
 * The mirror: the catalog worker's Postgres, holding every table (empty), view, materialized view and index under its own name, so that Postgres itself
 * analyses statements against them (I-5) and answers what tools ask of the catalog. Derived from the engine's catalog and rebuilt from it at any time.
 *
 * Invariants: an object is in the list iff its DDL ran; a table is never altered column-wise but made anew, so mirror attnum = wire position + 1;
 * nothing is dropped with CASCADE. Owned by the coordinator on the main thread, which changes it one statement at a time.
 */
import { assert, must } from '../../base/assert.ts';
import { millraceError } from '../../base/errors.ts';
import { qualified } from '../../base/ident.ts';
import { limits } from '../../base/limits.ts';
import { CatalogClient, type CallOptions } from '../../pglite/catalog-client.ts';
import type {
  Analysis,
  Ddl,
  QueryToAnalyse,
  RawResult,
  RawStatement,
  RebuildFailure,
  RebuildStep,
  ViewToAnalyse,
} from '../../pglite/catalog-contract.ts';
import { StatementLanes, type Owner } from '../../pglite/statement-lanes.ts';
import { dropDdl, indexDdl, isMirrored, sourceDdl, tableDdl, typesDdl, viewDdl } from './ddl.ts';
import type { MirrorObject, MirrorSource, MirrorTable, MirrorView } from './objects.ts';
import { refreshDdl, statusDdl, type StatusName } from './status.ts';
import { readTypes, type TypeTable } from './types.ts';

/** An analysis is made again when the worker was reopened in the midst of it: its OIDs would be of two generations. */
const ANALYSIS_TRIES_MAX = 3;
/** A lane that is further behind is made anew. */
const CHANGES_KEPT_MAX = 100;

export interface MirrorOptions {
  readonly version: string;
  readonly environmentId: string;
  /** What planning needs in the catalog besides: made before anything else. */
  readonly prelude?: readonly Ddl[];
}

/** An analysed statement with what its OIDs mean. */
export interface Analysed extends Analysis {
  readonly types: TypeTable;
  /** Relations of the tree by mirror OID (RTE relid). One that is not in here is Postgres's own catalog or a status relation. */
  readonly relations: ReadonlyMap<number, MirrorTable | MirrorView>;
}

/** Values in the order of a status relation's columns (status.ts). */
export type StatusRows = readonly (readonly (string | null)[])[];

export class Mirror {
  /** Plans: analysis, types, the mirror's own changes. Nothing of a client's runs in it but the input of its parameters. */
  readonly catalog: CatalogClient;
  /** Where clients' catalog statements run, beside it. */
  readonly #lanes: StatementLanes;
  readonly #options: MirrorOptions;
  /** In an order in which they can be created. */
  readonly #objects = new Map<string, MirrorObject>();
  /** Resolves when `#objects` holds what `open` was given. */
  #filled: Promise<void> = Promise.resolve();
  #failures: readonly RebuildFailure[] = [];
  /** Rises with every change; together with the worker's generation it dates a TypeTable. */
  #version = 0;
  /** The last changes, for the lanes. */
  readonly #changes: { readonly version: number; readonly ddl: readonly Ddl[] }[] = [];
  #types: { readonly key: string; readonly table: TypeTable } | undefined;

  constructor(options: MirrorOptions) {
    this.#options = options;
    this.#lanes = new StatementLanes({
      version: () => this.#version,
      steps: () => this.#rebuild(),
      changesSince: (version) => this.#changesSince(version),
    });
    this.catalog = new CatalogClient({
      timeoutMsMax: limits.planningMsMax,
      rebuild: async () => {
        await this.#filled;
        return this.#rebuild();
      },
      onOpened: (failures) => {
        this.#failures = failures;
      },
    });
  }

  /**
   * Fills the mirror with what the catalog holds, in an order in which it can be created. Returns what Postgres refused; the rest is there.
   * Postgres boots while `objects` are still being read.
   */
  async open(objects: readonly MirrorObject[] | Promise<readonly MirrorObject[]>): Promise<readonly RebuildFailure[]> {
    assert(this.catalog.generation === 0, 'the mirror is opened once');
    this.#filled = (async () => {
      for (const object of await objects) this.#objects.set(object.id, object);
    })();
    // Whoever awaits it is told.
    this.#filled.catch(() => undefined);
    await this.catalog.open();
    return this.#failures;
  }

  async close(): Promise<void> {
    await Promise.all([this.#lanes.close(), this.catalog.close()]);
  }

  /** A client's own statement on the catalog, with the rows that status relations have now. `owner`: the session. */
  run(owner: Owner, statement: RawStatement, status: ReadonlyMap<StatusName, StatusRows>, options?: CallOptions): Promise<RawResult> {
    const before = [...status].flatMap(([name, rows]) => refreshDdl(name, rows));
    return this.#lanes.run(owner, { ...statement, before }, options);
  }

  /** Creates it, or throws Postgres's reason and leaves the mirror as it was. */
  async add(object: MirrorObject, options?: CallOptions): Promise<void> {
    assert(!this.#objects.has(object.id), () => `object ${object.id} is in the mirror`);
    const ddl = this.#ddlOf(object);
    await this.catalog.exec(ddl, options);
    this.#changed(ddl, () => this.#objects.set(object.id, object));
  }

  /** Drops them, in the order given: dependents first. Postgres refuses what is still used (2BP01). */
  async remove(ids: readonly string[], options?: CallOptions): Promise<void> {
    const objects = ids.map((id) => must(this.#objects.get(id), `object ${id} in the mirror`));
    const ddl = objects.flatMap((object) => (object.kind === 'source' ? dropTypes(object) : [dropDdl(object)]));
    await this.catalog.exec(ddl, options);
    this.#changed(ddl, () => ids.forEach((id) => this.#objects.delete(id)));
  }

  get(id: string): MirrorObject | undefined {
    return this.#objects.get(id);
  }

  async analyseView(view: ViewToAnalyse, options?: CallOptions): Promise<Analysed> {
    return this.#analysed(() => this.catalog.analyseView(view, options));
  }

  async analyseQuery(query: QueryToAnalyse, options?: CallOptions): Promise<Analysed> {
    return this.#analysed(() => this.catalog.analyseQuery(query, options));
  }

  /** Another one after every change of the mirror, and of the Postgres that it is in: until then OIDs and what they mean are the same. */
  get epoch(): string {
    return `${this.catalog.generation} ${this.#version}`;
  }

  /** Types, as of now. */
  async types(): Promise<TypeTable> {
    // Opening first: the key names the generation that the reading is of.
    if (this.catalog.generation === 0) await this.catalog.open();
    const key = this.epoch;
    if (this.#types?.key === key) return this.#types.table;
    const source = this.#source();
    const table = await readTypes(this.catalog, {
      types: source?.types ?? [],
      collations: source?.collations ?? [],
      databaseCollation: source?.databaseCollation,
    });
    if (this.epoch === key) this.#types = { key, table };
    return table;
  }

  /** For `PgliteEvaluator.defineTypes`. */
  evaluatorTypes(): readonly string[] {
    return typesDdl(this.#source()?.types ?? []);
  }

  /** A source whose types or collations changed: what only grew is added, anything else makes the mirror anew. Returns what Postgres then refused. */
  async changeSource(source: MirrorSource): Promise<readonly RebuildFailure[]> {
    const old = must(this.#objects.get(source.id), `source ${source.id}`);
    assert(old.kind === 'source', `${source.id} is a source`);
    const grown = isPrefix(old.types, source.types) && isPrefix(old.collations, source.collations);
    if (grown) {
      const ddl = sourceDdl({
        ...source,
        types: source.types.slice(old.types.length),
        collations: source.collations.slice(old.collations.length),
      });
      await this.catalog.exec(ddl);
      this.#changed(ddl, () => this.#objects.set(source.id, source));
      return [];
    }
    this.#changed(undefined, () => this.#objects.set(source.id, source));
    await this.catalog.reopen();
    return this.#failures;
  }

  async #analysed(analyse: () => Promise<Analysis>): Promise<Analysed> {
    for (let tries = 0; tries < ANALYSIS_TRIES_MAX; tries++) {
      const analysis = await analyse();
      const { generation } = this.catalog;
      const types = await this.types();
      if (this.catalog.generation === generation) return { ...analysis, types, relations: this.#relations(analysis) };
    }
    throw millraceError('CATALOG_UNAVAILABLE', { reason: 'it was reopened again and again while a statement was analysed' });
  }

  #relations({ dependsOn }: Analysis): Map<number, MirrorTable | MirrorView> {
    const byName = new Map<string, MirrorTable | MirrorView>();
    for (const object of this.#objects.values()) {
      if (object.kind !== 'source' && object.kind !== 'index') byName.set(qualified(object.schema, object.name), object);
    }
    return new Map(
      dependsOn.flatMap(({ oid, kind, schema, name }) => {
        const object = kind === 'function' || kind === 'type' ? undefined : byName.get(qualified(schema, name));
        return object === undefined ? [] : [[oid, object] as const];
      }),
    );
  }

  #ddlOf(object: MirrorObject): Ddl[] {
    if (object.kind === 'source') return sourceDdl(object);
    if (object.kind === 'table') return tableDdl(object, this.#source());
    if (object.kind !== 'index') return viewDdl(object);
    const on = must(this.#objects.get(object.onId), `what index ${object.id} is on`);
    assert(on.kind !== 'source' && on.kind !== 'index', 'an index is on a relation');
    return indexDdl(object, on);
  }

  #rebuild(): RebuildStep[] {
    return [
      { id: 'prelude', ddl: this.#options.prelude ?? [] },
      { id: 'status', ddl: statusDdl(this.#options) },
      ...Array.from(this.#objects.values(), (object) => ({ id: object.id, ddl: this.#ddlOf(object) })),
    ];
  }

  #source(): MirrorSource | undefined {
    return this.#objects.values().find((object) => object.kind === 'source');
  }

  /** `ddl` undefined: no statements lead there, only making it anew. */
  #changed(ddl: readonly Ddl[] | undefined, change: () => void): void {
    change();
    this.#version++;
    if (ddl === undefined) this.#changes.length = 0;
    else this.#changes.push({ version: this.#version, ddl });
    if (this.#changes.length > CHANGES_KEPT_MAX) this.#changes.shift();
  }

  #changesSince(version: number): readonly (readonly Ddl[])[] | undefined {
    const behind = this.#changes.filter((change) => change.version > version);
    return behind.length === this.#version - version ? behind.map(({ ddl }) => ddl) : undefined;
  }
}

function isPrefix(old: readonly unknown[], now: readonly unknown[]): boolean {
  return old.every((item, i) => JSON.stringify(item) === JSON.stringify(now[i]));
}

/** Types and collations of a dropped source, last made first. Schemas stay: an empty one does no harm, and others may use it. */
function dropTypes({ types }: MirrorSource): string[] {
  return types
    .filter(isMirrored)
    .map(
      (type) =>
        `DROP ${type.kind === 'domain' || type.kind === 'opaque' ? 'DOMAIN' : 'TYPE'} IF EXISTS ${qualified(type.schema, type.name)}`,
    )
    .reverse();
}
