import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { mayHavePassword } from './cleartext.ts';
import { connectUpstream } from './connect.ts';
import { parseConnectionString } from './parameters.ts';

const server: { current: Server | undefined } = { current: undefined };
afterEach(() => server.current?.close());

/** A host that refuses TLS and asks for the password; keeps all that it is told. */
async function asking(code: 3 | 5): Promise<{ port: number; heard: () => string }> {
  let heard = Buffer.alloc(0);
  server.current = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      if (bytes.length === 8 && bytes.readInt32BE(4) === 80877103) {
        socket.write('N');
        return;
      }
      const first = heard.length === 0;
      heard = Buffer.concat([heard, bytes]);
      const salt = code === 5 ? [1, 2, 3, 4] : [];
      if (first) socket.write(Buffer.from([0x52, 0, 0, 0, 8 + salt.length, 0, 0, 0, code, ...salt]));
      else socket.destroy();
    });
  });
  await new Promise<void>((resolve) => server.current!.listen(0, '127.0.0.1', resolve));
  return { port: (server.current.address() as AddressInfo).port, heard: () => heard.toString('latin1') };
}

const connect = (url: string) => connectUpstream(parseConnectionString(url), { purpose: 'test' });

test('a host that asks for the password in clear does not get it, and the error says what mends it', async () => {
  const host = await asking(3);
  await expect(connect(`postgres://u:open-sesame@127.0.0.1:${host.port}/d`)).rejects.toMatchObject({
    code: 'UPSTREAM_WANTS_PASSWORD',
    sqlstate: '28000',
    hint: expect.stringContaining('ALLOW CLEARTEXT') as string,
  });
  expect(host.heard()).toContain('user');
  expect(host.heard()).not.toContain('sesame');
});

test('unless that is allowed', async () => {
  const host = await asking(3);
  await expect(connect(`postgres://u:open-sesame@127.0.0.1:${host.port}/d?require_auth=password`)).rejects.toThrow();
  expect(host.heard()).toContain('open-sesame');
});

test('an MD5 hash is given to a server on this machine', async () => {
  const host = await asking(5);
  await expect(connect(`postgres://u:open-sesame@127.0.0.1:${host.port}/d`)).rejects.toThrow();
  expect(host.heard()).toMatch(/md5[0-9a-f]{32}/);
});

test.each([
  ['cleartext', 'require', 'db.example', true, true],
  ['cleartext', 'verify-full', 'db.example', true, true],
  // Whoever stands between may offer TLS of his own, or none.
  ['cleartext', 'prefer', 'db.example', true, false],
  ['cleartext', 'prefer', 'localhost', false, false],
  ['md5', 'prefer', 'db.example', true, true],
  ['md5', 'prefer', 'db.example', false, false],
  ['md5', 'disable', '/var/run/postgresql', false, true],
] as const)('%s under sslmode %s, %s, tls %s: %s', (asked, sslmode, host, tls, may) => {
  expect(mayHavePassword(asked, parseConnectionString(`host=h sslmode=${sslmode}`), host, tls)).toBe(may);
  expect(mayHavePassword(asked, parseConnectionString(`host=h sslmode=${sslmode} require_auth=password`), host, tls)).toBe(true);
});
