/**
 * What a bad client, a large view or a large transaction does to everybody else, one function each: it goes on until the signal says that the window is over, and every
 * socket it opened is closed then, without a word. Run by `neighbours.ts`.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import pg from 'pg';
import { WireClient } from '../../test/harness/wire.ts';
import { pause, type System } from '../system.ts';

export const BIG_ROWS = 300_000;
export const SMALL_ROWS = 10_000;
const SIXTY_MB = 60_000_000;

export interface Nuisance {
  readonly what: string;
  /** How long the neighbour is measured; default 4 s. */
  readonly forMs?: number;
  run(bad: BadClients): Promise<void>;
}

/** Opens connections for a nuisance and remembers them. */
export class BadClients {
  readonly system: System;
  readonly #ends: (() => void)[] = [];
  over = false;

  constructor(system: System) {
    this.system = system;
  }

  async client(): Promise<WireClient> {
    const client = new pg.Client({ connectionString: this.system.millrace.url }) as pg.Client & {
      connection: { stream: Parameters<typeof WireClient.over>[0] };
    };
    client.on('error', () => undefined);
    await client.connect();
    const opened = WireClient.over(client.connection.stream);
    this.#ends.push(() => opened.close());
    return opened;
  }

  /** Asks, reads a little of the answer, and no more. */
  async stalled(sql: string): Promise<void> {
    const client = await this.client();
    void client.drain(sql).catch(() => undefined);
    await Promise.race([once(client.socket, 'data'), pause(2_000)]);
    client.socket.pause();
  }

  async silent(): Promise<void> {
    const socket = connect({ host: '127.0.0.1', port: this.system.millrace.port });
    socket.on('error', () => undefined);
    this.#ends.push(() => socket.destroy());
    await Promise.race([once(socket, 'connect'), pause(1_000)]);
  }

  async untilOver(work: () => Promise<unknown>): Promise<void> {
    while (!this.over) await work();
  }

  stop(): void {
    this.over = true;
    for (const end of this.#ends.splice(0)) end();
  }
}

const repeated = (what: string, sql: string, forMs?: number): Nuisance => ({
  what,
  ...(forMs === undefined ? {} : { forMs }),
  run: async (bad) => {
    const client = await bad.client();
    await bad.untilOver(() => client.drain(sql));
  },
});

export const NUISANCES: readonly Nuisance[] = [
  { what: 'nothing', run: async () => undefined },
  repeated('a SELECT of 300,000 × 320 bytes', 'SELECT * FROM big'),
  { what: 'a stalled reader of it', run: (bad) => bad.stalled('SELECT * FROM big') },
  {
    what: 'a SUBSCRIBE to it',
    run: async (bad) => {
      await (await bad.client()).drain('COPY (SUBSCRIBE big) TO STDOUT');
    },
  },
  { what: 'a stalled SUBSCRIBE to it', run: (bad) => bad.stalled('COPY (SUBSCRIBE big) TO STDOUT') },
  {
    what: '8 unread results',
    run: async (bad) => {
      await Promise.all(Array.from({ length: 8 }, () => bad.stalled('SELECT * FROM big')));
    },
  },
  repeated('a cross product', 'SELECT count(*) FROM small a, small b, small c WHERE a.id + b.id + c.id = -1'),
  {
    what: 'a CREATE with a join without a key',
    run: async (bad) => {
      const client = await bad.client();
      await client.simple('CREATE MATERIALIZED VIEW keyless AS SELECT a.id FROM small a JOIN small b ON a.id + b.id = -1');
      await client.simple('DROP MATERIALIZED VIEW keyless');
    },
  },
  {
    what: 'a hydration of 300,000 rows',
    run: async (bad) => {
      const client = await bad.client();
      await bad.untilOver(async () => {
        await client.simple('CREATE MATERIALIZED VIEW grouped AS SELECT k, count(*) AS n, min(body) AS least FROM wide GROUP BY k');
        await client.simple('DROP MATERIALIZED VIEW grouped');
      });
    },
  },
  {
    what: 'a transaction of 1,000,000 rows upstream',
    forMs: 12_000,
    run: async ({ system }) => {
      await system.sql.query('INSERT INTO bulk SELECT n, n % 100 FROM generate_series(1, 1000000) n');
    },
  },
  {
    what: '3 × SET of 60 MB',
    run: async (bad) => {
      const client = await bad.client();
      for (const name of ['a', 'b', 'c']) await client.simple(`SET my.${name} = '${'x'.repeat(SIXTY_MB)}'`);
    },
  },
  { what: "length('<60 MB>')", run: async (bad) => void (await (await bad.client()).simple(`SELECT length('${'x'.repeat(SIXTY_MB)}')`)) },
  {
    what: 'DECLARE … WITH HOLD of 5,000,000 rows',
    run: async (bad) => {
      const client = await bad.client();
      await client.simple('BEGIN');
      await client.simple('DECLARE held CURSOR WITH HOLD FOR SELECT a.id FROM small a, small b WHERE b.id <= 500');
      await client.simple('COMMIT');
    },
  },
  {
    what: 'pg_sleep without a timeout',
    run: async (bad) => void (await (await bad.client()).simple('SET statement_timeout = 0; SELECT pg_sleep(1e9)')),
  },
  repeated('1,000,000 advisory locks', 'SELECT count(pg_advisory_lock(g)) FROM generate_series(1, 1000000) g'),
  {
    what: '1,500 × pg_logical_emit_message',
    run: async (bad) => {
      const client = await bad.client();
      for (let n = 0; n < 1_500 && !bad.over; n++) await client.simple(`SELECT pg_logical_emit_message(true, 'a', repeat('x', 1000000))`);
    },
  },
  { what: '300 silent sockets', run: async (bad) => void (await Promise.all(Array.from({ length: 300 }, () => bad.silent()))) },
  {
    what: 'wrong passwords',
    run: async (bad) => {
      const url = new URL(bad.system.millrace.url);
      url.password = 'wrong';
      const attempt = async (): Promise<void> => {
        const client = new pg.Client({ connectionString: url.href, connectionTimeoutMillis: 2_000 });
        client.on('error', () => undefined);
        await client.connect().catch(() => undefined);
        await client.end().catch(() => undefined);
      };
      await Promise.all(Array.from({ length: 20 }, () => bad.untilOver(attempt)));
    },
  },
  {
    what: '30 AUDITs',
    forMs: 6_000,
    run: async (bad) => {
      const clients = await Promise.all(Array.from({ length: 30 }, () => bad.client()));
      await Promise.all(clients.map((client) => client.simple('AUDIT VIEW by_id')));
    },
  },
  repeated('a text of 22,000 literals', `SELECT id FROM by_id WHERE id IN (${Array.from({ length: 22_000 }, (_, n) => n).join(', ')})`),
  repeated('1,000 nested CASEs', `SELECT ${'CASE WHEN id = 1 THEN 2 ELSE '.repeat(1_000)}3${' END'.repeat(1_000)} FROM by_id WHERE id = 1`),
];
