/**
 * The `serve` command in a process of its own, so that the demo can kill it and measure its memory. It is in a session of its own (a terminal's Ctrl-C is for the demo alone), and ends with the
 * demo however that ends: its standard input is a pipe from us.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { millraceError } from '../base/errors.ts';

const MAIN = fileURLToPath(new URL('../../bin/millrace.js', import.meta.url));
const ANSWERS_WITHIN_MS = 120_000;

export class EngineProcess {
  readonly port: number;
  readonly #dataDirectory: string;
  #child: ChildProcess | undefined;
  #output = '';
  #timer: NodeJS.Timeout | undefined;
  #ended = false;
  rssBytesMax = 0;

  constructor(dataDirectory: string, port: number) {
    this.#dataDirectory = dataDirectory;
    this.port = port;
  }

  get url(): string {
    return `postgres://millrace@127.0.0.1:${this.port}/millrace`;
  }

  /** Of the slot that it will make; known once it has started. */
  async slotName(): Promise<string> {
    const { id } = JSON.parse(await readFile(join(this.#dataDirectory, 'millrace.json'), 'utf8')) as { id: string };
    return `millrace_${id}`;
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    if (this.#ended) throw new Error('the demo is over');
    const child = spawn(
      process.execPath,
      [MAIN, 'serve', '--data', this.#dataDirectory, '--listen', `127.0.0.1:${this.port}`, '--auth', 'trust'],
      { stdio: ['pipe', 'pipe', 'pipe'], detached: true, env: { ...process.env, MILLRACE_END_WITH_STDIN: '1' } },
    );
    this.#child = child;
    child.stdin.on('error', () => undefined);
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (this.#output = (this.#output + chunk.toString()).slice(-20_000)));
    this.#timer = setInterval(() => void this.#measure(), 250);
    const deadline = performance.now() + ANSWERS_WITHIN_MS;
    for (;;) {
      if (child.exitCode !== null || child.signalCode !== null || performance.now() > deadline)
        throw millraceError('DEMO_ENGINE_FAILED', { output: this.#output });
      const client = new pg.Client({ connectionString: this.url });
      client.on('error', () => undefined);
      try {
        await client.connect();
        await client.end();
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    }
  }

  /** When the engine ended by itself, what it said is the reason. */
  failure(error: unknown): unknown {
    const child = this.#child;
    const ended = child !== undefined && (child.exitCode !== null || child.signalCode !== null);
    return ended ? millraceError('DEMO_ENGINE_FAILED', { output: this.#output }, error) : error;
  }

  /** For good. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.kill();
  }

  async kill(): Promise<void> {
    clearInterval(this.#timer);
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Linux only; elsewhere it stays 0. */
  async #measure(): Promise<void> {
    const status = await readFile(`/proc/${this.#child?.pid ?? 0}/status`, 'utf8').catch(() => '');
    const kilobytes = /VmRSS:\s+(\d+)/.exec(status)?.[1];
    if (kilobytes !== undefined) this.rssBytesMax = Math.max(this.rssBytesMax, Number(kilobytes) * 1024);
  }
}
