/**
 * Which functions a view may call. Immutable ones: all. STABLE ones: those whose answer depends on nothing but their arguments and captured settings
 * (exactness *settings*). Everything that reads a clock, a sequence, the session or the catalog is refused with its reason; so is code of users.
 * In an ad hoc query a STABLE call over constants is a constant: it is asked once. Called by `load.ts` for every function of a tree.
 */
import { millraceError, type MillraceError } from '../../base/errors.ts';
import { dependsOn, type FunctionFacts } from '../../plan/facts/function.ts';

export type Purpose = 'view' | 'query';

/** The error, or undefined when it may be called over rows. `constant`: all its arguments are constants. */
export function refusedCall(facts: FunctionFacts, purpose: Purpose, constant: boolean): MillraceError | undefined {
  const on = dependsOn(facts);
  if (on === 'nothing') return undefined;
  const name = `${facts.name}()`;
  if (on === 'chance') {
    if (purpose === 'query') return millraceError('VOLATILE_IN_QUERY', { function: name });
    return millraceError('NOT_DETERMINISTIC', { function: name, why: 'It is VOLATILE: every call may give another answer.' });
  }
  if (on === 'settings' || (purpose === 'query' && constant)) return undefined;
  return millraceError(purpose === 'query' ? 'DEPENDS_ON_SESSION' : 'NOT_DETERMINISTIC', { function: name, why: WHY[on] });
}

const WHY = {
  storage: 'It measures how a row is stored upstream; here it is stored in another form.',
  clock: 'It reads the clock, so rows would change although no table does.',
  session: 'It is STABLE: it depends on the session or on the system catalog.',
} as const;

/** SQLValueFunctionOp, in the order of primnodes.h. */
const SQL_VALUES = [
  'CURRENT_DATE',
  'CURRENT_TIME',
  'CURRENT_TIME',
  'CURRENT_TIMESTAMP',
  'CURRENT_TIMESTAMP',
  'LOCALTIME',
  'LOCALTIME',
  'LOCALTIMESTAMP',
  'LOCALTIMESTAMP',
  'CURRENT_ROLE',
  'CURRENT_USER',
  'USER',
  'SESSION_USER',
  'CURRENT_CATALOG',
  'CURRENT_SCHEMA',
] as const;

export function refusedSqlValue(op: number, purpose: Purpose): MillraceError | undefined {
  if (purpose === 'query') return undefined;
  const name = SQL_VALUES[op] ?? 'this value';
  const why = op <= 8 ? WHY.clock : 'It depends on the session, and a view has none.';
  return millraceError('NOT_DETERMINISTIC', { function: name, why });
}
