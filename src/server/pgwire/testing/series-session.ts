/**
 * A session for the protocol server's own tests: it speaks the contract of `server/session.ts` for a handful of statements that produce real rows at any size
 * (`SELECT generate_series(a, b)`), so that the protocol is tested without an engine. Never part of the product.
 *
 *     SELECT generate_series(1, 3) · SELECT $1, $2 … · COPY generate_series(1, 3) TO STDOUT · SUBSCRIBE (rows for ever) · SLEEP (until cancelled) · PONDER (slow to prepare, runs for ever once begun)
 *     BEGIN · COMMIT · ROLLBACK · SET name = value · NOTICE text · DEALLOCATE name · FAIL AT n (an error at character n) · FAIL AFTER n (an error after n rows) · CRASH (a fault of the engine)
 */
import { ClientsMemory } from '../../../base/client-memory.ts';
import { MillraceError } from '../../../base/errors.ts';
import type { Prepared, Result, MessageBatch, Session, SessionFactory } from '../../session.ts';

const INT4 = { name: 'generate_series', typeOid: 23, typeSize: 4, typmod: -1 };
const TEXT = { name: '?column?', typeOid: 25, typeSize: -1, typmod: -1 };
const ROWS_A_BATCH = 1_000;

export class SeriesSessions implements SessionFactory {
  readonly opened: SeriesSession[] = [];

  open(startup: ReadonlyMap<string, string>): Promise<Session> {
    const session = new SeriesSession(startup);
    this.opened.push(session);
    return Promise.resolve(session);
  }
}

export class SeriesSession implements Session {
  readonly startup: ReadonlyMap<string, string>;
  readonly memory = new ClientsMemory().session();
  readonly parameters = new Map([
    ['server_version', '18.0'],
    ['client_encoding', 'UTF8'],
    ['server_encoding', 'UTF8'],
    ['DateStyle', 'ISO, MDY'],
    ['standard_conforming_strings', 'on'],
    ['integer_datetimes', 'on'],
  ]);
  transactionStatus: 'I' | 'T' | 'E' = 'I';
  closed = false;
  cancelled = 0;
  executed = 0;
  batchesMade = 0;
  iteratorsEnded = 0;
  #cancel: (() => void) | undefined;

  constructor(startup: ReadonlyMap<string, string>) {
    this.startup = startup;
  }

  split(text: string): { text: string; offset: number }[] {
    const found: { text: string; offset: number }[] = [];
    for (const match of text.matchAll(/[^;]+/g)) {
      const body = match[0].trim();
      if (body !== '') found.push({ text: body, offset: match.index + match[0].indexOf(body) });
    }
    return found;
  }

  async prepare(text: string, parameterTypes: readonly number[]): Promise<Prepared> {
    if (text.startsWith('PONDER')) await new Promise((resolve) => setTimeout(resolve, 100));
    return this.#prepare(text, parameterTypes);
  }

  #prepare(text: string, parameterTypes: readonly number[]): Promise<Prepared> {
    if (text.startsWith('NONSENSE'))
      return Promise.reject(this.#failed(new MillraceError('TEST', '42601', 'syntax error', { position: 1 })));
    const failAt = /^FAIL AT (\d+)/.exec(text);
    if (failAt !== null)
      return Promise.reject(
        this.#failed(new MillraceError('TEST', '42601', 'syntax error', { position: Number(failAt[1]), hint: 'mend it' })),
      );
    if (this.transactionStatus === 'E' && !/^(?:COMMIT|ROLLBACK)$/.test(text))
      return Promise.reject(new MillraceError('TEST', '25P02', 'current transaction is aborted'));
    if (text === 'SELECT missing')
      return Promise.reject(this.#failed(new MillraceError('TEST', '42703', 'column "missing" does not exist', { position: 8 })));
    const parameters = new Set(text.match(/\$\d+/g));
    const types = [...parameters].map((_, i) => (parameterTypes[i] ?? 0) || 25);
    if (text.startsWith('SELECT generate_series')) return Promise.resolve({ text, parameterTypes: types, columns: [INT4] });
    if (text.startsWith('SELECT $')) return Promise.resolve({ text, parameterTypes: types, columns: types.map(() => TEXT) });
    if (text.startsWith('FAIL AFTER')) return Promise.resolve({ text, parameterTypes: [], columns: [INT4] });
    return Promise.resolve({ text, parameterTypes: types, columns: null });
  }

  async execute(prepared: Prepared, parameters: readonly (Uint8Array | null)[]): Promise<Result> {
    const { text } = prepared;
    if (this.transactionStatus === 'E' && !/^(?:COMMIT|ROLLBACK)$/.test(text))
      throw new MillraceError('TEST', '25P02', 'current transaction is aborted');
    this.executed += 1;
    const word = /^\w+/.exec(text)?.[0] ?? '';
    const series = /generate_series\((\$?\d+), (\$?\d+)\)/.exec(text);
    const number = (written: string): number =>
      written.startsWith('$') ? Number(Buffer.from(parameters[Number(written.slice(1)) - 1]!).toString()) : Number(written);
    if (series !== null) {
      const [from, to] = [number(series[1]!), number(series[2]!)];
      if (word === 'COPY') {
        return {
          notices: [],
          body: { kind: 'copy', columnCount: 1, batches: this.#batches(from, to, copyData) },
          tag: (rows) => `COPY ${rows}`,
        };
      }
      return { notices: [], body: { kind: 'rows', batches: this.#batches(from, to, dataRow) }, tag: (rows) => `SELECT ${rows}` };
    }
    if (word === 'SUBSCRIBE') {
      return {
        notices: [],
        body: { kind: 'copy', columnCount: 1, batches: this.#batches(1, Number.POSITIVE_INFINITY, copyData, 10) },
        tag: (rows) => `SUBSCRIBE ${rows}`,
      };
    }
    if (word === 'SELECT') {
      const row: MessageBatch = { bytes: fields(parameters), rows: 1 };
      return { notices: [], body: { kind: 'rows', batches: one(row) }, tag: (rows) => `SELECT ${rows}` };
    }
    if (text.startsWith('FAIL AFTER')) {
      const rows = Number(text.split(' ')[2]);
      return { notices: [], body: { kind: 'rows', batches: this.#failAfter(rows) }, tag: (sent) => `SELECT ${sent}` };
    }
    if (word === 'SLEEP' || word === 'PONDER') await this.#sleep();
    if (word === 'CRASH') throw new TypeError('a fault of the engine');
    const failed = this.transactionStatus === 'E';
    if (word === 'BEGIN') this.transactionStatus = 'T';
    if (word === 'COMMIT' || word === 'ROLLBACK') this.transactionStatus = 'I';
    const set = /^SET (\w+) = (\w+)$/.exec(text);
    const deallocate = /^DEALLOCATE (\w+)$/.exec(text);
    const notice = /^NOTICE (.*)$/.exec(text);
    return {
      notices: notice === null ? [] : [{ severity: 'NOTICE', sqlstate: '00000', message: notice[1]!, hint: 'only a notice' }],
      ...(set === null ? {} : { parameters: new Map([[set[1]!, set[2]!]]) }),
      ...(deallocate === null ? {} : { deallocates: deallocate[1] === 'ALL' ? {} : { name: deallocate[1]! } }),
      body: { kind: 'none' },
      tag: () => (failed && word === 'COMMIT' ? 'ROLLBACK' : text.startsWith('DEALLOCATE ALL') ? 'DEALLOCATE ALL' : word),
    };
  }

  fail(): void {
    if (this.transactionStatus === 'T') this.transactionStatus = 'E';
  }

  cancel(): void {
    this.cancelled += 1;
    this.#cancel?.();
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }

  #failed(error: MillraceError): MillraceError {
    this.fail();
    return error;
  }

  #sleep(): Promise<never> {
    return new Promise((_, reject) => {
      this.#cancel = () => reject(this.#failed(new MillraceError('TEST', '57014', 'canceling statement due to user request')));
    });
  }

  async *#batches(from: number, to: number, encode: (value: number) => Buffer, pauseMs = 0): AsyncGenerator<MessageBatch> {
    let cancelled = false;
    this.#cancel = () => {
      cancelled = true;
    };
    try {
      for (let at = from; at <= to;) {
        if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
        if (cancelled) throw this.#failed(new MillraceError('TEST', '57014', 'canceling statement due to user request'));
        const rows: Buffer[] = [];
        while (at <= to && rows.length < (pauseMs > 0 ? 1 : ROWS_A_BATCH)) rows.push(encode(at++));
        this.batchesMade += 1;
        yield { bytes: Buffer.concat(rows), rows: rows.length };
      }
    } finally {
      this.iteratorsEnded += 1;
    }
  }

  async *#failAfter(rows: number): AsyncGenerator<MessageBatch> {
    yield { bytes: Buffer.concat(Array.from({ length: rows }, (_, i) => dataRow(i + 1))), rows };
    throw this.#failed(new MillraceError('TEST', '22012', 'division by zero'));
  }
}

async function* one(row: MessageBatch): AsyncGenerator<MessageBatch> {
  yield row;
}

function dataRow(value: number): Buffer {
  return fields([Buffer.from(String(value))]);
}

function fields(values: readonly (Uint8Array | null)[]): Buffer {
  const parts = values.flatMap((value) => (value === null ? [int32(-1)] : [int32(value.length), value]));
  const count = Buffer.alloc(2);
  count.writeInt16BE(values.length);
  const body = Buffer.concat([count, ...parts]);
  return Buffer.concat([Buffer.from('D'), int32(body.length + 4), body]);
}

function copyData(value: number): Buffer {
  const line = Buffer.from(`${value}\n`);
  return Buffer.concat([Buffer.from('d'), int32(line.length + 4), line]);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}
