/** The table of native implementations: pg_proc OID → native. Built-in OIDs are the same in every Postgres. */
import type { Native } from '../native.ts';
import { castNatives } from './cast.ts';
import { compareNatives } from './compare.ts';
import { datetimeNatives } from './datetime.ts';
import { floatNatives } from './float.ts';
import { intNatives } from './int.ts';
import { jsonNatives } from './json.ts';
import { numericNatives } from './numeric.ts';
import { textNatives } from './text.ts';

export const NATIVES: ReadonlyMap<number, Native> = new Map([
  ...compareNatives,
  ...intNatives,
  ...floatNatives,
  ...numericNatives,
  ...castNatives,
  ...textNatives,
  ...datetimeNatives,
  ...jsonNatives,
]);
