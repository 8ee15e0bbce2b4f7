/**
 * Planning's context on the mirror: types and relations of one analysed statement, and Postgres to evaluate constants and to print node trees. Printing is
 * `pg_get_expr` under an argument type that takes text (`PLANNING_PRELUDE`): so whatever Postgres can write down as SQL, the evaluator can run.
 * Made by the coordinator for each statement that is planned.
 */
import { plainTypeName } from '../../values/type-name.ts';
import { must } from '../../base/assert.ts';
import { MillraceError } from '../../base/errors.ts';
import { ident, literal } from '../../base/ident.ts';
import type { CatalogClient, CallOptions } from '../../pglite/catalog-client.ts';
import type { Ddl, StatementSettings } from '../../pglite/catalog-contract.ts';
import type { Column, PgType } from '../../values/type.ts';
import type { TypeTable } from '../mirror/types.ts';
import { readBuiltins, type Builtins } from './builtins.ts';
import type { PlanContext, RelationFacts } from './context.ts';
import { replaceParameters } from './parameters.ts';

/** For `MirrorOptions.prelude`. A node tree only is printed by it: nothing of it runs. */
export const PLANNING_PRELUDE: readonly Ddl[] = [
  {
    privileged: `CREATE FUNCTION pg_catalog.millrace_deparse(text, oid) RETURNS text LANGUAGE internal STABLE STRICT AS 'pg_get_expr'`,
  },
];

/** An object of Millrace's catalog, as planning needs it. */
export interface PlanRelation {
  readonly kind: 'table' | 'view' | 'materializedView';
  readonly objectId: string;
  readonly name: string;
  /** In mirror attnum order. */
  readonly columns: readonly Column[];
}

export interface CatalogContextOptions extends StatementSettings {
  readonly catalog: CatalogClient;
  readonly types: TypeTable;
  readonly builtins: Builtins;
  /** By the name it has in the mirror. */
  readonly relationNamed: (schema: string, name: string) => PlanRelation | undefined;
  /** Types of $1 … $n, for their values. */
  readonly parameterTypes?: readonly number[];
  readonly call?: CallOptions;
}

/** Without its schema. */
function bare(typeName: string): string {
  return /^(?:"(?:[^"]|"")*"|[^".]+)\.(.*)$/.exec(typeName)?.[1] ?? typeName;
}

/** Once a process. */
export async function builtinsOf(catalog: CatalogClient): Promise<Builtins> {
  return readBuiltins(async (sql) => (await catalog.query(sql)).rows);
}

export function catalogContext(options: CatalogContextOptions): PlanContext {
  const { catalog, types, builtins, relationNamed, parameterTypes = [], call = {}, searchPath, settings } = options;
  const under = { ...call, ...(searchPath === undefined ? {} : { searchPath }), ...(settings === undefined ? {} : { settings }) };

  async function relation(oid: number): Promise<RelationFacts | undefined> {
    const { rows } = await catalog.query(
      `SELECT n.nspname, c.relname, (SELECT r.ev_action FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid AND c.relkind = 'v' AND r.rulename = '_RETURN')
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1::oid`,
      [String(oid)],
      call,
    );
    const [row] = rows;
    const found = row === undefined ? undefined : relationNamed(row[0]!, row[1]!);
    if (found === undefined) return undefined;
    const { kind, objectId, name, columns } = found;
    return kind === 'view'
      ? { kind, objectId, name, columns, tree: must(row?.[2], `the rule of view ${name}`) }
      : { kind, objectId, name, columns };
  }

  async function deparse(trees: readonly string[]): Promise<string[]> {
    const { rows } = await catalog.query(`SELECT ${trees.map((_, i) => `pg_catalog.millrace_deparse($${i + 1}, 0)`).join(', ')}`, trees, {
      ...call,
      searchPath: [],
    });
    return must(rows[0], 'printed expressions').map((text) => must(text, 'a printed expression'));
  }

  /** As the output functions print them: a cast to text would drop the blanks of bpchar. */
  async function evaluateAll(sqls: readonly string[]): Promise<(string | null)[]> {
    const { rows } = await catalog.query(`SELECT ${sqls.join(', ')}`, [], under);
    return must(rows[0], 'a row of constants');
  }

  return {
    typeOf: (oid, typmod, collationOid): PgType => types.typeOf(oid, typmod, collationOid),
    collation: (oid) => types.collation(oid),
    shownName({ name }) {
      const first = searchPath?.find((schema) => types.oidOf(`${ident(schema)}.${bare(name)}`) !== undefined);
      return first !== undefined && name === `${ident(first)}.${bare(name)}` ? bare(name) : name;
    },
    functionOf: (oid) => builtins.functions.get(oid),
    operatorOf: (oid) => builtins.operators.get(oid),
    operatorNamed: (name, left, right) =>
      builtins.operators.values().find((operator) => operator.name === name && operator.left === left && operator.right === right),
    implicitCast: (from, to) => builtins.casts.get(`${from}:${to}`),
    relation,
    deparse,
    async evaluate(trees, parameters) {
      const given = (number: number): string => {
        const value = parameters[number - 1] ?? null;
        const type = parameterTypes[number - 1];
        const text = value === null ? 'NULL' : literal(value);
        return type === undefined ? text : `(${text}::${plainTypeName(types.typeOf(type))})`;
      };
      const sqls = (await deparse(trees)).map((sql) => replaceParameters(sql, given));
      try {
        return await evaluateAll(sqls);
      } catch (error) {
        if (!(error instanceof MillraceError) || error.code !== 'POSTGRES_REFUSES') throw error;
      }
      // One of them fails: it stays an expression, and fails where it is evaluated.
      const values: (string | null | undefined)[] = [];
      for (const sql of sqls) {
        values.push(
          await evaluateAll([sql]).then(
            ([value]) => value,
            (error: unknown) => {
              if (error instanceof MillraceError && error.code === 'POSTGRES_REFUSES') return undefined;
              throw error;
            },
          ),
        );
      }
      return values;
    },
  };
}
