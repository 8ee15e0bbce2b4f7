/** Casts through the text form (`CoerceViaIO`) that need no Postgres: to text, and from text where our input function is the whole of Postgres's. */
import { baseOid, codecOf, type Value } from '../../values/codec.ts';
import type { PgType } from '../../values/type.ts';
import type { Native } from './native.ts';
import { isUtc, type SessionSettings } from './session.ts';

const TIMESTAMPTZ = 1184;
const TEXT_LIKE: ReadonlySet<number> = new Set([25, 1043]);

export function nativeIoCast(from: PgType, to: PgType, session: SessionSettings): Native | undefined {
  if (baseOid(from) === TIMESTAMPTZ && !isUtc(session.timeZone)) return undefined;
  if (TEXT_LIKE.has(to.oid) && to.typmod < 0) {
    const codec = codecOf(from);
    const format = (value: Value): string => codec.format(value);
    return { name: `${from.name} → text`, fails: false, code: (generator, [value]) => `${generator.use(format, 'format')}(${value})` };
  }
  return undefined;
}
