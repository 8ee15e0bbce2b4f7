/** Casts through the text form (`CoerceViaIO`) that need no Postgres: to text, and from text where our input function is the whole of Postgres's. */
import { codecOf, type Value } from '../../values/codec.ts';
import type { PgType } from '../../values/type.ts';
import type { Native } from './native.ts';

const TEXT_LIKE: ReadonlySet<number> = new Set([25, 1043]);

export function nativeIoCast(from: PgType, to: PgType): Native | undefined {
  if (TEXT_LIKE.has(to.oid) && to.typmod < 0) {
    const codec = codecOf(from);
    const format = (value: Value): string => codec.format(value);
    return { name: `${from.name} → text`, fails: false, code: (generator, [value]) => `${generator.use(format, 'format')}(${value})` };
  }
  return undefined;
}
