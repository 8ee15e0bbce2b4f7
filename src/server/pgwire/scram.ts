/**
 * SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side, as Postgres speaks it. What is kept of a password is the verifier in Postgres's own notation
 * (`SCRAM-SHA-256$4096:salt$StoredKey:ServerKey`), never the password. A user that does not exist runs the same exchange against a made-up verifier, so that
 * nothing tells the two failures apart. Called by `authentication.ts`.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto';
import { millraceError } from '../../base/errors.ts';

export const SCRAM_MECHANISM = 'SCRAM-SHA-256';
const ITERATIONS = 4096;
const SALT_BYTES = 16;
const NONCE_BYTES = 18;

export interface ScramVerifier {
  readonly iterations: number;
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

const hmac = (key: Uint8Array, data: string): Buffer => createHmac('sha256', key).update(data).digest();
const sha256 = (data: Uint8Array): Buffer => createHash('sha256').update(data).digest();

export function scramVerifier(password: string, salt: Buffer = randomBytes(SALT_BYTES), iterations: number = ITERATIONS): ScramVerifier {
  const salted = pbkdf2Sync(saslPrepared(password), salt, iterations, 32, 'sha256');
  return { iterations, salt, storedKey: sha256(hmac(salted, 'Client Key')), serverKey: hmac(salted, 'Server Key') };
}

/** SASLprep (RFC 4013) as far as passwords need it: spaces to one kind, invisible characters away, NFKC. ASCII stays as it is. */
export function saslPrepared(password: string): string {
  // oxlint-disable-next-line no-control-regex -- the ASCII range is meant.
  if (/^[\x00-\x7f]*$/.test(password)) return password;
  return password
    .replaceAll(/[\u00A0\u1680\u2000-\u200B\u202F\u205F\u3000]/g, ' ')
    .replaceAll(/\u00AD|\u034F|\u1806|[\u180B-\u180D]|\u200C|\u200D|\u2060|\uFEFF|[\uFE00-\uFE0F]/gu, '')
    .normalize('NFKC');
}

const madeUpKey = randomBytes(32);

/** For a user that does not exist: the same salt at every try, as a real one would show. */
export function madeUpVerifier(user: string): ScramVerifier {
  const salt = hmac(madeUpKey, user).subarray(0, SALT_BYTES);
  return { iterations: ITERATIONS, salt, storedKey: randomBytes(32), serverKey: randomBytes(32) };
}

/** One exchange: `first` answers the client's first message, `final` checks its proof; undefined = the proof is wrong. */
export class ScramExchange {
  readonly #verifier: ScramVerifier;
  readonly #serverNonce: string;
  #clientFirstBare = '';
  #channelBinding = '';
  #nonce = '';
  #serverFirst = '';

  constructor(verifier: ScramVerifier, serverNonce: string = randomBytes(NONCE_BYTES).toString('base64')) {
    this.#verifier = verifier;
    this.#serverNonce = serverNonce;
  }

  first(clientFirst: string): string {
    // n: no channel binding known, y: known, but the server offers none (true here: there is no TLS). p: bound, cannot be.
    const match = /^((?:n|y),(?:a=[^,]*)?,)((?:m=[^,]*,)?n=([^,]*),r=([\x21-\x2b\x2d-\x7e]+)(?:,.*)?)$/.exec(clientFirst);
    if (match === null || match[2]!.startsWith('m=')) throw millraceError('PROTOCOL_VIOLATION', { reason: 'malformed SCRAM message' });
    this.#channelBinding = Buffer.from(match[1]!, 'utf8').toString('base64');
    this.#clientFirstBare = match[2]!;
    this.#nonce = match[4]! + this.#serverNonce;
    this.#serverFirst = `r=${this.#nonce},s=${this.#verifier.salt.toString('base64')},i=${this.#verifier.iterations}`;
    return this.#serverFirst;
  }

  final(clientFinal: string): string | undefined {
    const match = /^(c=([A-Za-z0-9+/=]+),r=([^,]+)(?:,.*)?),p=([A-Za-z0-9+/=]+)$/.exec(clientFinal);
    if (match === null) throw millraceError('PROTOCOL_VIOLATION', { reason: 'malformed SCRAM message' });
    if (match[2] !== this.#channelBinding) throw millraceError('PROTOCOL_VIOLATION', { reason: 'SCRAM channel binding check failed' });
    if (match[3] !== this.#nonce) throw millraceError('PROTOCOL_VIOLATION', { reason: 'SCRAM nonce does not match' });
    const proof = Buffer.from(match[4]!, 'base64');
    if (proof.length !== 32) throw millraceError('PROTOCOL_VIOLATION', { reason: 'malformed SCRAM proof' });
    const authMessage = `${this.#clientFirstBare},${this.#serverFirst},${match[1]!}`;
    const signature = hmac(this.#verifier.storedKey, authMessage);
    const clientKey = Buffer.from(proof.map((byte, i) => byte ^ signature[i]!));
    if (!timingSafeEqual(sha256(clientKey), this.#verifier.storedKey)) return undefined;
    return `v=${hmac(this.#verifier.serverKey, authMessage).toString('base64')}`;
  }
}
