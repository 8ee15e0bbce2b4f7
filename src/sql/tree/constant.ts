/**
 * A CONST's bytes → Postgres's text form, for the types that everyday queries write. Bytes are little-endian 32-bit PGlite memory: by-value types in 4 bytes,
 * int8, float8 and timestamps in 8, varlena with a 4-byte header, numeric in its base-10000 disk form. Every other type is rendered by Postgres (`load.ts`).
 */
import { formatDate, formatTime, formatTimestamp, formatTimestamptz } from '../../values/datetime.ts';
import { formatFloat4, formatFloat8 } from '../../values/float.ts';
import { normalInt } from '../../values/int64.ts';
import { formatInterval } from '../../values/interval.ts';

const VARLENA_HEADER_BYTES = 4;

type Decode = (view: DataView, bytes: Uint8Array) => string;

const utf8 = new TextDecoder();
const text: Decode = (_view, bytes) => utf8.decode(bytes.subarray(VARLENA_HEADER_BYTES));
const micros = (view: DataView): number | bigint => normalInt(view.getBigInt64(0, true));

const DECODERS: ReadonlyMap<number, Decode> = new Map<number, Decode>([
  [16, (view) => (view.getUint8(0) === 0 ? 'f' : 't')],
  [20, (view) => String(view.getBigInt64(0, true))],
  [21, (view) => String(view.getInt16(0, true))],
  [23, (view) => String(view.getInt32(0, true))],
  [26, (view) => String(view.getUint32(0, true))],
  [25, text],
  [1043, text],
  [1042, text],
  // An unknown literal is a C string; so it ends in a zero byte.
  [705, (_view, bytes) => utf8.decode(bytes.subarray(0, bytes.indexOf(0) < 0 ? bytes.length : bytes.indexOf(0)))],
  [700, (view) => formatFloat4(view.getFloat32(0, true))],
  [701, (view) => formatFloat8(view.getFloat64(0, true))],
  [1082, (view) => formatDate(view.getInt32(0, true))],
  [1083, (view) => formatTime(Number(micros(view)))],
  [1114, (view) => formatTimestamp(micros(view))],
  [1184, (view) => formatTimestamptz(micros(view))],
  [1186, (view) => formatInterval({ micros: micros(view), days: view.getInt32(8, true), months: view.getInt32(12, true) })],
  [1700, numericText],
  [
    2950,
    (_view, bytes) =>
      Buffer.from(bytes)
        .toString('hex')
        .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
  ],
]);

/** undefined: a type that Postgres must render. */
export function constantText(typeOid: number, bytes: Uint8Array): string | undefined {
  return DECODERS.get(typeOid)?.(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), bytes);
}

/** https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/utils/adt/numeric.c: NumericShort, NumericLong. */
function numericText(view: DataView): string {
  const header = view.getUint16(VARLENA_HEADER_BYTES, true);
  if ((header & 0xc000) === 0xc000) return header === 0xd000 ? 'Infinity' : header === 0xf000 ? '-Infinity' : 'NaN';
  const short = (header & 0x8000) !== 0;
  const negative = (header & (short ? 0x2000 : 0x4000)) !== 0;
  const scale = short ? (header & 0x1f80) >> 7 : header & 0x3fff;
  const weight = short ? (header & 0x3f) | (header & 0x40 ? ~0x3f : 0) : view.getInt16(VARLENA_HEADER_BYTES + 2, true);
  const firstDigit = VARLENA_HEADER_BYTES + (short ? 2 : 4);
  const digits = (view.byteLength - firstDigit) / 2;
  const group = (power: number): string => {
    const index = weight - power;
    return index >= 0 && index < digits ? String(view.getInt16(firstDigit + 2 * index, true)).padStart(4, '0') : '0000';
  };
  let whole = '';
  for (let power = Math.max(weight, 0); power >= 0; power--) whole += group(power);
  let fraction = '';
  for (let power = -1; fraction.length < scale; power--) fraction += group(power);
  const unsigned = whole.replace(/^0+(?=\d)/, '') + (scale > 0 ? `.${fraction.slice(0, scale)}` : '');
  return negative ? `-${unsigned}` : unsigned;
}

/** The elements of a one-dimensional array's text form; undefined for more dimensions or bounds of its own. */
export function arrayElements(array: string): (string | null)[] | undefined {
  if (array === '{}') return [];
  if (!array.startsWith('{') || array.startsWith('{{')) return undefined;
  const elements: (string | null)[] = [];
  const element = /"((?:[^"\\]|\\[\s\S])*)"|((?:[^",{}\\]|\\[\s\S])+)/y;
  let at = 1;
  for (;;) {
    element.lastIndex = at;
    const found = element.exec(array);
    if (found === null) return undefined;
    at = element.lastIndex;
    const [, quoted, plain] = found;
    if (quoted !== undefined) elements.push(quoted.replaceAll(/\\([\s\S])/g, '$1'));
    else elements.push(/^null$/i.test(plain!.trim()) ? null : plain!.trim().replaceAll(/\\([\s\S])/g, '$1'));
    const delimiter = array.charAt(at++);
    if (delimiter === '}') return at === array.length ? elements : undefined;
    if (delimiter !== ',') return undefined;
  }
}
