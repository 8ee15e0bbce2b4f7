/**
 * Messages to a client, as bytes: one function a message of the Postgres protocol. Pure. Called by `connection.ts`, `authentication.ts` and `extended.ts`;
 * DataRow and CopyData come ready from the engine and pass through untouched.
 */
import type { MillraceError } from '../../base/errors.ts';
import type { Notice, ResultColumn } from '../session.ts';

function message(type: string, ...parts: readonly Uint8Array[]): Buffer {
  let bytes = 4;
  for (const part of parts) bytes += part.length;
  const header = Buffer.alloc(5);
  header.write(type, 0, 'latin1');
  header.writeInt32BE(bytes, 1);
  return Buffer.concat([header, ...parts], bytes + 1);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value | 0);
  return bytes;
}

function text(value: string): Buffer {
  // A zero byte would end the string early and shift every field after it.
  return Buffer.from(`${value.replaceAll('\0', '')}\0`, 'utf8');
}

export const parseComplete = message('1');
export const bindComplete = message('2');
export const closeComplete = message('3');
export const noData = message('n');
export const portalSuspended = message('s');
export const emptyQueryResponse = message('I');
export const copyDone = message('c');
export const authenticationOk = message('R', int32(0));

export function authenticationSasl(mechanisms: readonly string[]): Buffer {
  return message('R', int32(10), ...mechanisms.map(text), Buffer.from([0]));
}

export function authenticationSaslContinue(data: string): Buffer {
  return message('R', int32(11), Buffer.from(data, 'utf8'));
}

export function authenticationSaslFinal(data: string): Buffer {
  return message('R', int32(12), Buffer.from(data, 'utf8'));
}

/** `version` is whole (major and minor), as the server sends it and libpq reads it. */
export function negotiateProtocolVersion(version: number, unknownOptions: readonly string[]): Buffer {
  return message('v', int32(version), int32(unknownOptions.length), ...unknownOptions.map(text));
}

export function backendKeyData(processId: number, secret: Uint8Array): Buffer {
  return message('K', int32(processId), secret);
}

export function parameterStatus(name: string, value: string): Buffer {
  return message('S', text(name), text(value));
}

export function readyForQuery(status: 'I' | 'T' | 'E'): Buffer {
  return message('Z', Buffer.from(status, 'latin1'));
}

export function commandComplete(tag: string): Buffer {
  return message('C', text(tag));
}

/** `formats`: as in Bind: none (all text), one for all, or one each. */
export function rowDescription(columns: readonly ResultColumn[], formats: readonly number[]): Buffer {
  const fields = columns.flatMap((column, i) => [
    text(column.name),
    int32(0),
    int16(0),
    int32(column.typeOid),
    int16(column.typeSize & 0xffff),
    int32(column.typmod),
    int16((formats.length === 1 ? formats[0] : formats[i]) ?? 0),
  ]);
  return message('T', int16(columns.length), ...fields);
}

export function parameterDescription(typeOids: readonly number[]): Buffer {
  return message('t', int16(typeOids.length), ...typeOids.map(int32));
}

/** Text format, as every COPY here is. */
export function copyOutResponse(columnCount: number): Buffer {
  return message('H', Buffer.from([0]), int16(columnCount), Buffer.alloc(columnCount * 2));
}

export function errorResponse(error: MillraceError, severity: 'ERROR' | 'FATAL'): Buffer {
  return message('E', ...fields(severity, error, error.position));
}

export function noticeResponse(notice: Notice): Buffer {
  return message('N', ...fields(notice.severity, notice, undefined));
}

type Said = Pick<Notice, 'sqlstate' | 'message' | 'detail' | 'hint'>;

function fields(severity: string, { sqlstate, message, detail, hint }: Said, position: number | undefined): Buffer[] {
  const known = { S: severity, V: severity, C: sqlstate, M: message, D: detail, H: hint, P: position };
  const given = Object.entries(known).filter(([, value]) => value !== undefined);
  return [...given.flatMap(([field, value]) => [Buffer.from(field, 'latin1'), text(String(value))]), Buffer.from([0])];
}
