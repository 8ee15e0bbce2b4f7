/**
 * A running Millrace for a test: the real command in a process of its own, so that it can be killed. Ends only what it started, by pid.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

const MAIN = fileURLToPath(new URL('../../bin/millrace.js', import.meta.url));

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export interface MillraceOptions {
  readonly dataDirectory: string;
  readonly port: number;
  /** `name:nth`, see `store/failpoints.ts`. */
  readonly failpoint?: string;
  readonly init?: string;
  /** Asks its clients for it (SCRAM); without, they are trusted. */
  readonly password?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

export class RunningMillrace {
  readonly process: ChildProcess;
  readonly options: MillraceOptions;
  readonly port: number;
  output = '';

  constructor(options: MillraceOptions) {
    this.options = options;
    this.port = options.port;
    this.process = spawn(
      process.execPath,
      [
        MAIN,
        'serve',
        '--data',
        options.dataDirectory,
        '--listen',
        `127.0.0.1:${options.port}`,
        '--http',
        'off',
        '--auth',
        options.password === undefined ? 'trust' : 'password',
        ...(options.init === undefined ? [] : ['--init', options.init]),
      ],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          ...process.env,
          ...options.environment,
          ...(options.password === undefined ? {} : { MILLRACE_PASSWORD: options.password }),
          ...(options.failpoint === undefined ? {} : { MILLRACE_FAILPOINT: options.failpoint }),
        },
      },
    );
    for (const stream of [this.process.stdout, this.process.stderr])
      stream?.on('data', (bytes: Buffer) => (this.output = (this.output + bytes.toString()).slice(-100_000)));
  }

  get url(): string {
    const password = this.options.password === undefined ? '' : `:${encodeURIComponent(this.options.password)}`;
    return `postgres://millrace${password}@127.0.0.1:${this.port}/millrace`;
  }

  get exited(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  /** Connected once the server answers; fails when the process ends first. */
  async connect(timeoutMs = 60_000): Promise<pg.Client> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      if (this.exited) throw new Error(`millrace ended with ${this.process.exitCode ?? this.process.signalCode}:\n${this.output}`);
      const client = new pg.Client({ connectionString: this.url });
      client.on('error', () => undefined);
      try {
        await client.connect();
        return client;
      } catch (error) {
        if (performance.now() > deadline)
          throw new Error(`millrace did not answer within ${timeoutMs} ms:\n${this.output}`, { cause: error });
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  /** Resolves when the process is gone; false when it still lives after timeoutMs. */
  async ended(timeoutMs: number): Promise<boolean> {
    if (this.exited) return true;
    const timer = new Promise<false>((resolve) => setTimeout(() => resolve(false), timeoutMs).unref());
    return Promise.race([once(this.process, 'exit').then(() => true), timer]);
  }

  async kill(): Promise<void> {
    if (this.exited) return;
    this.process.kill('SIGKILL');
    await this.ended(10_000);
  }

  async stop(): Promise<void> {
    if (this.exited) return;
    this.process.kill('SIGTERM');
    if (!(await this.ended(10_000))) await this.kill();
  }
}
