/**
 * The data of `bench:ivm`, the same in every engine and language: orders, their lines (four each), and updates that give a random line another quantity and price.
 *
 *     number = xorshift32(seed), one sequence for the rows, another for the updates
 *
 * Kept in flat arrays, so that the truth can be recomputed plainly however many rows there are. `bench/peers/differential/src/main.rs` makes the very same rows.
 */

export const LINES_AN_ORDER = 4;
/** A2's groups have about 40 lines. */
const LINES_A_CUSTOMER = 40;
export const PRIORITIES = ['1-URGENT', '2-HIGH', '3-MEDIUM', '4-NOT SPECIFIED', '5-LOW'] as const;
export const FLAGS = ['A', 'N', 'R'] as const;
const QUANTITIES = 50;
/** Cents: enough that 40,000 lines of a group have nearly as many prices. */
const PRICES = 9_999_999;

const ROWS_SEED = 0x1234567;
const UPDATES_SEED = 0x7654321;

/** xorshift32; a number below n is the next state modulo n. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(n: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) % n;
  }
}

export type ViewName = 'A1' | 'A2' | 'A3' | 'M' | 'M3';
export const VIEW_NAMES: readonly ViewName[] = ['A1', 'A2', 'A3', 'M', 'M3'];

/** What a view shows of a group. Sums and minima in cents or pieces. */
export interface Group {
  readonly count: number;
  readonly sum: number;
  readonly min: number | undefined;
}

export class Workload {
  readonly lines: number;
  readonly orders: number;
  readonly customers: number;
  /** By order. */
  readonly customer: Int32Array;
  readonly priority: Uint8Array;
  /** By line; line i belongs to order ⌊i ÷ 4⌋. */
  readonly flag: Uint8Array;
  readonly quantity: Uint8Array;
  readonly price: Int32Array;
  readonly #updates = new Random(UPDATES_SEED);

  constructor(lines: number) {
    this.lines = lines;
    this.orders = Math.ceil(lines / LINES_AN_ORDER);
    this.customers = Math.max(1, Math.floor(lines / LINES_A_CUSTOMER));
    this.customer = new Int32Array(this.orders);
    this.priority = new Uint8Array(this.orders);
    this.flag = new Uint8Array(lines);
    this.quantity = new Uint8Array(lines);
    this.price = new Int32Array(lines);
    const random = new Random(ROWS_SEED);
    for (let order = 0; order < this.orders; order++) {
      this.customer[order] = random.below(this.customers);
      this.priority[order] = random.below(PRIORITIES.length);
    }
    for (let line = 0; line < lines; line++) {
      this.flag[line] = random.below(FLAGS.length);
      this.quantity[line] = 1 + random.below(QUANTITIES);
      this.price[line] = 1 + random.below(PRICES);
    }
  }

  /** Changes a random line and returns it; the caller has kept what it needs of the old values. */
  update(before: (line: number) => void): number {
    const line = this.#updates.below(this.lines);
    before(line);
    this.quantity[line] = 1 + this.#updates.below(QUANTITIES);
    this.price[line] = 1 + this.#updates.below(PRICES);
    return line;
  }

  groupOf(view: ViewName, line: number): number {
    const order = Math.floor(line / LINES_AN_ORDER);
    if (view === 'A2' || view === 'M') return this.customer[order]!;
    return this.priority[order]! * FLAGS.length + this.flag[line]!;
  }

  /** The plain recomputation: what the view must show now. */
  truth(view: ViewName): Map<number, Group> {
    const groups = view === 'A2' || view === 'M' ? this.customers : PRIORITIES.length * FLAGS.length;
    const counts = new Float64Array(groups);
    const sums = new Float64Array(groups);
    const minima = new Float64Array(groups).fill(Infinity);
    for (let line = 0; line < this.lines; line++) {
      const group = this.groupOf(view, line);
      counts[group]!++;
      sums[group]! += view === 'A1' ? this.quantity[line]! : this.price[line]!;
      minima[group] = Math.min(minima[group]!, this.price[line]!);
    }
    const truth = new Map<number, Group>();
    const withMinimum = view === 'M' || view === 'M3';
    for (let group = 0; group < groups; group++) {
      if (counts[group] === 0) continue;
      truth.set(group, { count: counts[group]!, sum: sums[group]!, min: withMinimum ? minima[group] : undefined });
    }
    return truth;
  }
}

/** Throws where a view differs from the plain recomputation. */
export function compare(engine: string, view: ViewName, shown: ReadonlyMap<number, Group>, truth: ReadonlyMap<number, Group>): void {
  if (shown.size !== truth.size) throw new Error(`${engine} ${view}: ${shown.size} groups, expected ${truth.size}`);
  for (const [group, expected] of truth) {
    const seen = shown.get(group);
    if (seen?.count !== expected.count || seen.sum !== expected.sum || seen.min !== expected.min)
      throw new Error(`${engine} ${view}, group ${group}: ${JSON.stringify(seen)}, expected ${JSON.stringify(expected)}`);
  }
}
