/**
 * Flat bytes that grow: small ones are copied, from 1 MiB on a `WebAssembly.Memory` grows in place (no copy, lazily committed, at most 4 GiB).
 * So an empty view costs kilobytes, a large one no pause. Whoever holds a view on `buffer` makes it anew when `ensure` returned true.
 * Called by `row-memory.ts` and `row-index.ts` only.
 */
import { DataflowFault } from '../fault.ts';

const PAGE_BYTES = 65_536;
const PAGES_MAX = 65_536;
/** Where copying stops paying; also what a WebAssembly.Memory starts with, twice. */
const COPIED_BYTES_MAX = 1 << 20;
/** Growth doubles up to this step: a call costs 2 ms, so large memories grow in large steps. */
const GROWTH_PAGES_MAX = 1_024;

export class FlatMemory {
  buffer: ArrayBuffer;
  #wasm: WebAssembly.Memory | undefined;

  constructor(bytesInitial: number) {
    this.buffer = new ArrayBuffer(bytesInitial);
  }

  /** Makes room for `bytes` in all; true when `buffer` was replaced. Throws MEMORY_EXHAUSTED, and then nothing has changed. */
  ensure(bytes: number): boolean {
    const have = this.buffer.byteLength;
    if (bytes <= have) return false;
    if (this.#wasm === undefined && bytes <= COPIED_BYTES_MAX) {
      let size = have;
      while (size < bytes) size *= 2;
      const grown = new ArrayBuffer(size);
      new Uint8Array(grown).set(new Uint8Array(this.buffer));
      this.buffer = grown;
      return true;
    }
    const pages = Math.ceil(bytes / PAGE_BYTES);
    if (pages > PAGES_MAX) throw new DataflowFault('MEMORY_EXHAUSTED', `an arrangement needs more than 4 GiB (${bytes} bytes)`);
    try {
      if (this.#wasm === undefined) {
        const wasm = new WebAssembly.Memory({ initial: Math.max(pages, (2 * COPIED_BYTES_MAX) / PAGE_BYTES), maximum: PAGES_MAX });
        new Uint8Array(wasm.buffer).set(new Uint8Array(this.buffer));
        this.#wasm = wasm;
      } else {
        const now = have / PAGE_BYTES;
        this.#wasm.grow(Math.min(PAGES_MAX - now, Math.max(pages - now, Math.min(now, GROWTH_PAGES_MAX))));
      }
    } catch {
      throw new DataflowFault('MEMORY_EXHAUSTED', `no memory for an arrangement of ${bytes} bytes`);
    }
    this.buffer = this.#wasm.buffer;
    return true;
  }
}
