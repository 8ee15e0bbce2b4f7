/**
 * Functions, operators and implicit casts that come with Postgres, read once from pg_proc, pg_operator, pg_amop and pg_cast: their OIDs are the same in every
 * generation of the catalog worker. Whatever is not in here is a user's. Used through `catalog-context.ts`.
 */
import type { FunctionFacts } from '../../plan/facts/function.ts';
import type { ImplicitCast, OperatorFacts } from './context.ts';

export interface Builtins {
  readonly functions: ReadonlyMap<number, FunctionFacts>;
  readonly operators: ReadonlyMap<number, OperatorFacts>;
  readonly casts: ReadonlyMap<string, ImplicitCast>;
}

export type Query = (sql: string) => Promise<readonly (readonly (string | null)[])[]>;

/** OIDs below belong to Postgres itself: FirstNormalObjectId. */
const FIRST_USER_OID = 16384;

const VOLATILITY: Readonly<Record<string, FunctionFacts['volatility']>> = { i: 'immutable', s: 'stable', v: 'volatile' };

export async function readBuiltins(query: Query): Promise<Builtins> {
  const functions = await query(
    `SELECT oid::text, proname::text, provolatile::text, proisstrict::text, proargtypes::text,
            (oid IN (SELECT o.oprcode FROM pg_catalog.pg_amop a JOIN pg_catalog.pg_am m ON m.oid = a.amopmethod JOIN pg_catalog.pg_operator o ON o.oid = a.amopopr
                     WHERE (m.amname, a.amopstrategy) IN (('btree', 3), ('hash', 1))))::text
     FROM pg_catalog.pg_proc WHERE oid < ${FIRST_USER_OID}`,
  );
  const operators = await query(
    `SELECT oid::text, oprname::text, oprcode::oid::text, oprleft::text, oprright::text FROM pg_catalog.pg_operator WHERE oid < ${FIRST_USER_OID}`,
  );
  const casts = await query(
    `SELECT castsource::text, casttarget::text, castmethod::text, castfunc::text FROM pg_catalog.pg_cast
     WHERE castcontext = 'i' AND castmethod IN ('f', 'b') AND oid < ${FIRST_USER_OID}`,
  );
  return {
    functions: new Map(
      functions.map(([oid, name, volatility, strict, args, isEquality]) => [
        Number(oid),
        {
          oid: Number(oid),
          name: name!,
          volatility: VOLATILITY[volatility!] ?? 'volatile',
          strict: strict === 'true',
          argumentTypes: args === '' || args === null || args === undefined ? [] : args.split(' ').map(Number),
          isEquality: isEquality === 'true',
        },
      ]),
    ),
    operators: new Map(
      operators.map(([oid, name, proc, left, right]) => [
        Number(oid),
        { name: name!, proc: Number(proc), left: Number(left), right: Number(right) },
      ]),
    ),
    casts: new Map(
      casts.map(([from, to, method, proc]) => [
        `${from}:${to}`,
        method === 'f' ? { method: 'function', proc: Number(proc) } : { method: 'relabel' },
      ]),
    ),
  };
}
