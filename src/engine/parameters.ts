/** Parameters of Bind as text: what planning takes. Binary forms of the types that drivers send so; others are refused by name. */
import { millraceError } from '../base/errors.ts';

export function parameterTexts(
  parameters: readonly (Uint8Array | null)[],
  formats: readonly number[],
  types: readonly number[],
): (string | null)[] {
  return parameters.map((bytes, i) => {
    if (bytes === null) return null;
    const format = formats.length === 0 ? 0 : formats.length === 1 ? formats[0]! : (formats[i] ?? 0);
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return format === 0 ? buffer.toString('utf8') : binaryText(buffer, types[i] ?? 0);
  });
}

function binaryText(bytes: Buffer, oid: number): string {
  switch (oid) {
    case 16:
      return bytes[0] === 0 ? 'f' : 't';
    case 20:
      return String(bytes.readBigInt64BE());
    case 21:
      return String(bytes.readInt16BE());
    case 23:
      return String(bytes.readInt32BE());
    case 26:
      return String(bytes.readUInt32BE());
    case 700:
      return String(bytes.readFloatBE());
    case 701:
      return String(bytes.readDoubleBE());
    case 17:
      return `\\x${bytes.toString('hex')}`;
    case 18:
    case 19:
    case 25:
    case 114:
    case 705:
    case 1042:
    case 1043:
      return bytes.toString('utf8');
    case 2950:
      return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    case 3802:
      return bytes.toString('utf8', 1);
    default:
      throw millraceError('BINARY_FORMAT_UNSUPPORTED', { oid });
  }
}
