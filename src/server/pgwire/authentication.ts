/**
 * Who may come in. `trust`: everybody who reaches the port, so the server listens on loopback only; `scram`: SCRAM-SHA-256 against verifiers in memory.
 * Called by `connection.ts` between the startup message and AuthenticationOk.
 */
import { millraceError } from '../../base/errors.ts';
import { authenticationSasl, authenticationSaslContinue, authenticationSaslFinal } from './backend.ts';
import { BodyReader, type FrontendMessage } from './frontend.ts';
import { madeUpVerifier, SCRAM_MECHANISM, ScramExchange, type ScramVerifier } from './scram.ts';

export type Authentication = { readonly kind: 'trust' } | { readonly kind: 'scram'; readonly users: ReadonlyMap<string, ScramVerifier> };

/** How the exchange talks: sends one message, and waits for one 'p' message of the client. */
export interface AuthenticationDialogue {
  send(message: Uint8Array): Promise<void>;
  /** The next message, which has to be of type 'p'. */
  receive(): Promise<FrontendMessage>;
}

export async function authenticate(authentication: Authentication, user: string, dialogue: AuthenticationDialogue): Promise<void> {
  if (authentication.kind === 'trust') return;
  const known = authentication.users.get(user);
  const exchange = new ScramExchange(known ?? madeUpVerifier(user));
  await dialogue.send(authenticationSasl([SCRAM_MECHANISM]));

  const initial = new BodyReader((await dialogue.receive()).body);
  const mechanism = initial.text();
  if (mechanism !== SCRAM_MECHANISM)
    throw millraceError('PROTOCOL_VIOLATION', { reason: 'client selected an invalid SASL authentication mechanism' });
  const initialBytes = initial.int32();
  if (initialBytes < 0) throw millraceError('PROTOCOL_VIOLATION', { reason: 'SASL authentication without an initial response' });
  const clientFirst = initial.bytes(initialBytes).toString('utf8');
  initial.end();
  await dialogue.send(authenticationSaslContinue(exchange.first(clientFirst)));

  const serverFinal = exchange.final((await dialogue.receive()).body.toString('utf8'));
  if (serverFinal === undefined || known === undefined) throw millraceError('AUTHENTICATION_FAILED', { user });
  await dialogue.send(authenticationSaslFinal(serverFinal));
}

/** True for the addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^(?:::ffff:)?127(?:\.\d{1,3}){3}$/.test(host);
}
