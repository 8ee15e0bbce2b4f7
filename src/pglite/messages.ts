/**
 * The few messages of the Postgres protocol that are exchanged with PGlite, as bytes: requests built, replies read. There is no socket and no stream: a
 * reply is one array of bytes, and one that does not end in ReadyForQuery means that Postgres is dead.
 * Called by `instance.ts` and the two workers only.
 */
import { rowsIn } from '../wire/data-row.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface FieldDescription {
  readonly name: string;
  readonly tableOid: number;
  readonly attnum: number;
  readonly typeOid: number;
  readonly typeSize: number;
  readonly typmod: number;
}

/** Fields of an ErrorResponse or a NoticeResponse. */
export interface Complaint {
  readonly severity: string;
  readonly sqlstate: string;
  readonly message: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  /** 1-based, in characters. */
  readonly position: number | undefined;
  readonly where: string | undefined;
}

export interface Answers {
  parse: number;
  bind: number;
  describe: number;
  execute: number;
}

export interface Reply {
  /** null: NoData, or no description was asked for. */
  readonly columns: readonly FieldDescription[] | null;
  readonly parameterTypes: readonly number[];
  /** Whole DataRow messages, one after another. */
  readonly rows: Uint8Array;
  readonly rowCount: number;
  readonly tag: string;
  readonly notices: readonly Complaint[];
  readonly error: Complaint | undefined;
  /** Of the last ReadyForQuery; undefined: there was none at the end, Postgres is dead. */
  readonly status: 'I' | 'T' | 'E' | undefined;
  /** Messages answered without an error, by the kind of request. */
  readonly answered: Answers;
}

function message(type: string, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const bytes = new Uint8Array(5 + length);
  bytes[0] = type.charCodeAt(0);
  new DataView(bytes.buffer).setInt32(1, 4 + length);
  let at = 5;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function cstring(text: string): Uint8Array {
  return encoder.encode(`${text}\0`);
}

function int16s(numbers: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(2 + 2 * numbers.length);
  const view = new DataView(bytes.buffer);
  view.setInt16(0, numbers.length);
  numbers.forEach((number, i) => view.setInt16(2 + 2 * i, number));
  return bytes;
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export const request = {
  query: (sql: string): Uint8Array => message('Q', cstring(sql)),

  parse: (sql: string, parameterTypes: readonly number[] = [], statement = ''): Uint8Array => {
    const types = new Uint8Array(2 + 4 * parameterTypes.length);
    const view = new DataView(types.buffer);
    view.setInt16(0, parameterTypes.length);
    parameterTypes.forEach((oid, i) => view.setUint32(2 + 4 * i, oid));
    return message('P', cstring(statement), cstring(sql), types);
  },

  bind: (
    parameters: readonly (Uint8Array | string | null)[] = [],
    parameterFormats: readonly number[] = [],
    resultFormats: readonly number[] = [],
    statement = '',
  ): Uint8Array => {
    const values = parameters.map((value) => (typeof value === 'string' ? encoder.encode(value) : value));
    const body = new Uint8Array(2 + values.reduce((sum, value) => sum + 4 + (value?.length ?? 0), 0));
    const view = new DataView(body.buffer);
    view.setInt16(0, values.length);
    let at = 2;
    for (const value of values) {
      view.setInt32(at, value === null ? -1 : value.length);
      at += 4;
      if (value !== null) {
        body.set(value, at);
        at += value.length;
      }
    }
    return message('B', cstring(''), cstring(statement), int16s(parameterFormats), body, int16s(resultFormats));
  },

  describeStatement: (statement = ''): Uint8Array => message('D', cstring(`S${statement}`)),
  describePortal: (): Uint8Array => message('D', cstring('P')),
  execute: (rowsMax = 0): Uint8Array => {
    const limit = new Uint8Array(4);
    new DataView(limit.buffer).setInt32(0, rowsMax);
    return message('E', cstring(''), limit);
  },
  sync: (): Uint8Array => message('S'),
} as const;

/** Reads a whole reply. Of several errors (a simple query has one at most) the first counts. */
export function readReply(bytes: Uint8Array): Reply {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let columns: FieldDescription[] | null = null;
  let parameterTypes: number[] = [];
  const rows: Uint8Array[] = [];
  let tag = '';
  const notices: Complaint[] = [];
  let error: Complaint | undefined;
  let status: Reply['status'];
  const answered: Answers = { parse: 0, bind: 0, describe: 0, execute: 0 };
  let at = 0;
  while (at + 5 <= bytes.length) {
    const type = bytes[at]!;
    const end = at + 1 + view.getInt32(at + 1);
    if (end > bytes.length)
      return { columns, parameterTypes, rows: new Uint8Array(), rowCount: 0, tag, notices, error, status: undefined, answered };
    const body = at + 5;
    status = undefined;
    switch (type) {
      case 0x31: // 1 ParseComplete
        answered.parse++;
        break;
      case 0x32: // 2 BindComplete
        answered.bind++;
        break;
      case 0x6e: // n NoData
        answered.describe++;
        break;
      case 0x49: // I EmptyQueryResponse
      case 0x73: // s PortalSuspended
        answered.execute++;
        break;
      case 0x54: // T RowDescription
        answered.describe++;
        columns = readRowDescription(bytes, view, body);
        break;
      case 0x74: // t ParameterDescription
        parameterTypes = Array.from({ length: view.getInt16(body) }, (_, i) => view.getUint32(body + 2 + 4 * i));
        break;
      case 0x44: // D DataRow
        rows.push(bytes.subarray(at, end));
        break;
      case 0x43: // C CommandComplete
        answered.execute++;
        tag = decoder.decode(bytes.subarray(body, end - 1));
        break;
      case 0x45: // E ErrorResponse
        error ??= readComplaint(bytes, body, end);
        break;
      case 0x4e: // N NoticeResponse
        notices.push(readComplaint(bytes, body, end));
        break;
      case 0x5a: // Z ReadyForQuery
        status = String.fromCharCode(bytes[body]!) as 'I' | 'T' | 'E';
        break;
      default:
    }
    at = end;
  }
  return {
    columns,
    parameterTypes,
    rows: joined(...rows),
    rowCount: rows.length,
    tag,
    notices,
    error,
    status: at === bytes.length ? status : undefined,
    answered,
  };
}

function readRowDescription(bytes: Uint8Array, view: DataView, body: number): FieldDescription[] {
  const count = view.getInt16(body);
  const fields: FieldDescription[] = [];
  let at = body + 2;
  for (let i = 0; i < count; i++) {
    const end = bytes.indexOf(0, at);
    fields.push({
      name: decoder.decode(bytes.subarray(at, end)),
      tableOid: view.getUint32(end + 1),
      attnum: view.getInt16(end + 5),
      typeOid: view.getUint32(end + 7),
      typeSize: view.getInt16(end + 11),
      typmod: view.getInt32(end + 13),
    });
    at = end + 19;
  }
  return fields;
}

function readComplaint(bytes: Uint8Array, body: number, end: number): Complaint {
  const fields = new Map<string, string>();
  let at = body;
  while (at < end && bytes[at] !== 0) {
    const stop = bytes.indexOf(0, at + 1);
    fields.set(String.fromCharCode(bytes[at]!), decoder.decode(bytes.subarray(at + 1, stop)));
    at = stop + 1;
  }
  const position = fields.get('P');
  return {
    severity: fields.get('V') ?? fields.get('S') ?? 'ERROR',
    sqlstate: fields.get('C') ?? 'XX000',
    message: fields.get('M') ?? '',
    detail: fields.get('D'),
    hint: fields.get('H'),
    position: position === undefined ? undefined : Number(position),
    where: fields.get('W'),
  };
}

/**
 * Does the reply lack what the requests ask for? Then something inside Postgres was thrown away: after a stack overflow in Bind, PGlite goes on with Execute,
 * which finds no portal and answers that there are no rows.
 */
export function isIncomplete(requests: Uint8Array, { error, answered, status }: Reply): boolean {
  if (status === undefined) return true;
  // After an error Postgres skips what follows.
  if (error !== undefined) return false;
  const asked: Answers = { parse: 0, bind: 0, describe: 0, execute: 0 };
  const view = new DataView(requests.buffer, requests.byteOffset, requests.byteLength);
  for (let at = 0; at < requests.length; at += 1 + view.getInt32(at + 1)) {
    const kind = REQUESTS[requests[at]!];
    if (kind !== undefined) asked[kind]++;
  }
  return (
    answered.parse < asked.parse || answered.bind < asked.bind || answered.describe < asked.describe || answered.execute < asked.execute
  );
}

/** Q, of one or more statements, is answered by one CommandComplete at least. */
const REQUESTS: Readonly<Record<number, keyof Answers>> = {
  0x50: 'parse',
  0x42: 'bind',
  0x44: 'describe',
  0x45: 'execute',
  0x51: 'execute',
};

/** DataRow messages in text format as rows of text. */
export function textRows(rows: Uint8Array): (string | null)[][] {
  return [...rowsIn(rows)].map((fields) => fields.map((field) => (field === null ? null : decoder.decode(field))));
}
