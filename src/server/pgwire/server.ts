/**
 * The Postgres protocol server: listens, counts its clients, stops. It knows the protocol and nothing of SQL: statements go to the sessions of the factory it is given.
 * Every limit is an option with a default (I-6). Runs on the main thread; called by the composition root (`cli/serve`, `cli/demo`).
 */
import { createServer, type AddressInfo } from 'node:net';
import { millraceError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { Logger } from '../../base/logging.ts';
import type { SessionFactory } from '../session.ts';
import { isLoopback, type Authentication } from './authentication.ts';
import { CancelRegistry } from './cancel.ts';
import { FailedLogins } from './failed-logins.ts';
import { Connection, type ConnectionContext, type ConnectionLimits } from './connection.ts';

export interface PgwireOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly authentication: Authentication;
  readonly sessions: SessionFactory;
  readonly logger: Logger;
  readonly limits?: Partial<ConnectionLimits>;
}

export interface PgwireServer {
  readonly host: string;
  readonly port: number;
  /** Sessions open now. */
  readonly sessionCount: number;
  /** Tells every client, cancels what runs, and stops listening. */
  close(): Promise<void>;
}

const defaultLimits: ConnectionLimits = {
  messageBytesMax: limits.clientMessageBytesMax,
  statementBytesMax: limits.statementBytesMax,
  connectionsMax: limits.connectionsMax,
  authenticationTimeoutMs: 15_000,
  unauthenticatedMax: 100,
  statementsMax: limits.preparedStatementsMax,
  portalsMax: 1_000,
};
/** Sockets beyond the sessions and those still authenticating: on their way out, or about to find that every place is taken. */
const SOCKETS_MORE_MAX = 100;
/** A client that vanished without a word is found by TCP keepalive. */
const KEEPALIVE_AFTER_MS = 30_000;

export async function listenPgwire(options: PgwireOptions): Promise<PgwireServer> {
  if (options.authentication.kind === 'trust' && !isLoopback(options.host))
    throw millraceError('TRUST_NEEDS_LOOPBACK', { host: options.host });
  const connectionLimits: ConnectionLimits = { ...defaultLimits, ...options.limits };
  const open = new Map<Connection, Promise<void>>();
  /** Whose client is not known yet, oldest first. */
  const strangers = new Set<Connection>();
  let sessionCount = 0;
  const context: ConnectionContext = {
    sessions: options.sessions,
    authentication: options.authentication,
    cancels: new CancelRegistry(),
    logger: options.logger,
    limits: connectionLimits,
    failedLogins: new FailedLogins(options.logger),
    enter: (connection) => {
      strangers.delete(connection);
      if (sessionCount >= connectionLimits.connectionsMax) return false;
      sessionCount += 1;
      return true;
    },
    leave: () => {
      sessionCount -= 1;
    },
  };
  const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_AFTER_MS }, (socket) => {
    const connection = new Connection(socket, context);
    // Whoever is new comes in: the oldest of those that say nothing gives way, or the oldest of all.
    if (strangers.size >= connectionLimits.unauthenticatedMax) {
      const all = [...strangers];
      const leaving = all.find(({ silent }) => silent) ?? all[0]!;
      strangers.delete(leaving);
      leaving.giveWay();
    }
    strangers.add(connection);
    open.set(
      connection,
      connection.run().finally(() => {
        strangers.delete(connection);
        open.delete(connection);
      }),
    );
  });
  server.maxConnections = connectionLimits.connectionsMax + connectionLimits.unauthenticatedMax + SOCKETS_MORE_MAX;
  await new Promise<void>((resolve, reject) => {
    const refused = (cause: Error): void =>
      reject(millraceError('LISTEN_REFUSED', { host: options.host, port: options.port, reason: cause.message }, cause));
    server.once('error', refused);
    server.listen({ host: options.host, port: options.port }, () => {
      server.off('error', refused);
      resolve();
    });
  });
  const address = server.address() as AddressInfo;
  return {
    host: address.address,
    port: address.port,
    get sessionCount() {
      return sessionCount;
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const connection of open.keys()) connection.stop(millraceError('SERVER_STOPPING', {}));
      await Promise.all(open.values());
      await closed;
    },
  };
}
