/**
 * libpq's sslmode as a list of ways to connect, tried in order.
 *
 *     disable      plain                       require      TLS, any certificate (with sslrootcert: as verify-ca, as in libpq)
 *     allow        plain, then TLS             verify-ca    TLS, certificate signed by a known authority
 *     prefer       TLS, then plain             verify-full  and made out to this host
 *
 * Without sslrootcert, the authorities are those of Node and of the operating system (libpq would read ~/.postgresql/root.crt, or fail).
 */
import { readFile } from 'node:fs/promises';
import type { ConnectionOptions } from 'node:tls';
import { millraceError } from '../../base/errors.ts';
import type { ConnectionParameters } from './parameters.ts';

export type Way = { readonly tls: false } | { readonly tls: true; readonly options: ConnectionOptions };

export async function waysToConnect(parameters: ConnectionParameters): Promise<Way[]> {
  const plain: Way = { tls: false };
  switch (parameters.sslmode) {
    case 'disable':
      return [plain];
    case 'allow':
      return [plain, await tlsWay(parameters, 'none')];
    case 'prefer':
      return [await tlsWay(parameters, 'none'), plain];
    case 'require':
      return [await tlsWay(parameters, parameters.sslrootcert === undefined ? 'none' : 'ca')];
    case 'verify-ca':
      return [await tlsWay(parameters, 'ca')];
    case 'verify-full':
      return [await tlsWay(parameters, 'full')];
  }
}

async function tlsWay(parameters: ConnectionParameters, verify: 'none' | 'ca' | 'full'): Promise<Way> {
  const options: ConnectionOptions = { rejectUnauthorized: verify !== 'none' };
  if (verify === 'ca') options.checkServerIdentity = () => undefined;
  if (parameters.sslrootcert !== undefined && parameters.sslrootcert !== 'system')
    options.ca = await pem('sslrootcert', parameters.sslrootcert);
  if (parameters.sslcert !== undefined) options.cert = await pem('sslcert', parameters.sslcert);
  if (parameters.sslkey !== undefined) options.key = await pem('sslkey', parameters.sslkey);
  if (parameters.sslpassword !== undefined) options.passphrase = parameters.sslpassword;
  return { tls: true, options };
}

async function pem(name: string, fileOrText: string): Promise<string> {
  if (fileOrText.includes('-----BEGIN')) return fileOrText;
  try {
    return await readFile(fileOrText, 'utf8');
  } catch (error) {
    throw millraceError('CONNECTION_STRING_INVALID', { reason: `${name}: ${(error as Error).message}` }, error);
  }
}
