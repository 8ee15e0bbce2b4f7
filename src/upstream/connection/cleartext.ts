/**
 * Who may have the password. A server that asks for SCRAM never sees it. One that asks for it as it is, or for an MD5 hash of it, may be anybody who answers under
 * that name; so the first is told only over TLS that was asked for (sslmode require and up), the second over any TLS or on this machine, or either where the
 * connection says so. Called by `connect.ts`, before anything is sent.
 */
import type { Socket } from 'node:net';
import type { Client } from 'pg';
import { millraceError } from '../../base/errors.ts';
import type { ConnectionParameters } from './parameters.ts';

/** The internals of pg's Client that are used here: what it does when the server asks. */
interface Internals {
  readonly connection: { readonly stream: Socket };
  _handleAuthCleartextPassword(message: unknown): void;
  _handleAuthMD5Password(message: unknown): void;
}

export type Asked = 'cleartext' | 'md5';

export function mayHavePassword(asked: Asked, { sslmode, allowCleartext }: ConnectionParameters, host: string, tls: boolean): boolean {
  if (allowCleartext) return true;
  if (asked === 'cleartext') return tls && (sslmode === 'require' || sslmode === 'verify-ca' || sslmode === 'verify-full');
  return tls || host.startsWith('/') || host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

export function guardPassword(client: Client, parameters: ConnectionParameters, host: { host: string; port: number }, tls: boolean): void {
  const internals = client as unknown as Internals;
  const guard = (asked: Asked, answer: (message: unknown) => void) => (message: unknown) => {
    if (mayHavePassword(asked, parameters, host.host, tls)) answer(message);
    else internals.connection.stream.destroy(millraceError('UPSTREAM_WANTS_PASSWORD', { ...host, asked, sslmode: parameters.sslmode }));
  };
  internals._handleAuthCleartextPassword = guard('cleartext', internals._handleAuthCleartextPassword.bind(client));
  internals._handleAuthMD5Password = guard('md5', internals._handleAuthMD5Password.bind(client));
}
