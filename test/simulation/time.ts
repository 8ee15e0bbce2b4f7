/**
 * The engine's time, simulated: it passes when the engine looks at it (work takes time) and when a timer is due. What waits for a turn or a timer goes on only when the
 * schedule says so.
 */
import type { Time } from '../../src/engine/ticks/time.ts';
import type { Dice } from './dice.ts';

const FIRST_WALL_MS = 1_800_000_000_000;
/** A look passes this much at least: a microsecond. */
const LOOK_MS = 0.001;

interface Timer {
  readonly atMs: number;
  readonly resolve: () => void;
}

export class SimulatedTime implements Time {
  readonly #dice: Dice;
  /** How likely a look finds that several milliseconds have passed: a slow machine ends pieces, slices and ticks anywhere. */
  readonly #slowness: number;
  #nowMs: number;
  /** The system's clock against the other one. */
  skewMs = 0;
  readonly #turns: (() => void)[] = [];
  #timers: Timer[] = [];

  constructor(dice: Dice, slowness: number, nowMs: number) {
    this.#dice = dice;
    this.#slowness = slowness;
    this.#nowMs = nowMs;
  }

  /** Without looking: nothing passes. */
  get atMs(): number {
    return this.#nowMs;
  }

  get hasTurns(): boolean {
    return this.#turns.length > 0;
  }

  get hasTimers(): boolean {
    return this.#timers.length > 0;
  }

  nowMs(): number {
    this.#nowMs += this.#dice.chance(this.#slowness) ? 1 + this.#dice.below(12) : LOOK_MS;
    return this.#nowMs;
  }

  wallMs(): number {
    return Math.round(FIRST_WALL_MS + this.skewMs + this.nowMs());
  }

  threadMs(): number {
    return this.nowMs();
  }

  turn(): Promise<void> {
    return new Promise((resolve) => this.#turns.push(resolve));
  }

  sleep(ms: number, earlier?: Promise<unknown>): Promise<void> {
    return new Promise((resolve) => {
      const timer = { atMs: this.#nowMs + ms, resolve };
      this.#timers.push(timer);
      void earlier?.then(() => {
        this.#timers = this.#timers.filter((one) => one !== timer);
        resolve();
      });
    });
  }

  /** Whoever has waited longest goes on. */
  runTurn(): void {
    this.#turns.shift()?.();
  }

  /** To the first timer. */
  pass(): void {
    const first = this.#timers.reduce((least, timer) => (timer.atMs < least.atMs ? timer : least));
    this.#timers = this.#timers.filter((one) => one !== first);
    this.#nowMs = Math.max(this.#nowMs, first.atMs);
    first.resolve();
  }
}
