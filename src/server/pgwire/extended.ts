/**
 * The extended protocol of one session: prepared statements and portals, named and unnamed, within their limits (I-6). Each method handles one message and throws on
 * failure; the skipping until Sync is `connection.ts`'s, which calls them.
 */
import { millraceError } from '../../base/errors.ts';
import type { Prepared, Session } from '../session.ts';
import { bindComplete, closeComplete, emptyQueryResponse, noData, parameterDescription, parseComplete, rowDescription } from './backend.ts';
import type { BodyReader } from './frontend.ts';
import type { Output } from './output.ts';
import { codePoints, withPositionOffset } from './position.ts';
import { RunningResult } from './running-result.ts';

export interface ExtendedLimits {
  readonly statementsMax: number;
  readonly portalsMax: number;
}

/** `prepared` is undefined for an empty statement. */
interface Statement {
  readonly prepared: Prepared | undefined;
  readonly positionOffset: number;
  readonly heldBytes: number;
}

interface Portal {
  readonly statement: Statement;
  readonly parameters: readonly (Uint8Array | null)[];
  readonly parameterFormats: readonly number[];
  readonly resultFormats: readonly number[];
  readonly heldBytes: number;
  running: RunningResult | undefined;
}

/** Of maps and objects around what is kept. */
const ENTRY_BYTES = 300;
const STATEMENT = 'S'.charCodeAt(0);
const PORTAL = 'P'.charCodeAt(0);

export class ExtendedProtocol {
  readonly #session: Session;
  readonly #output: Output;
  readonly #limits: ExtendedLimits;
  readonly #interrupt: () => void;
  readonly #statements = new Map<string, Statement>();
  readonly #portals = new Map<string, Portal>();

  /** `interrupt` throws when what runs is to end. */
  constructor(session: Session, output: Output, limits: ExtendedLimits, interrupt: () => void) {
    this.#session = session;
    this.#output = output;
    this.#limits = limits;
    this.#interrupt = interrupt;
  }

  async parse(body: BodyReader): Promise<void> {
    const name = body.text();
    const text = body.text();
    const types = Array.from({ length: body.count(4) }, () => body.uint32());
    body.end();
    if (name === '') this.#drop('');
    const { statementsMax } = this.#limits;
    if (this.#statements.size >= statementsMax) throw millraceError('PREPARED_STATEMENTS_EXHAUSTED', { statementsMax });
    const parts = this.#session.split(text);
    if (parts.length > 1) throw millraceError('STATEMENTS_IN_ONE_PARSE', {});
    const [only] = parts;
    const positionOffset = only === undefined ? 0 : codePoints(text, only.offset);
    const prepared =
      only === undefined ? undefined : await withPositionOffset(positionOffset, () => this.#session.prepare(only.text, types));
    if (this.#statements.has(name)) throw millraceError('PREPARED_STATEMENT_EXISTS', { name });
    const heldBytes = ENTRY_BYTES + name.length + (prepared?.heldBytes ?? 0);
    this.#session.memory.take('prepared statements', heldBytes);
    this.#statements.set(name, { prepared, positionOffset, heldBytes });
    this.#output.push(parseComplete);
  }

  async bind(body: BodyReader): Promise<void> {
    const name = body.text();
    const statement = this.#statement(body.text());
    if (statement.prepared?.columns !== null) this.#refuseInFailedBlock();
    const parameterFormats = Array.from({ length: body.count(2) }, () => format(body.int16()));
    const parameters = Array.from({ length: body.count(4) }, () => {
      const bytes = body.int32();
      if (bytes < -1) throw millraceError('PROTOCOL_VIOLATION', { reason: `invalid parameter length ${bytes}` });
      // A copy: the message's memory is not kept alive by one parameter, and may be handed to another thread.
      return bytes === -1 ? null : new Uint8Array(body.bytes(bytes));
    });
    const resultFormats = Array.from({ length: body.count(2) }, () => format(body.int16()));
    body.end();
    const needed = statement.prepared?.parameterTypes.length ?? 0;
    if (parameters.length !== needed) throw millraceError('BIND_MISMATCH', { what: 'parameters', given: parameters.length, needed });
    if (parameterFormats.length > 1 && parameterFormats.length !== needed)
      throw millraceError('BIND_MISMATCH', { what: 'parameter formats', given: parameterFormats.length, needed });
    const columns = statement.prepared?.columns?.length ?? 0;
    if (resultFormats.length > 1 && resultFormats.length !== columns)
      throw millraceError('BIND_MISMATCH', { what: 'result formats', given: resultFormats.length, needed: columns });
    if (name === '') await this.#closePortal('');
    else if (this.#portals.has(name)) throw millraceError('PORTAL_EXISTS', { name });
    const { portalsMax } = this.#limits;
    if (this.#portals.size >= portalsMax) throw millraceError('PORTALS_EXHAUSTED', { portalsMax });
    const heldBytes = parameters.reduce((sum, value) => sum + (value?.length ?? 0), ENTRY_BYTES + name.length);
    this.#session.memory.take('portals', heldBytes);
    this.#portals.set(name, { statement, parameters, parameterFormats, resultFormats, heldBytes, running: undefined });
    this.#output.push(bindComplete);
  }

  describe(body: BodyReader): void {
    const kind = body.byte();
    const name = body.text();
    body.end();
    if (kind === STATEMENT) {
      const { prepared } = this.#statement(name);
      if (prepared !== undefined && prepared.columns !== null) this.#refuseInFailedBlock();
      this.#output.push(parameterDescription(prepared?.parameterTypes ?? []));
      this.#describeColumns(prepared, []);
    } else if (kind === PORTAL) {
      const cursor = this.#portals.has(name) ? undefined : this.#session.cursorColumns?.(name);
      if (cursor !== undefined) {
        this.#output.push(rowDescription(cursor, []));
        return;
      }
      const portal = this.#portal(name);
      this.#describeColumns(portal.statement.prepared, portal.resultFormats);
    } else throw millraceError('PROTOCOL_VIOLATION', { reason: `invalid DESCRIBE message subtype ${kind}` });
  }

  async execute(body: BodyReader): Promise<void> {
    const name = body.text();
    const rowsMax = Math.max(0, body.int32());
    body.end();
    const portal = this.#portal(name);
    const { prepared, positionOffset } = portal.statement;
    const statusBefore: string = this.#session.transactionStatus;
    if (prepared === undefined) {
      this.#output.push(emptyQueryResponse);
      return;
    }
    // A portal that was open when the block failed is still there, and cannot be run.
    if (portal.running !== undefined || prepared.columns !== null) this.#refuseInFailedBlock();
    if (portal.running?.finished === true && portal.running.kind !== 'rows') throw millraceError('PORTAL_FINISHED', { name });
    this.#interrupt();
    const { parameters, parameterFormats, resultFormats } = portal;
    const begin = async (): Promise<RunningResult> =>
      new RunningResult(await this.#session.execute(prepared, parameters, parameterFormats, resultFormats), this.#interrupt);
    const running = (portal.running ??= await withPositionOffset(positionOffset, begin));
    if (running.deallocates !== undefined) this.deallocate(running.deallocates.name);
    await withPositionOffset(positionOffset, () => running.send(this.#output, rowsMax));
    if (statusBefore !== 'I' && this.#session.transactionStatus === 'I') await this.closePortals();
  }

  async close(body: BodyReader): Promise<void> {
    const kind = body.byte();
    const name = body.text();
    body.end();
    // Its portals live on, as in Postgres (whose documentation says otherwise).
    if (kind === STATEMENT) this.#drop(name);
    else if (kind === PORTAL) await this.#closePortal(name);
    else throw millraceError('PROTOCOL_VIOLATION', { reason: `invalid CLOSE message subtype ${kind}` });
    this.#output.push(closeComplete);
  }

  /** By SQL instead of a Close message: one, or all when no name is given. */
  deallocate(name: string | undefined): void {
    if (name === undefined) for (const each of this.#statements.keys()) this.#drop(each);
    else if (!this.#drop(name)) throw millraceError('PREPARED_STATEMENT_MISSING', { name });
  }

  /** A simple query takes the unnamed statement with it … */
  dropUnnamedStatement(): void {
    this.#drop('');
  }

  /** … and each statement of it that gets as far as running, the unnamed portal. */
  dropUnnamedPortal(): Promise<void> {
    return this.#closePortal('');
  }

  /** A statement failed: nothing more is fetched from the portals; their names stay until the transaction ends. */
  async releasePortals(): Promise<void> {
    for (const portal of this.#portals.values()) await portal.running?.close();
  }

  /** Portals end with their transaction. */
  async closePortals(): Promise<void> {
    for (const name of this.#portals.keys()) await this.#closePortal(name);
  }

  /** Only what ends the block is run in a failed one, and that returns no rows. The rest is the session's to refuse, at Execute. */
  #refuseInFailedBlock(): void {
    if (this.#session.transactionStatus === 'E') throw millraceError('TRANSACTION_ABORTED', {});
  }

  #drop(name: string): boolean {
    const statement = this.#statements.get(name);
    if (statement === undefined) return false;
    this.#session.memory.give('prepared statements', statement.heldBytes);
    return this.#statements.delete(name);
  }

  async #closePortal(name: string): Promise<void> {
    const portal = this.#portals.get(name);
    if (portal === undefined) return;
    this.#portals.delete(name);
    this.#session.memory.give('portals', portal.heldBytes);
    await portal.running?.close();
  }

  #describeColumns(prepared: Prepared | undefined, formats: readonly number[]): void {
    const columns = prepared?.columns ?? null;
    this.#output.push(columns === null ? noData : rowDescription(columns, formats));
  }

  #statement(name: string): Statement {
    const statement = this.#statements.get(name);
    if (statement === undefined) throw millraceError('PREPARED_STATEMENT_MISSING', { name });
    return statement;
  }

  #portal(name: string): Portal {
    const portal = this.#portals.get(name);
    if (portal === undefined) throw millraceError('PORTAL_MISSING', { name });
    return portal;
  }
}

function format(code: number): number {
  if (code !== 0 && code !== 1) throw millraceError('PROTOCOL_VIOLATION', { reason: `unsupported format code: ${code}` });
  return code;
}
