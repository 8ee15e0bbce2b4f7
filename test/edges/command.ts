/** Runs the real `millrace` command to its end, or until it is told to stop; for the areas that look at what a person sees. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../bin/millrace.js', import.meta.url));

export interface Ended {
  /** Null: it was ended by a signal. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  readonly ms: number;
}

export interface CommandOptions {
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly timeoutMs?: number;
}

/** A command that is under way. */
export class Command {
  readonly process: ChildProcess;
  out = '';
  err = '';
  readonly #startedMs = performance.now();
  readonly #timeoutMs: number;

  constructor(args: readonly string[], options: CommandOptions = {}) {
    // A process group of its own, as a terminal gives to what it runs: `interrupt` sends to all of it.
    this.process = spawn(process.execPath, [MAIN, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, NO_COLOR: '1', ...options.environment },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    this.#timeoutMs = options.timeoutMs ?? 60_000;
    this.process.stdout!.on('data', (bytes: Buffer) => (this.out += bytes.toString()));
    this.process.stderr!.on('data', (bytes: Buffer) => (this.err += bytes.toString()));
  }

  get exited(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  /** As Ctrl-C in a terminal: to the whole process group. */
  interrupt(): void {
    if (!this.exited) process.kill(-this.process.pid!, 'SIGINT');
  }

  kill(): void {
    if (!this.exited) process.kill(-this.process.pid!, 'SIGKILL');
  }

  async says(text: string | RegExp, timeoutMs = 30_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const said = this.out + this.err;
      if (typeof text === 'string' ? said.includes(text) : text.test(said)) return;
      if (this.exited || performance.now() > deadline) throw new Error(`it did not say ${String(text)}:\n${said}`);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  async ended(): Promise<Ended> {
    const timer = setTimeout(() => this.kill(), this.#timeoutMs);
    if (!this.exited) await once(this.process, 'close');
    clearTimeout(timer);
    const ms = performance.now() - this.#startedMs;
    if (ms > this.#timeoutMs) throw new Error(`it did not end within ${this.#timeoutMs} ms:\n${this.out}${this.err}`);
    return { code: this.process.exitCode, out: this.out, err: this.err, ms };
  }
}

export function millrace(args: readonly string[], options: CommandOptions = {}): Promise<Ended> {
  return new Command(args, options).ended();
}

/** A stack trace, as nobody should see one: `    at name (file:line:column)`. */
export const STACK = /^\s+at .*:\d+:\d+\)?$/m;
