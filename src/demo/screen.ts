/**
 * The demo's terminal: a block of lines that is drawn over itself while something goes on, and plain lines otherwise (no terminal, NO_COLOR, --json). A line of the block is never longer than the
 * terminal is wide, and the block never taller: else the cursor would not come back to where it began.
 */
import { stripVTControlCharacters, styleText } from 'node:util';

/** What is written to: process.stdout, or a test's. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

const COLUMNS_DEFAULT = 80;
const ROWS_DEFAULT = 24;
/** Narrower than this, a line is cut rather than broken into crumbs. */
const COLUMNS_MIN = 20;

export class Screen {
  readonly live: boolean;
  readonly #out: Terminal;
  readonly #terminal: Terminal;
  /** Columns of each line that is drawn. */
  #drawn: number[] = [];

  constructor(options: { readonly json: boolean }, terminal: Terminal = process.stdout, errors: Terminal = process.stderr) {
    // With --json progress goes to stderr, so that stdout ends with the one object.
    this.#out = options.json ? errors : terminal;
    this.#terminal = terminal;
    this.live = !options.json && terminal.isTTY === true;
  }

  /** A line that stays, broken between words. */
  say(line: string): void {
    this.#erase();
    this.#out.write(`${(this.live ? broken(line, this.#columns) : [line]).join('\n')}\n`);
  }

  /** Replaces the live block; without a terminal nothing is drawn. */
  show(lines: readonly string[]): void {
    if (!this.live) return;
    const columns = this.#columns;
    // One row is the cursor's.
    const shown = lines.slice(0, Math.max(1, (this.#terminal.rows ?? ROWS_DEFAULT) - 1)).map((line) => cut(line, columns));
    this.#erase();
    this.#out.write(`${shown.join('\n')}\n`);
    this.#drawn = shown.map(width);
  }

  readonly style = (format: 'bold' | 'dim' | 'green' | 'red' | 'cyan', text: string): string =>
    this.live && process.env['NO_COLOR'] === undefined ? styleText(format, text, { validateStream: false }) : text;

  get #columns(): number {
    return Math.max(COLUMNS_MIN, this.#terminal.columns ?? COLUMNS_DEFAULT);
  }

  /** A terminal that has become narrower since has broken what was drawn into more rows. */
  #erase(): void {
    const columns = this.#terminal.columns ?? COLUMNS_DEFAULT;
    const rows = this.#drawn.reduce((sum, length) => sum + Math.max(1, Math.ceil(length / columns)), 0);
    if (rows > 0) this.#out.write(`\r\u001b[${Math.min(rows, (this.#terminal.rows ?? ROWS_DEFAULT) - 1)}A\u001b[J`);
    this.#drawn = [];
  }
}

function width(text: string): number {
  return [...stripVTControlCharacters(text)].length;
}

/** The first `columns` of it; what was switched on is switched off. */
function cut(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  let seen = 0;
  let kept = '';
  // oxlint-disable-next-line no-control-regex -- the escape sequences of styleText.
  for (const [piece] of text.matchAll(/\u001b\[[0-9;]*m|./gsu)) {
    if (piece.startsWith('\u001b')) kept += piece;
    else if (++seen < columns) kept += piece;
    else if (seen === columns) kept += '…';
  }
  return kept;
}

/** Between words; a continuation hangs below the text of its line. */
function broken(text: string, columns: number): string[] {
  return text.split('\n').flatMap((line) => {
    if (width(line) <= columns) return [line];
    const indent = /^ */.exec(stripVTControlCharacters(line))![0];
    const lines: string[] = [];
    let current = '';
    for (const word of line.trimStart().split(/(?<=\S)(?= )/)) {
      const taken = current === '' ? `${indent}${lines.length === 0 ? '' : '  '}${word.trimStart()}` : current + word;
      if (current !== '' && width(taken) > columns) {
        lines.push(current);
        current = `${indent}  ${word.trimStart()}`;
      } else current = taken;
    }
    return [...lines, current];
  });
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
