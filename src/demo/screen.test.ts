/** The live block on a terminal of any width: a small terminal that keeps what is written, breaks what is too long, and reflows when it is resized. */
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { Screen, type Terminal } from './screen.ts';

/** Understands what Screen writes: text, newline, return, cursor up, erase below. */
class SmallTerminal implements Terminal {
  readonly isTTY = true;
  columns: number;
  rows: number;
  /** Whole lines; the last one is where the cursor is. */
  #lines: string[] = [''];

  constructor(columns: number, rows = 24) {
    this.columns = columns;
    this.rows = rows;
  }

  write(text: string): void {
    // oxlint-disable-next-line no-control-regex -- cursor up and erase.
    const moved = /^\r\u001b\[(\d+)A\u001b\[J/.exec(text);
    if (moved !== null) {
      const shown = this.shown();
      const kept = shown.slice(0, shown.length - 1 - Number(moved[1]));
      this.#lines = [...kept, ''];
      text = text.slice(moved[0].length);
    }
    for (const [i, line] of stripVTControlCharacters(text).split('\n').entries()) {
      if (i > 0) this.#lines.push('');
      this.#lines[this.#lines.length - 1] += line;
    }
  }

  /** Rows as seen: lines broken at the width. */
  shown(): string[] {
    return this.#lines.flatMap((line) => (line === '' ? [''] : (line.match(new RegExp(`.{1,${this.columns}}`, 'gu')) ?? [''])));
  }
}

const table = (n: number): string[] => [
  'view                rows',
  `orders ${n}`,
  `${n} transactions (12 rolled back), 345 changes/s, freshness p50 1.5 ms p99 20 ms, and more`,
];

test.each([20, 40, 60, 80, 200])('in %i columns the block is drawn over itself', (columns) => {
  const terminal = new SmallTerminal(columns);
  const screen = new Screen({ json: false }, terminal);
  screen.say('before');
  for (let n = 1; n <= 5; n++) screen.show(table(n));
  const shown = terminal.shown();
  expect(shown).toHaveLength(5);
  expect([shown[0], shown[2]]).toEqual(['before', 'orders 5']);
  expect(Math.max(...shown.map((line) => line.length))).toBeLessThanOrEqual(columns);
});

test('a terminal that becomes narrower, and wider again, does not smear', () => {
  const terminal = new SmallTerminal(80);
  const screen = new Screen({ json: false }, terminal);
  screen.say('before');
  for (const columns of [80, 30, 50, 100, 24]) {
    terminal.columns = columns;
    screen.show(table(columns));
    expect(terminal.shown().filter((line) => line.startsWith('orders'))).toEqual([`orders ${columns}`]);
  }
  expect(terminal.shown()[0]).toBe('before');
});

test('a low terminal shows what fits; a line that stays is broken between words', () => {
  const terminal = new SmallTerminal(40, 3);
  const screen = new Screen({ json: false }, terminal);
  screen.show(table(1));
  screen.show(table(2));
  expect(terminal.shown().filter((line) => line !== '')).toEqual(['view                rows', 'orders 2']);
  screen.say('  one two three four five six seven eight nine ten');
  expect(terminal.shown().slice(-3)).toEqual(['  one two three four five six seven', '    eight nine ten', '']);
});
