/** The firewall of a dressed server: a TCP proxy that says nothing to an address it does not admit. All clients are on this machine, so the address they seem to come from is chosen. */
import { once } from 'node:events';
import { BlockList, connect, createServer, isIPv6, type Server, type Socket } from 'node:net';
import type { Gate } from './server.ts';

export class TcpGate implements Gate {
  clientAddress = '203.0.113.7';
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #admitted: readonly string[] | 'everybody' = 'everybody';
  #port = 0;

  constructor(target: () => number) {
    this.#server = createServer((client) => {
      this.#sockets.add(client);
      client.on('close', () => this.#sockets.delete(client));
      client.on('error', () => client.destroy());
      // A dropped packet gets no answer at all; the client's own time-out ends it.
      if (!this.open) return;
      const upstream = connect(target(), '127.0.0.1');
      this.#sockets.add(upstream);
      upstream.on('close', () => {
        this.#sockets.delete(upstream);
        client.destroy();
      });
      upstream.on('error', () => client.destroy());
      client.on('close', () => upstream.destroy());
      client.pipe(upstream);
      upstream.pipe(client);
    });
  }

  get admitted(): readonly string[] | 'everybody' {
    return this.#admitted;
  }

  get port(): number {
    return this.#port;
  }

  admit(sources: readonly string[] | 'everybody'): void {
    this.#admitted = sources;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the gate has no port');
    this.#port = address.port;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  /** For the address that clients seem to have. */
  get open(): boolean {
    if (this.#admitted === 'everybody') return true;
    const list = new BlockList();
    for (const source of this.#admitted) {
      const [first = '', last] = source.split('-');
      if (last !== undefined) list.addRange(first, last, isIPv6(first) ? 'ipv6' : 'ipv4');
      else {
        const [address = '', bits] = first.split('/');
        const family = isIPv6(address) ? 'ipv6' : 'ipv4';
        list.addSubnet(address, bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits), family);
      }
    }
    return list.check(this.clientAddress, isIPv6(this.clientAddress) ? 'ipv6' : 'ipv4');
  }
}
