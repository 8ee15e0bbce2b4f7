/**
 * What comes before a session: requests for encryption (refused with 'N': TLS is for a proxy in front), CancelRequest, and the startup message with its version.
 * 3.0 and 3.2 are spoken; a newer minor version or an option of the protocol is answered with NegotiateProtocolVersion. Called by `connection.ts`.
 */
import { millraceError } from '../../base/errors.ts';
import { BodyReader, type FrontendMessage } from './frontend.ts';
import { ConnectionGone } from './output.ts';

export const PROTOCOL_3_0 = 0x0003_0000;
export const PROTOCOL_3_2 = 0x0003_0002;
const CANCEL_REQUEST = 80877102;
const SSL_REQUEST = 80877103;
const GSSENC_REQUEST = 80877104;
const REFUSED = Buffer.from('N', 'latin1');
/** A secret key has 4 bytes in 3.0 and up to 256 in 3.2. */
const SECRET_BYTES_MAX = 256;
const NAME_BYTES_MAX = 63;

export interface StartupMessage {
  /** The version that both sides will speak. */
  readonly version: number;
  readonly user: string;
  /** As sent, with `database` filled in. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Present when the client has to be told that it gets less than it asked for. */
  readonly negotiate: { readonly version: number; readonly unknownOptions: readonly string[] } | undefined;
}

export interface StartupDialogue {
  receive(): Promise<FrontendMessage>;
  send(bytes: Uint8Array): Promise<void>;
  cancel(processId: number, secret: Uint8Array): void;
}

export async function readStartup(dialogue: StartupDialogue): Promise<StartupMessage> {
  const asked = new Set<number>();
  for (;;) {
    const body = new BodyReader((await dialogue.receive()).body);
    const code = body.uint32();
    if ((code === SSL_REQUEST || code === GSSENC_REQUEST) && !asked.has(code)) {
      body.end();
      asked.add(code);
      await dialogue.send(REFUSED);
      continue;
    }
    if (code === CANCEL_REQUEST) {
      const processId = body.int32();
      if (body.remainingBytes > SECRET_BYTES_MAX) throw millraceError('PROTOCOL_VIOLATION', { reason: 'invalid length of cancel request' });
      dialogue.cancel(processId, body.bytes(body.remainingBytes));
      // Nothing is answered, whether it matched or not.
      throw new ConnectionGone();
    }
    return parseStartup(code, body);
  }
}

export function parseStartup(asked: number, body: BodyReader): StartupMessage {
  const major = asked >>> 16;
  const minor = asked & 0xffff;
  if (major !== 3) {
    // An HTTP or TLS client's first bytes read as a wild version.
    if (major > 9) throw millraceError('PROTOCOL_VIOLATION', { reason: 'invalid startup packet' });
    throw millraceError('PROTOCOL_VERSION_UNKNOWN', { major, minor });
  }
  const parameters = new Map<string, string>();
  const unknownOptions: string[] = [];
  for (let name = body.text(); name !== ''; name = body.text()) {
    const value = body.text();
    if (name.startsWith('_pq_.')) unknownOptions.push(name);
    else parameters.set(name, value);
  }
  body.end();
  const user = cut(parameters.get('user') ?? '');
  if (user === '') throw millraceError('USER_MISSING', {});
  const replication = parameters.get('replication') ?? 'false';
  if (!/^(?:false|off|no|0)$/i.test(replication)) throw millraceError('PROTOCOL_FEATURE_UNKNOWN', { feature: 'a replication connection' });
  parameters.set('user', user);
  parameters.set('database', cut(parameters.get('database') || user));
  // 3.1 was never released; whoever asks for it speaks 3.0.
  const version = minor >= 2 ? PROTOCOL_3_2 : PROTOCOL_3_0;
  const lessThanAsked = minor > 2 || unknownOptions.length > 0;
  return { version, user, parameters, negotiate: lessThanAsked ? { version, unknownOptions } : undefined };
}

/** Names are cut where Postgres cuts them. */
function cut(name: string): string {
  const bytes = Buffer.from(name, 'utf8');
  return bytes.length <= NAME_BYTES_MAX ? name : new TextDecoder().decode(bytes.subarray(0, NAME_BYTES_MAX)).replace(/\uFFFD+$/, '');
}
