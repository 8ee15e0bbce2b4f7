/** A certificate for tests of TLS, or undefined (with the reason on stderr) where the machine has no openssl. */
import { execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface Certificates {
  /** Files that the server of `startPostgres` may read. The certificate is its own authority. */
  readonly cert: string;
  readonly key: string;
  /** For `startPostgres`. */
  readonly settings: Readonly<Record<string, string | boolean>>;
  remove(): void;
}

/** Made out to the name `localhost`, not to 127.0.0.1. */
export function makeCertificates(): Certificates | undefined {
  const directory = mkdtempSync(path.join(tmpdir(), 'millrace-tls-'));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  const [cert, key] = [path.join(directory, 'server.crt'), path.join(directory, 'server.key')];
  const request =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost';
  try {
    execFileSync('openssl', [...request.split(' '), '-keyout', key, '-out', cert], { stdio: 'pipe' });
  } catch {
    remove();
    process.stderr.write('no openssl on this machine: the TLS tests are skipped\n');
    return undefined;
  }
  if (process.getuid?.() === 0) for (const file of [directory, cert, key]) chownSync(file, 65534, 65534);
  return { cert, key, settings: { ssl: true, ssl_cert_file: cert, ssl_key_file: key }, remove };
}
