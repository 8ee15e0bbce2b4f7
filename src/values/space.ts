/**
 * The memory that packed rows live in: words (rows) and heap (long values), both flat and growable in place
 * (`WebAssembly.Memory`: no copy on growth; lazily committed). The contract between generated code and whoever owns rows.
 *
 * `words`, `doubles` and `heap` are *replaced* when the memory grows: code reads them afresh after any call that may allocate
 * (`allocateHeap`, `DeltaBlock.push`), and never keeps them across such a call.
 */
export interface RowSpace {
  words: Int32Array;
  doubles: Float64Array;
  /** UTF-8 bytes of text longer than 12 bytes and of long numerics. */
  heap: Uint8Array;
  /** Returns the byte offset (a multiple of 8) of `bytes` free bytes; may replace `heap`. */
  allocateHeap(bytes: number): number;
}

/** A RowSpace to which rows are appended, each with a weight; emptied after every step. Owned by one operator or source. */
export interface RowSink extends RowSpace {
  /** Appends a row with all words zero, returns its word address. May replace the views. */
  push(weight: number): number;
  /** Takes the last pushed row back (an expression failed half-way, a filter said no). */
  pop(): void;
}

/** Evaluation errors as data: a multiset of (code, message) with weights, retractable like rows. */
export interface ErrorSink {
  /** `sqlstate` and `message` as Postgres words them, e.g. 22012 `division by zero`. */
  add(sqlstate: string, message: string, weight: number): void;
}
