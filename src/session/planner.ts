/**
 * From a statement's text to what runs: Postgres (the mirror) analyses, `sql` binds. What was found out about a text is kept, for all executions and all sessions, while
 * mirror and catalog are as they are: Postgres is then asked for values alone that it must give anew (docs/decisions/0021-what-is-planned-is-kept.md). Also finds out whether
 * a statement is the catalog's own business: it then reads no table or view of ours and is run by Postgres as it is. Called by statements and definitions.
 */
import { must } from '../base/assert.ts';
import type { CallOptions } from '../pglite/catalog-client.ts';
import type { Analysis } from '../pglite/catalog-contract.ts';
import type { Analysed, Mirror } from '../sql/mirror/mirror.ts';
import type { Builtins } from '../sql/tree/builtins.ts';
import { builtinsOf, catalogContext, type PlanRelation } from '../sql/tree/catalog-context.ts';
import type { PlanContext } from '../sql/tree/context.ts';
import { isFinal, load, type LoadedStatement } from '../sql/tree/load.ts';
import type { Purpose } from '../sql/judge/volatility.ts';
import { planQuery, planView, type PlannedQuery, type PlannedView } from '../sql/plan-query.ts';
import { upstreamSql, type UpstreamObject } from '../sql/audit-sql/upstream-sql.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { PlanCache } from './plan-cache.ts';
import { refuseLargeTree, refuseLongText } from './tree-size.ts';

export interface NameSettings {
  readonly searchPath: readonly string[];
  readonly settings: Readonly<Record<string, string>>;
}

/** As Postgres analysed it, with names resolved so. */
export interface AnalysedText extends Analysed {
  readonly names: string;
}

/** How many bytes come of a character of a tree: its nodes, and a plan made of them (measured). */
const NODE_BYTES = 8;
const PLAN_BYTES = 3;
const bytesOfText = ({ tree }: Analysis): number => tree.length;

/**
 * A literal may be read by the clock when it is analysed ('now', a time of day in a zone); one that is written with escapes or in pieces may be such. Only who prepared it
 * keeps that moment, as in Postgres.
 */
const OF_ITS_MOMENT = /(?<![a-z_])(now|today|tomorrow|yesterday)(?![a-z_])|\\|u&|'\s*\n\s*'/i;
/** timetz, and arrays of it. */
const TIME_IN_A_ZONE = /:consttype (1266|1270) /;

const TRIVIAL_TREE_CHARACTERS_MAX = 20_000;
const TRIVIAL_NODES = new Set(['QUERY', 'FROMEXPR', 'TARGETENTRY', 'CONST', 'PARAM', 'SQLVALUEFUNCTION', 'FUNCEXPR', 'RELABELTYPE']);
/** bool, int8, int4, text, unknown, varchar, numeric. */
const TRIVIAL_TYPES = new Set(['16', '20', '23', '25', '705', '1043', '1700']);
/** version(), current_database(), current_schema(), now(), pg_backend_pid(). */
const TRIVIAL_FUNCTIONS = new Set(['89', '861', '1402', '1299', '2026']);

export class Planner {
  readonly #mirror: Mirror;
  readonly #catalog: () => Catalog;
  readonly #kept: PlanCache;
  #builtins: Builtins | undefined;

  constructor(mirror: Mirror, catalog: () => Catalog) {
    this.#mirror = mirror;
    this.#catalog = catalog;
    this.#kept = new PlanCache(() => `${mirror.epoch} ${catalog().generation}`);
  }

  /** A SELECT with its parameters. */
  analyse(sql: string, parameterTypes: readonly number[], names: NameSettings, call: CallOptions): Promise<AnalysedText> {
    refuseLongText(sql);
    return this.#analysed(sql, parameterTypes.join(' '), names, () => this.#mirror.analyseQuery({ sql, parameterTypes, ...names }, call));
  }

  /** A text that values were written into: nobody sends it again. `asSent`: as the client sent it. */
  async analyseOnce(sql: string, asSent: string, names: NameSettings, call: CallOptions): Promise<AnalysedText> {
    refuseLongText(asSent);
    return { ...(await this.#mirror.analyseQuery({ sql, ...names }, call)), names: JSON.stringify(names) };
  }

  /** What a view of that text would be. */
  analyseView(sql: string, columnNames: readonly string[] | undefined, names: NameSettings, call: CallOptions): Promise<AnalysedText> {
    refuseLongText(sql);
    return this.#analysed(sql, JSON.stringify(columnNames ?? null), names, () =>
      this.#mirror.analyseView({ sql, ...(columnNames === undefined ? {} : { columnNames }), ...names }, call),
    );
  }

  async #analysed(sql: string, by: string, names: NameSettings, analyse: () => Promise<Analysed>): Promise<AnalysedText> {
    const under = JSON.stringify(names);
    const make = async (): Promise<AnalysedText> => ({ ...(await analyse()), names: under });
    if (OF_ITS_MOMENT.test(sql)) return make();
    const bytesOf = (made: AnalysedText): number => (TIME_IN_A_ZONE.test(made.tree) ? Infinity : sql.length + bytesOfText(made));
    return this.#kept.get([by, under, sql].join('\0'), make, bytesOf);
  }

  /** Its names still mean the same: neither the catalog nor the search path is another than when it was analysed. */
  async isCurrent({ types, names }: AnalysedText, now: NameSettings): Promise<boolean> {
    return names === JSON.stringify(now) && (await this.#mirror.types()) === types;
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
    return this.#planned(analysis, 'query', names, call, (loaded, context) => planQuery(loaded, context, parameters));
  }

  /** Of `analyseView`. */
  async view(analysis: Analysed, names: NameSettings, call: CallOptions): Promise<PlannedView> {
    const planned = await this.#planned(analysis, 'view', names, call, planView);
    // The names that Postgres gave the view's columns; the plan's own may be those of an operator's input.
    const columns = planned.columns.map(({ type }, i) => ({ name: must(analysis.columns[i], 'column').name, type }));
    return { ...planned, plan: { ...planned.plan, columns }, columns };
  }

  async #planned<T>(
    analysis: Analysed,
    purpose: Purpose,
    names: NameSettings,
    call: CallOptions,
    plan: (loaded: LoadedStatement, context: PlanContext) => Promise<T>,
  ): Promise<T> {
    const context = await this.#context(analysis, names, call);
    const loading = (): Promise<LoadedStatement> => {
      refuseLargeTree(analysis.tree);
      return load(analysis.tree, context, purpose);
    };
    const loaded = await this.#kept.get(analysis, loading, () => NODE_BYTES * bytesOfText(analysis));
    const planning = (): Promise<T> => plan(loaded, context);
    return isFinal(loaded) ? this.#kept.get(loaded, planning, () => PLAN_BYTES * bytesOfText(analysis)) : planning();
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
