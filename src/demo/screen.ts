/**
 * The demo's terminal: a block of lines that is drawn over itself while something goes on, and plain lines otherwise (no terminal, NO_COLOR, --json).
 */
import { styleText } from 'node:util';

export class Screen {
  readonly #live: boolean;
  readonly #silent: boolean;
  #drawn = 0;

  constructor(options: { readonly json: boolean }) {
    this.#silent = options.json;
    this.#live = !options.json && process.stdout.isTTY;
  }

  /** A line that stays. With --json progress goes to stderr, so that stdout ends with the one object. */
  say(line: string): void {
    this.#erase();
    (this.#silent ? process.stderr : process.stdout).write(`${line}\n`);
  }

  /** Replaces the live block; without a terminal nothing is drawn. */
  show(lines: readonly string[]): void {
    if (!this.#live) return;
    this.#erase();
    process.stdout.write(`${lines.join('\n')}\n`);
    this.#drawn = lines.length;
  }

  get live(): boolean {
    return this.#live;
  }

  style(format: 'bold' | 'dim' | 'green' | 'red' | 'cyan', text: string): string {
    return this.#live ? styleText(format, text) : text;
  }

  #erase(): void {
    if (this.#drawn > 0) process.stdout.write(`\u001b[${this.#drawn}A\u001b[J`);
    this.#drawn = 0;
  }
}

/** 1234567 → `1,234,567`. */
export function grouped(count: number): string {
  return Math.round(count).toLocaleString('en-US');
}

export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB'];
  let unit = 0;
  let value = count;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]!}`;
}

export function progressBar(done: number, total: number, width = 30): string {
  const filled = total === 0 ? width : Math.round((width * Math.min(done, total)) / total);
  return `${'█'.repeat(filled)}${'░'.repeat(width - filled)}`;
}
