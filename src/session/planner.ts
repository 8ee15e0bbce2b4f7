/**
 * From a statement's text to what runs: Postgres (the mirror) analyses, `sql/plan` binds. Also finds out whether a statement is the catalog's own business:
 * it then reads no table or view of ours and is run by Postgres as it is. Called by sessions and definitions.
 */
import { must } from '../base/assert.ts';
import type { CallOptions } from '../pglite/catalog-client.ts';
import type { Analysed, Mirror } from '../sql/mirror/mirror.ts';
import type { Builtins } from '../sql/tree/builtins.ts';
import { builtinsOf, catalogContext, type PlanRelation } from '../sql/tree/catalog-context.ts';
import type { PlanContext } from '../sql/tree/context.ts';
import { planQuery, planView, type PlannedQuery, type PlannedView } from '../sql/plan-query.ts';
import { upstreamSql, type UpstreamObject } from '../sql/audit-sql/upstream-sql.ts';
import type { Catalog, ObjectId } from '../catalog/catalog.ts';
import { refuseLargeTree, refuseLongText } from './tree-size.ts';

export interface NameSettings {
  readonly searchPath: readonly string[];
  readonly settings: Readonly<Record<string, string>>;
}

const TRIVIAL_TREE_CHARACTERS_MAX = 20_000;
const TRIVIAL_NODES = new Set(['QUERY', 'FROMEXPR', 'TARGETENTRY', 'CONST', 'PARAM', 'SQLVALUEFUNCTION', 'FUNCEXPR', 'RELABELTYPE']);
/** bool, int8, int4, text, unknown, varchar, numeric. */
const TRIVIAL_TYPES = new Set(['16', '20', '23', '25', '705', '1043', '1700']);
/** version(), current_database(), current_schema(), now(), pg_backend_pid(). */
const TRIVIAL_FUNCTIONS = new Set(['89', '861', '1402', '1299', '2026']);

export class Planner {
  readonly #mirror: Mirror;
  readonly #catalog: () => Catalog;
  #builtins: Builtins | undefined;

  constructor(mirror: Mirror, catalog: () => Catalog) {
    this.#mirror = mirror;
    this.#catalog = catalog;
  }

  /** `asSent`: the client's text, where values have been written into it since. */
  analyse(sql: string, parameterTypes: readonly number[], names: NameSettings, call: CallOptions, asSent = sql): Promise<Analysed> {
    refuseLongText(asSent);
    return this.#mirror.analyseQuery({ sql, parameterTypes, ...names }, call);
  }

  /** Reads nothing of ours: system catalogs, status relations, or no relation at all. */
  isCatalogStatement({ relations, tree }: Analysed): boolean {
    // A constant of type regclass (psql's \d has them) makes a dependency, too; only a range table entry reads rows. Spaces in names are escaped in a tree.
    return relations.size === 0 || ![...tree.matchAll(/:rtekind 0 :relid (\d+)/g)].some(([, oid]) => relations.has(Number(oid)));
  }

  /** Constants and facts of the session alone: what pools and drivers ask to see whether somebody is there. */
  isTrivial({ tree }: Analysed): boolean {
    if (tree.length > TRIVIAL_TREE_CHARACTERS_MAX) return false;
    if ([...tree.matchAll(/\{([A-Z]+)/g)].some(([, tag]) => !TRIVIAL_NODES.has(tag!))) return false;
    // No regclass: what it is numbered here is not what it is numbered where the other catalog statements run.
    if (![...tree.matchAll(/:(?:const|param)type (\d+)/g)].every(([, oid]) => TRIVIAL_TYPES.has(oid!))) return false;
    return [...tree.matchAll(/:funcid (\d+)/g)].every(([, oid]) => TRIVIAL_FUNCTIONS.has(oid!));
  }

  async query(analysis: Analysed, parameters: readonly (string | null)[], names: NameSettings, call: CallOptions): Promise<PlannedQuery> {
    refuseLargeTree(analysis.tree);
    return planQuery(analysis.tree, await this.#context(analysis, names, call), parameters);
  }

  async view(
    sql: string,
    columnNames: readonly string[] | undefined,
    names: NameSettings,
    call: CallOptions,
  ): Promise<PlannedView & { definition: string; dependsOn: ObjectId[] }> {
    refuseLongText(sql);
    const analysis = await this.#mirror.analyseView({ sql, ...(columnNames === undefined ? {} : { columnNames }), ...names }, call);
    refuseLargeTree(analysis.tree);
    const planned = await planView(analysis.tree, await this.#context(analysis, names, call));
    // The names that Postgres gave the view's columns; the plan's own may be those of an operator's input.
    const columns = planned.columns.map(({ type }, i) => ({ name: must(analysis.columns[i], 'column').name, type }));
    const plan = { ...planned.plan, columns };
    return {
      ...planned,
      plan,
      columns,
      definition: analysis.definition ?? sql,
      dependsOn: [...analysis.relations.values()].map((relation) => relation.id),
    };
  }

  /** What an audit asks the upstream for a view that is in the mirror. */
  async upstreamSql(schema: string, name: string, names: NameSettings, call: CallOptions): Promise<string> {
    const context = await this.#context({ types: await this.#mirror.types(), parameterTypes: [] }, names, call);
    const objectNamed = (inSchema: string, object: string): UpstreamObject | undefined => {
      const found = this.#catalog().find(['table', 'view', 'materializedView'], object, [inSchema]);
      if (found === undefined) return undefined;
      return found.kind === 'table' ? { kind: 'table', schema: found.upstream.schema, name: found.upstream.name } : { kind: 'view' };
    };
    return upstreamSql(this.#mirror.catalog, context, { schema, name }, objectNamed, call);
  }

  async #context(analysis: Pick<Analysed, 'types' | 'parameterTypes'>, names: NameSettings, call: CallOptions): Promise<PlanContext> {
    this.#builtins ??= await builtinsOf(this.#mirror.catalog);
    return catalogContext({
      catalog: this.#mirror.catalog,
      types: analysis.types,
      builtins: must(this.#builtins, 'builtins'),
      relationNamed: (schema, name) => this.#relation(schema, name),
      parameterTypes: analysis.parameterTypes,
      searchPath: names.searchPath,
      settings: names.settings,
      call,
    });
  }

  #relation(schema: string, name: string): PlanRelation | undefined {
    const object = this.#catalog().find(['table', 'view', 'materializedView'], name, [schema]);
    return object === undefined ? undefined : { kind: object.kind, objectId: object.id, name: object.name, columns: object.columns };
  }
}
