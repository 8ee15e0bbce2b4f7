/** What an error of the upstream means and what mends it: by SQLSTATE and by what we were doing, never by text alone (wording changes with every major version). Everything under `upstream/` and `ingest/` reports through this. */
import { MillraceError, millraceError } from '../../base/errors.ts';
import type { ConnectionParameters } from './parameters.ts';

export interface ErrorContext {
  readonly parameters: ConnectionParameters;
  /** For the catch-all: "the upstream answered an error while <doing>". */
  readonly doing: string;
  readonly host?: { readonly host: string; readonly port: number };
  readonly slot?: string;
  readonly table?: { readonly schema: string; readonly name: string };
  readonly publication?: string;
  readonly connecting?: boolean;
  readonly replication?: boolean;
}

const CERTIFICATE_ERRORS = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_UNTRUSTED',
  'CERT_REJECTED',
  'INVALID_CA',
  'HOSTNAME_MISMATCH',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/** What came from the driver or the socket, as one of our errors. Long: one answer a SQLSTATE or code. */
export function upstreamError(error: unknown, context: ErrorContext): MillraceError {
  if (error instanceof MillraceError) return error;
  const { message, code, detail } = parts(error);
  const { parameters } = context;
  const server = context.host ?? parameters.hosts[0]!;
  const login = {
    ...server,
    user: parameters.user,
    database: parameters.database,
    said: detail === undefined ? message : `${message} (${detail})`,
  };
  const facts = {
    ...login,
    sslmode: parameters.sslmode,
    slot: context.slot ?? '',
    schema: context.table?.schema ?? '',
    table: context.table?.name ?? '',
  };

  switch (code ?? '') {
    case '28P01':
      return millraceError('UPSTREAM_AUTHENTICATION_FAILED', facts, error);
    case '28000':
      if (/no encryption|SSL off/.test(message) && (parameters.sslmode === 'disable' || parameters.sslmode === 'allow'))
        return millraceError('UPSTREAM_TLS_REQUIRED', facts, error);
      return millraceError('UPSTREAM_ACCESS_REFUSED', facts, error);
    case '3D000':
      return millraceError('UPSTREAM_DATABASE_MISSING', facts, error);
    case '57P03':
    case '57P02':
    case '57P01':
      return context.connecting === true
        ? millraceError('UPSTREAM_NOT_READY', facts, error)
        : millraceError('UPSTREAM_DISCONNECTED', facts, error);
    case '53300':
      return millraceError(/max_wal_senders/.test(message) ? 'WALSENDERS_EXHAUSTED' : 'UPSTREAM_CONNECTIONS_EXHAUSTED', facts, error);
    case '53400':
      if (context.replication === true) return millraceError('SLOTS_EXHAUSTED', facts, error);
      break;
    case '42501':
      if (context.table !== undefined) {
        if (/row-level security/.test(message)) return millraceError('ROW_SECURITY_FILTERS', facts, error);
        return millraceError('UPSTREAM_SELECT_NOT_PERMITTED', facts, error);
      }
      if (context.replication === true) return millraceError('REPLICATION_NOT_PERMITTED', facts, error);
      break;
    case '42P01':
    case '3F000':
      if (context.table !== undefined) return millraceError('UPSTREAM_TABLE_MISSING', facts, error);
      break;
    case '42601':
      if (/IDENTIFY_SYSTEM/.test(message)) return millraceError('UPSTREAM_POOLER', facts, error);
      break;
    case '08P01':
      if (context.replication === true && /startup parameter/.test(message)) return millraceError('UPSTREAM_POOLER', facts, error);
      break;
    case '0A000':
      if (/recovery/.test(message)) return millraceError('UPSTREAM_STANDBY', facts, error);
      if (context.connecting === true && context.replication === true) return millraceError('UPSTREAM_POOLER', facts, error);
      break;
    case '25006':
      return millraceError('UPSTREAM_STANDBY', facts, error);
    case '42704':
      if (context.publication !== undefined && /publication/.test(message))
        return millraceError('PUBLICATION_MISSING', { ...facts, publication: context.publication }, error);
      if (context.slot !== undefined) return millraceError('SLOT_DROPPED', facts, error);
      break;
    case '55006':
      if (context.slot !== undefined) return millraceError('SLOT_IN_USE', facts, error);
      break;
    case '55000':
      if (/wal_level/.test(message)) return millraceError('WAL_LEVEL_TOO_LOW', { ...facts, walLevel: 'replica' }, error);
      if (context.slot !== undefined && /replication slot/.test(message))
        return millraceError('SLOT_LOST', { ...facts, reason: detail ?? message }, error);
      break;
    case '57014':
    case '55P03':
      break;
    default:
      if (code !== undefined && CERTIFICATE_ERRORS.has(code))
        return millraceError('UPSTREAM_TLS_CERTIFICATE_REFUSED', { ...facts, reason: message }, error);
      if (/does not support SSL/.test(message)) return millraceError('UPSTREAM_TLS_UNSUPPORTED', facts, error);
      if (/^(ERR_SSL|ERR_TLS|EPROTO)/.test(code ?? '') || /SSL connection/.test(message))
        return millraceError('UPSTREAM_TLS_FAILED', facts, error);
      if (/^(SASL|SCRAM)|password must be a string/.test(message)) return millraceError('UPSTREAM_AUTHENTICATION_FAILED', facts, error);
      if (isNetworkError(code, message))
        return millraceError(context.connecting === true ? 'UPSTREAM_UNREACHABLE' : 'UPSTREAM_DISCONNECTED', facts, error);
  }
  return millraceError('UPSTREAM_QUERY_FAILED', { doing: context.doing, message: login.said, sqlstate: code ?? 'unknown' }, error);
}

/** Errors that pass by themselves, or when somebody upstream acts: worth another attempt, with a growing pause. Everything else needs a decision of the user. */
const TRANSIENT = new Set([
  'UPSTREAM_UNREACHABLE',
  'UPSTREAM_DISCONNECTED',
  'UPSTREAM_CONNECTION_ALTERED',
  'STREAM_DESCRIBES_ANOTHER_TABLE',
  'UPSTREAM_NOT_READY',
  'UPSTREAM_AUTHENTICATION_FAILED',
  'UPSTREAM_ACCESS_REFUSED',
  'UPSTREAM_CONNECTIONS_EXHAUSTED',
  'WALSENDERS_EXHAUSTED',
  'UPSTREAM_TLS_FAILED',
  'UPSTREAM_TLS_CERTIFICATE_REFUSED',
  'UPSTREAM_STANDBY',
  'UPSTREAM_QUERY_FAILED',
  'SLOT_IN_USE',
  'SLOTS_EXHAUSTED',
  'SLOT_CREATION_BLOCKED',
  'LOG_DISK_FULL',
  'PUBLICATION_MISSING',
  'PUBLICATION_INCOMPLETE',
  'TABLE_NOT_PUBLISHED',
]);

export function isTransient(error: MillraceError): boolean {
  return TRANSIENT.has(error.code);
}

function isNetworkError(code: string | undefined, message: string): boolean {
  if (code !== undefined && /^(E[A-Z]+|EAI_[A-Z]+)$/.test(code)) return true;
  return /timeout|terminated|Connection ended|closed the connection|not queryable|socket/i.test(message);
}

function parts(error: unknown): { message: string; code: string | undefined; detail: string | undefined } {
  if (!(error instanceof Error)) return { message: String(error), code: undefined, detail: undefined };
  // Happy Eyeballs gathers one error an address.
  const first: unknown = error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error;
  const { code, detail } = first as { code?: unknown; detail?: unknown };
  return {
    message: (first as Error).message || error.message || String(code),
    code: typeof code === 'string' ? code : undefined,
    detail: typeof detail === 'string' ? detail : undefined,
  };
}
