/**
 * One client's connection, from the first byte to the last: startup, authentication, then messages one after another. An error of a statement is answered and the
 * session goes on; bytes that are no protocol are answered with 08P01 and the connection closes; a client that goes away cancels what runs (I-6: nobody works for nobody).
 * Called by `server.ts`.
 */
import type { Socket } from 'node:net';
import { MillraceError, millraceError, reasonOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logging.ts';
import type { Session, SessionFactory } from '../session.ts';
import { authenticate, type Authentication, type AuthenticationDialogue } from './authentication.ts';
import {
  authenticationOk,
  backendKeyData,
  emptyQueryResponse,
  errorResponse,
  negotiateProtocolVersion,
  parameterStatus,
  readyForQuery,
  rowDescription,
} from './backend.ts';
import type { CancelKey, CancelRegistry } from './cancel.ts';
import { ExtendedProtocol, type ExtendedLimits } from './extended.ts';
import type { FailedLogins } from './failed-logins.ts';
import { BodyReader, MessageReader, type FrontendMessage, type MessageLimits } from './frontend.ts';
import { ConnectionGone, Output } from './output.ts';
import { codePoints, withPositionOffset } from './position.ts';
import { RunningResult } from './running-result.ts';
import { PROTOCOL_3_2, readStartup, type StartupMessage } from './startup.ts';

export interface ConnectionContext {
  readonly sessions: SessionFactory;
  readonly authentication: Authentication;
  readonly cancels: CancelRegistry;
  readonly logger: Logger;
  readonly limits: ConnectionLimits;
  readonly failedLogins: FailedLogins;
  /** Who it is is known: takes a place among the sessions; false when all are taken. `leave` gives it back. */
  enter(connection: Connection): boolean;
  leave(): void;
}

export interface ConnectionLimits extends ExtendedLimits {
  readonly messageBytesMax: number;
  /** Of Query and Parse. */
  readonly statementBytesMax: number;
  readonly connectionsMax: number;
  readonly authenticationTimeoutMs: number;
  /** Connections whose client is not known yet; past it the oldest silent one gives way. */
  readonly unauthenticatedMax: number;
}

/** Postgres's own limits before a client is known. */
const STARTUP_BYTES_MAX = 10_000;
const AUTHENTICATION_BYTES_MAX = 1_024;
/** What may wait unread while a statement runs; beyond, the socket is left to TCP. */
const WAITING_BYTES_MAX = 256 << 10;
/** Smaller messages are not counted as memory that a session holds. */
const UNCOUNTED_BYTES_MAX = 64 << 10;
/** How long a cancelled statement has to end after its client is gone. */
const UNWIND_TIMEOUT_MS = 5_000;
/** How long the last words may take to leave. */
const LAST_WORDS_TIMEOUT_MS = 1_000;

export class Connection {
  readonly #socket: Socket;
  readonly #context: ConnectionContext;
  readonly #reader = new MessageReader();
  readonly #output: Output;
  #ended = false;
  #stopping: MillraceError | undefined;
  #wake: (() => void) | undefined;
  #session: Session | undefined;
  #extended: ExtendedProtocol | undefined;
  #running = false;
  /** A CancelRequest came while something ran: what runs next before the client waits again is cancelled, too. */
  #cancelled = false;
  #skipping = false;
  #closing = false;

  constructor(socket: Socket, context: ConnectionContext) {
    this.#socket = socket;
    this.#context = context;
    this.#output = new Output(socket);
    socket.on('data', (chunk: Buffer) => {
      // Once the last word is said, what still comes is read and dropped, so that the client can read that word.
      if (this.#closing) return;
      this.#reader.push(chunk);
      if (this.#wake === undefined && this.#reader.availableBytes >= WAITING_BYTES_MAX) socket.pause();
      this.#wakeUp();
    });
    socket.on('end', () => this.#gone());
    socket.on('close', () => this.#gone());
    socket.on('error', (error) => {
      context.logger.debug({ error: error.message }, 'client connection failed');
      this.#gone();
    });
  }

  /** Nothing has come from it yet. */
  get silent(): boolean {
    return this.#socket.bytesRead === 0;
  }

  /** Ends at once, without a word: another one needs its place. */
  giveWay(): void {
    this.#socket.destroy();
  }

  /** Lives until the connection is over. Never throws. */
  async run(): Promise<void> {
    await this.#work().catch((error: unknown) => this.#lastWords(error));
    await this.#farewell();
    await this.#closeSession();
  }

  /** Says why and closes: the server stops. */
  stop(why: MillraceError): void {
    this.#stopping = why;
    // A client that does not read cannot hold the server.
    setTimeout(() => this.#socket.destroy(), UNWIND_TIMEOUT_MS).unref();
    if (this.#running) this.#session?.cancel();
    this.#wakeUp();
  }

  async #work(): Promise<void> {
    const deadline = setTimeout(() => {
      this.stop(millraceError('AUTHENTICATION_TIMEOUT', { timeoutMs: this.#context.limits.authenticationTimeoutMs }));
    }, this.#context.limits.authenticationTimeoutMs);
    let startup: StartupMessage;
    try {
      startup = await readStartup({
        receive: () => this.#receive({ typed: false, bodyBytesMax: STARTUP_BYTES_MAX }),
        send: (bytes) => this.#output.write(bytes),
        cancel: (processId, secret) => this.#context.cancels.request(processId, secret),
      });
      await this.#admit(startup);
      clearTimeout(deadline);
      if (!this.#context.enter(this)) throw millraceError('CONNECTIONS_EXHAUSTED', { connectionsMax: this.#context.limits.connectionsMax });
      try {
        await this.#converse(startup);
      } finally {
        this.#context.leave();
      }
    } finally {
      clearTimeout(deadline);
    }
  }

  async #admit(startup: StartupMessage): Promise<void> {
    const { authentication, failedLogins } = this.#context;
    if (startup.negotiate !== undefined)
      this.#output.push(negotiateProtocolVersion(startup.negotiate.version, startup.negotiate.unknownOptions));
    const dialogue: AuthenticationDialogue = {
      send: (message) => this.#output.write(message),
      receive: async () => {
        const message = await this.#receive({ typed: true, bodyBytesMax: AUTHENTICATION_BYTES_MAX });
        if (message.type !== type.password)
          throw millraceError('PROTOCOL_VIOLATION', { reason: `expected a SASL response, got message type ${message.type}` });
        return message;
      },
    };
    try {
      await authenticate(authentication, startup.user, dialogue);
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== 'AUTHENTICATION_FAILED') throw error;
      const address = this.#socket.remoteAddress ?? '';
      const delayMs = failedLogins.failed(address, startup.user);
      if (delayMs === undefined) throw new ConnectionGone();
      await elapsed(delayMs);
      failedLogins.answered(address);
      throw error;
    }
  }

  async #converse(startup: StartupMessage): Promise<void> {
    const { limits, cancels, sessions } = this.#context;
    const session = await sessions.open(startup.parameters, { address: this.#socket.remoteAddress });
    this.#session = session;
    const extended = new ExtendedProtocol(session, this.#output, limits, this.#interrupt);
    this.#extended = extended;
    const key: CancelKey = cancels.register(startup.version >= PROTOCOL_3_2 ? 32 : 4, () => {
      if (!this.#running) return;
      this.#cancelled = true;
      session.cancel();
    });
    try {
      this.#output.push(authenticationOk);
      for (const [name, value] of session.parameters) this.#output.push(parameterStatus(name, value));
      this.#output.push(backendKeyData(key.processId, key.secret));
      await this.#ready(session, extended);
      await this.#serve(session, extended);
    } finally {
      cancels.remove(key);
    }
  }

  async #serve(session: Session, extended: ExtendedProtocol): Promise<void> {
    const { messageBytesMax, statementBytesMax } = this.#context.limits;
    let heldBytes = 0;
    const messageLimits: MessageLimits = {
      typed: true,
      bodyBytesMax: messageBytesMax,
      admit(kind, bytes) {
        if ((kind === type.query || kind === type.parse) && bytes > statementBytesMax)
          return millraceError('STATEMENT_TOO_LONG', { bytes, bytesMax: statementBytesMax });
        if (bytes < UNCOUNTED_BYTES_MAX) return undefined;
        const refusal = session.memory.refusal('messages', bytes);
        if (refusal === undefined) session.memory.take('messages', (heldBytes = bytes));
        return refusal;
      },
    };
    for (;;) {
      const message = await this.#receive(messageLimits);
      if (message.type === type.terminate) return;
      this.#running = true;
      try {
        await this.#handle(message, session, extended);
        if (this.#output.full) await this.#output.flush();
      } finally {
        this.#running = false;
        session.memory.give('messages', heldBytes);
        heldBytes = 0;
      }
    }
  }

  async #handle(message: FrontendMessage, session: Session, extended: ExtendedProtocol): Promise<void> {
    if (this.#skipping && message.type !== type.sync) {
      if (!knownTypes.has(message.type)) throw unknownType(message.type);
      return;
    }
    if (message.refused !== undefined) {
      await this.#answerFailure(message.refused, session, extended);
      if (message.type === type.query) await this.#ready(session, extended);
      else this.#skipping = true;
      return;
    }
    const body = new BodyReader(message.body);
    switch (message.type) {
      case type.query:
        await this.#simpleQuery(body, session, extended);
        return;
      case type.sync:
        body.end();
        this.#skipping = false;
        await this.#ready(session, extended);
        return;
      case type.flush:
        body.end();
        await this.#output.flush();
        return;
      case type.copyData:
      case type.copyDone:
      case type.copyFail:
        // Late data of a COPY FROM STDIN that failed: Postgres lets it pass, too.
        return;
      case type.functionCall:
        await this.#answerFailure(millraceError('PROTOCOL_FEATURE_UNKNOWN', { feature: 'the function call message' }), session, extended);
        await this.#ready(session, extended);
        return;
      default:
        try {
          if (message.type === type.parse) await extended.parse(body);
          else if (message.type === type.bind) await extended.bind(body);
          else if (message.type === type.describe) extended.describe(body);
          else if (message.type === type.execute) await extended.execute(body);
          else if (message.type === type.close) await extended.close(body);
          else throw unknownType(message.type);
        } catch (error) {
          await this.#answerFailure(error, session, extended);
          this.#skipping = true;
        }
    }
  }

  /** Statements run one after another; the first error ends the text. */
  async #simpleQuery(body: BodyReader, session: Session, extended: ExtendedProtocol): Promise<void> {
    try {
      const text = body.text();
      body.end();
      extended.dropUnnamedStatement();
      const statements = session.split(text);
      if (statements.length === 0) this.#output.push(emptyQueryResponse);
      for (const statement of statements) {
        await withPositionOffset(codePoints(text, statement.offset), () => this.#runSimple(statement.text, session, extended));
      }
    } catch (error) {
      await this.#answerFailure(error, session, extended);
    }
    await this.#ready(session, extended);
  }

  async #runSimple(text: string, session: Session, extended: ExtendedProtocol): Promise<void> {
    const prepared = await session.prepare(text, []);
    if (prepared.parameterTypes.length > 0) throw millraceError('SIMPLE_QUERY_PARAMETER', {});
    await extended.dropUnnamedPortal();
    this.#interrupt();
    const running = new RunningResult(await session.execute(prepared, [], [], []), this.#interrupt);
    try {
      if (running.deallocates !== undefined) extended.deallocate(running.deallocates.name);
      running.announce(this.#output);
      if (running.kind === 'rows') this.#output.push(rowDescription(prepared.columns ?? [], []));
      await running.send(this.#output, 0);
    } finally {
      await running.close();
    }
  }

  /** Portals end with their transaction; then the client may speak. */
  async #ready(session: Session, extended: ExtendedProtocol): Promise<void> {
    if (session.transactionStatus === 'I') await extended.closePortals();
    this.#cancelled = false;
    this.#output.push(readyForQuery(session.transactionStatus));
    await this.#output.flush();
  }

  /** Answers an error of a statement. What is no error of a statement goes on up and ends the connection. */
  async #answerFailure(error: unknown, session: Session, extended: ExtendedProtocol): Promise<void> {
    if (error instanceof ConnectionGone || this.#ended) throw new ConnectionGone();
    if (this.#stopping !== undefined) throw this.#stopping;
    this.#cancelled = false;
    const failure = this.#asFailure(error);
    if (failure.code === 'PROTOCOL_VIOLATION') throw failure;
    // An error that the session has not seen fails its block all the same.
    if (session.transactionStatus === 'T') session.fail();
    await extended.releasePortals();
    this.#output.push(errorResponse(failure, 'ERROR'));
    await this.#output.flush();
  }

  #asFailure(error: unknown): MillraceError {
    if (error instanceof MillraceError) return error;
    this.#context.logger.error({ error: error instanceof Error ? error.stack : String(error) }, 'internal error in a client session');
    return millraceError('INTERNAL_ERROR', { reason: reasonOf(error) }, error);
  }

  /** The next whole message. Ends with ConnectionGone when the client has gone, or with the reason of `stop`. */
  async #receive(limits: MessageLimits): Promise<FrontendMessage> {
    for (;;) {
      if (this.#stopping !== undefined) throw this.#stopping;
      if (this.#socket.destroyed) throw new ConnectionGone();
      const message = this.#reader.next(limits);
      if (message !== undefined) return message;
      if (this.#ended) throw new ConnectionGone();
      this.#cancelled = false;
      this.#output.send();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (this.#socket.isPaused()) this.#socket.resume();
      });
    }
  }

  /** Throws when what runs is to end. Asked before anything is begun: whoever interrupts tells the session once, which may then be between two things. */
  readonly #interrupt = (): void => {
    if (this.#ended) throw new ConnectionGone();
    if (this.#stopping !== undefined) throw this.#stopping;
    if (this.#cancelled) throw millraceError('QUERY_CANCELLED', {});
  };

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  #gone(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#running) this.#session?.cancel();
    this.#wakeUp();
  }

  #lastWords(error: unknown): void {
    if (error instanceof ConnectionGone) return;
    this.#output.push(errorResponse(this.#asFailure(error), 'FATAL'));
  }

  /** Ends our side and waits a moment for the client's: closing over unread bytes would reset the connection and lose what was just sent. */
  async #farewell(): Promise<void> {
    this.#closing = true;
    if (!this.#socket.destroyed) {
      const closed = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
      this.#output.send();
      this.#socket.end();
      this.#socket.resume();
      await Promise.race([closed, elapsed(LAST_WORDS_TIMEOUT_MS)]);
    }
    this.#socket.destroy();
  }

  async #closeSession(): Promise<void> {
    const session = this.#session;
    if (session === undefined) return;
    this.#session = undefined;
    try {
      await Promise.race([this.#extended?.closePortals(), elapsed(UNWIND_TIMEOUT_MS)]);
      await Promise.race([session.close(), elapsed(UNWIND_TIMEOUT_MS)]);
    } catch (error) {
      this.#context.logger.error({ error: error instanceof Error ? error.stack : String(error) }, 'a session did not close');
    }
  }
}

const type = {
  query: 0x51, // Q
  parse: 0x50, // P
  bind: 0x42, // B
  describe: 0x44, // D
  execute: 0x45, // E
  close: 0x43, // C
  sync: 0x53, // S
  flush: 0x48, // H
  terminate: 0x58, // X
  password: 0x70, // p
  functionCall: 0x46, // F
  copyData: 0x64, // d
  copyDone: 0x63, // c
  copyFail: 0x66, // f
} as const;

const knownTypes: ReadonlySet<number> = new Set(Object.values(type));

function unknownType(byte: number): MillraceError {
  return millraceError('PROTOCOL_VIOLATION', { reason: `invalid frontend message type ${byte}` });
}

function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
