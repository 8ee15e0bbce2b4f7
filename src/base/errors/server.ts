/** Errors of the room: server. */
import { defineErrors, of } from './define.ts';

// A type, not an interface: only that can be named in the declarations of the list.
type HeldFacts = {
  readonly what: string;
  readonly bytes: number;
  readonly bytesMax: number;
  readonly held: string;
  /** What lets go of the most. */
  readonly letsGo: string;
};

export const serverErrors = defineErrors({
  LISTEN_ADDRESS_INVALID: {
    sqlstate: '22023',
    says: ({ address }: { address: string }) => `"${address}" is not an address to listen on`,
    because: 'An address is a host, a colon and a port; an IPv6 address stands in brackets.',
    mend: () => 'millrace serve --listen 127.0.0.1:6875',
  },
  LISTEN_REFUSED: {
    sqlstate: '08000',
    says: ({ host, port, reason }: { host: string; port: number; reason: string }) => `cannot listen on ${host}:${port}: ${reason}`,
    because: 'Another process may have the port (a Millrace that still runs, perhaps), or the address is not of this machine.',
    mend: () => 'Stop the other process, or choose another port: millrace serve --listen 127.0.0.1:0',
  },
  PROTOCOL_VIOLATION: {
    sqlstate: '08P01',
    says: ({ reason }: { reason: string }) => `protocol violation: ${reason}`,
    because: 'Bytes that do not follow the Postgres protocol have no safe reading, so the connection is closed.',
    mend: () => 'Connect with a Postgres client (protocol 3.0 or 3.2), without TLS.',
  },
  PROTOCOL_VERSION_UNKNOWN: of<{ major: number; minor: number }>({
    sqlstate: '0A000',
    says: ({ major, minor }) => `unsupported frontend protocol ${major}.${minor}: server supports 3.0 to 3.2`,
    because: 'Only version 3 of the Postgres protocol is spoken here.',
  }),
  PROTOCOL_MESSAGE_TOO_LARGE: {
    sqlstate: '54000',
    says: ({ bytes, bytesMax }: { bytes: number; bytesMax: number }) => `a message of ${bytes} bytes exceeds the limit of ${bytesMax}`,
    because: 'One message from a client is held in memory as a whole (I-6).',
    mend: () => 'Send the statement or its parameters in smaller pieces.',
  },
  STATEMENT_TOO_LONG: {
    sqlstate: '54000',
    says: ({ bytes, bytesMax }: { bytes: number; bytesMax: number }) => `a statement of ${bytes} bytes exceeds the limit of ${bytesMax}`,
    because: 'A text is read on the thread that serves all clients, and analysed by a Postgres that they share (I-6).',
    mend: () => 'Send long values as parameters ($1), and long lists as one array parameter: = ANY ($1).',
  },
  SESSION_MEMORY_EXHAUSTED: of<HeldFacts>({
    sqlstate: '53200',
    says: ({ what, bytes, bytesMax }) => `${bytes} bytes more for ${what} would exceed the ${bytesMax} bytes that a session may hold`,
    because: 'What one client holds between its statements lives in the memory of the one process that serves everybody (I-6).',
    detail: ({ held }) => `The session holds ${held}.`,
    mend: ({ letsGo }) => letsGo,
  }),
  CLIENTS_MEMORY_EXHAUSTED: of<HeldFacts>({
    sqlstate: '53200',
    says: ({ what, bytes, bytesMax }) =>
      `${bytes} bytes more for ${what} would exceed the ${bytesMax} bytes that all clients may hold together`,
    because: 'All clients share the memory of one process (I-6); each has a smaller limit of its own.',
    detail: ({ held }) => `This session holds ${held}.`,
    mend: ({ letsGo }) => `${letsGo} or close idle connections`,
  }),
  PROTOCOL_FEATURE_UNKNOWN: {
    sqlstate: '0A000',
    says: ({ feature }: { feature: string }) => `${feature} is not served here`,
    because:
      'Millrace serves queries, COPY TO STDOUT and subscriptions; the rest of the protocol belongs to a database that is written to.',
  },
  TEXT_NOT_UTF8: {
    sqlstate: '22021',
    says: () => 'invalid byte sequence for encoding "UTF8"',
    because: 'Text travels as UTF-8 in both directions; other client encodings are not converted.',
    mend: () => "SET client_encoding TO 'UTF8'; and send UTF-8.",
  },
  CONNECTIONS_EXHAUSTED: {
    sqlstate: '53300',
    says: ({ connectionsMax }: { connectionsMax: number }) => `too many clients already (limit ${connectionsMax})`,
    because: 'Each session holds memory, so their number has a limit (I-6).',
    mend: () => 'Close idle connections, or put a pool in front of Millrace.',
  },
  AUTHENTICATION_FAILED: {
    sqlstate: '28P01',
    says: ({ user }: { user: string }) => `password authentication failed for user "${user}"`,
    because: 'The user is unknown or the password is wrong; which of the two is not told.',
    mend: () => 'Use the user and password that `millrace serve` was started with.',
  },
  AUTHENTICATION_TIMEOUT: {
    sqlstate: '08006',
    says: ({ timeoutMs }: { timeoutMs: number }) => `authentication was not completed within ${timeoutMs} ms`,
    because: 'A connection that never authenticates would hold a place for ever.',
  },
  USER_MISSING: {
    sqlstate: '28000',
    says: () => 'no user name was given in the startup message',
    because: 'Each session belongs to a user.',
    mend: () => 'Connect with the user millrace: psql -h 127.0.0.1 -p 6875 -U millrace millrace',
  },
  TRUST_NEEDS_LOOPBACK: {
    sqlstate: '28000',
    says: ({ host }: { host: string }) => `without a password Millrace listens on loopback only, not on ${host}`,
    because: 'Anybody who reaches the port could read every view.',
    mend: () => 'Give `millrace serve` a password, or --listen 127.0.0.1:6875.',
  },
  SERVER_STOPPING: {
    sqlstate: '57P01',
    says: () => 'terminating connection: Millrace is stopping',
    because: 'The process was asked to stop.',
    mend: () => 'Connect again when it has started; views resume where they were.',
  },
  INTERNAL_ERROR: {
    sqlstate: 'XX000',
    says: ({ reason }: { reason: string }) => `internal error: ${reason}`,
    because: 'A fault of Millrace itself: the statement is stopped, its neighbours go on, and the log has the stack.',
    mend: () => 'Please report it with the log of the process (MILLRACE_LOG=debug).',
  },
  STATEMENTS_IN_ONE_PARSE: {
    sqlstate: '42601',
    says: () => 'cannot insert multiple commands into a prepared statement',
    because: 'The extended protocol takes one statement a Parse message.',
    mend: () => 'Send the statements one by one, or as a simple query.',
  },
  PREPARED_STATEMENTS_EXHAUSTED: {
    sqlstate: '53400',
    says: ({ statementsMax }: { statementsMax: number }) => `a session may hold ${statementsMax} prepared statements at once`,
    because: 'Each one holds memory until it is closed (I-6).',
    mend: () => 'DEALLOCATE ALL;',
  },
  PORTAL_EXISTS: {
    sqlstate: '42P03',
    says: ({ name }: { name: string }) => `portal "${name}" already exists`,
    because: 'A named portal lives until it is closed or its transaction ends.',
    mend: () => 'Close it first, or use another name.',
  },
  PORTAL_MISSING: {
    sqlstate: '34000',
    says: ({ name }: { name: string }) => `portal "${name}" does not exist`,
    because: 'Portals end with their transaction: outside a block, at Sync.',
    mend: () => 'Bind it again; to fetch in parts across Syncs, use BEGIN … COMMIT.',
  },
  PORTAL_FINISHED: {
    sqlstate: '55000',
    says: ({ name }: { name: string }) => `portal "${name}" cannot be run anymore`,
    because: 'A statement that returns no rows runs once a Bind.',
    mend: () => 'Bind it again.',
  },
  PORTALS_EXHAUSTED: {
    sqlstate: '53400',
    says: ({ portalsMax }: { portalsMax: number }) => `a session may hold ${portalsMax} portals at once`,
    because: 'Each one holds an open result (I-6).',
    mend: () => 'Close portals that are no longer needed.',
  },
  SIMPLE_QUERY_PARAMETER: {
    sqlstate: '42P02',
    says: () => 'there is no parameter $1',
    because: 'A simple query carries no parameter values.',
    mend: () => 'Use the extended protocol (a driver with parameters; in psql: \\bind).',
  },
  BIND_MISMATCH: of<{ what: string; given: number; needed: number }>({
    sqlstate: '08P01',
    says: ({ what, given, needed }) => `bind message supplies ${given} ${what}, but the prepared statement requires ${needed}`,
    because: 'Every parameter needs a value (NULL is one), and formats come as none, one for all, or one each.',
  }),
});
