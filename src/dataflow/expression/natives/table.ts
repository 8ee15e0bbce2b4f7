/** The table of native implementations: pg_proc OID → native. Built-in OIDs are the same in every Postgres. */
import type { Call } from '../../../plan/expression.ts';
import type { Native } from '../native.ts';
import { castNatives } from './cast.ts';
import { isUtc, type SessionSettings } from '../session.ts';
import { compareNatives } from './compare.ts';
import { datetimeNatives } from './datetime.ts';
import { floatNatives } from './float.ts';
import { intNatives } from './int.ts';
import { jsonNatives } from './json.ts';
import { numericNatives } from './numeric.ts';
import { textNatives } from './text.ts';

const TABLE: ReadonlyMap<number, Native> = new Map([
  ...compareNatives,
  ...intNatives,
  ...floatNatives,
  ...numericNatives,
  ...castNatives,
  ...textNatives,
  ...datetimeNatives,
  ...jsonNatives,
]);

export function nativeOf(call: Call, session: SessionSettings): Native | undefined {
  const native = TABLE.get(call.proc);
  if (native === undefined || (native.zoned === true && !isUtc(session.timeZone))) return undefined;
  return native.covers?.(call) === false ? undefined : native;
}

export function nativeTable(): ReadonlyMap<number, Native> {
  return TABLE;
}
