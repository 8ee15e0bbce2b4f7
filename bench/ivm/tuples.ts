/** Rows as pgoutput sends them (TupleData: a count, then `t`, a length and text a column), written without garbage. */
import type { TupleBatch } from '../../src/dataflow/tables/tuple-source.ts';
import { FLAGS, LINES_AN_ORDER, PRIORITIES, type Workload } from './workload.ts';

const ROW_BYTES_MAX = 160;
const ZERO = 48;
const FIRST_DAY = Date.UTC(1992, 0, 1);
const DAY_MS = 86_400_000;
const SHIP_DATES = Array.from({ length: 2_000 }, (_, day) => new Date(FIRST_DAY + day * DAY_MS).toISOString().slice(0, 10));

/** Rows one after another in one buffer that grows. */
export class TupleWriter {
  bytes: Buffer;
  end = 0;

  /** Room for so many rows at first. */
  constructor(rows: number) {
    this.bytes = Buffer.allocUnsafe(rows * ROW_BYTES_MAX);
  }

  clear(): void {
    this.end = 0;
  }

  /** Returns where the row starts. */
  line(workload: Workload, line: number): number {
    const start = this.#begin(7);
    this.#whole(line);
    this.#whole(Math.floor(line / LINES_AN_ORDER));
    this.#text(FLAGS[workload.flag[line]!]!);
    this.#whole(workload.quantity[line]!);
    this.#cents(workload.price[line]!);
    this.#text(SHIP_DATES[line % SHIP_DATES.length]!);
    this.#whole((line * 7) % 1_000_003);
    return start;
  }

  order(workload: Workload, order: number): number {
    const start = this.#begin(3);
    this.#whole(order);
    this.#whole(workload.customer[order]!);
    this.#text(PRIORITIES[workload.priority[order]!]!);
    return start;
  }

  #begin(columns: number): number {
    const start = this.end;
    if (start + ROW_BYTES_MAX > this.bytes.length) {
      const grown = Buffer.allocUnsafe(this.bytes.length * 2);
      this.bytes.copy(grown);
      this.bytes = grown;
    }
    this.bytes[this.end++] = columns >> 8;
    this.bytes[this.end++] = columns & 255;
    return start;
  }

  #header(length: number): void {
    this.bytes[this.end++] = 116;
    this.bytes[this.end++] = 0;
    this.bytes[this.end++] = 0;
    this.bytes[this.end++] = 0;
    this.bytes[this.end++] = length;
  }

  #text(value: string): void {
    this.#header(value.length);
    for (let i = 0; i < value.length; i++) this.bytes[this.end++] = value.charCodeAt(i);
  }

  #whole(value: number): void {
    let digits = 1;
    for (let power = 10; power <= value; power *= 10) digits++;
    this.#header(digits);
    this.#digits(value, digits);
  }

  #cents(value: number): void {
    const whole = Math.floor(value / 100);
    let digits = 1;
    for (let power = 10; power <= whole; power *= 10) digits++;
    this.#header(digits + 3);
    this.#digits(whole, digits);
    this.bytes[this.end++] = 46;
    this.#digits(value % 100, 2);
  }

  #digits(value: number, digits: number): void {
    let rest = value;
    for (let at = this.end + digits - 1; at >= this.end; at--) {
      this.bytes[at] = ZERO + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    this.end += digits;
  }
}

const BATCH_ROWS = 4_096;

/** All rows of a table, in batches: each batch is gone when the next one is asked for. */
export function* allRows(workload: Workload, table: 'orders' | 'lineitem'): Generator<TupleBatch> {
  const count = table === 'orders' ? workload.orders : workload.lines;
  const writer = new TupleWriter(BATCH_ROWS);
  for (let from = 0; from < count; from += BATCH_ROWS) {
    writer.clear();
    const offsets = new Int32Array(Math.min(BATCH_ROWS, count - from));
    for (let i = 0; i < offsets.length; i++)
      offsets[i] = table === 'orders' ? writer.order(workload, from + i) : writer.line(workload, from + i);
    yield { bytes: writer.bytes, offsets };
  }
}
