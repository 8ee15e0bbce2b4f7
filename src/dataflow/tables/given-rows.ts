/**
 * Rows that come packed from another thread, as they stood there at one tick: whole blocks of a layout that both sides make of the same columns. Read by a query that is
 * computed beside the live state. Called by `dataflow.ts`; made by whoever ships them (`packed`).
 */
import { AssertionError } from '../../base/assert.ts';
import { rowLayout, type RowLayout } from '../../values/layout.ts';
import type { Column } from '../../values/type.ts';
import { DeltaBlock } from '../arrangement/delta-block.ts';
import { compileCopy } from '../expression/rows.ts';
import { compileBlock } from '../expression/compile-block.ts';
import type { BlockFunction } from '../expression/contract.ts';
import { DataflowFault } from '../fault.ts';
import type { TableSource } from '../graph/sources.ts';
import { rowAddresses } from '../operators/row-addresses.ts';
import { columnRef } from '../../plan/columns.ts';
import type { RowSource } from './tuple-source.ts';
import type { RowSpace } from '../../values/space.ts';

export interface PackedRows {
  readonly words: Int32Array<ArrayBuffer>;
  readonly heap: Uint8Array<ArrayBuffer>;
  readonly weights: Int32Array<ArrayBuffer>;
}

/** Gathers rows of one layout, to be shipped a block at a time. */
export class Packer {
  readonly #block: DeltaBlock;
  readonly #copy: ReturnType<typeof compileCopy>;

  constructor(layout: RowLayout) {
    this.#block = new DeltaBlock(layout);
    this.#copy = compileCopy(layout);
  }

  get bytes(): number {
    return this.#block.usedBytes;
  }

  add(space: RowSpace, row: number, weight: number): void {
    this.#copy(space, row, this.#block, this.#block.push(weight));
  }

  /** What was gathered, in memory of its own. */
  take(): PackedRows {
    const packed = this.#block.packed();
    this.#block.clear();
    return packed;
  }
}

export function givenRows(columns: readonly Column[], picked: readonly number[], blocks: readonly PackedRows[]): TableSource {
  const whole = rowLayout(columns.map(({ type }) => type));
  const layout = rowLayout(picked.map((position) => columns[position]!.type));
  const outputs = picked.map((position) => columnRef(position, columns[position]!.type));
  const pick = compileBlock({ inputs: [whole], where: [], outputs, output: layout });
  return { columns: picked, layout, delta: new DeltaBlock(layout), rows: () => new PackedSource(whole, blocks, pick) };
}

function readOnly(): never {
  throw new AssertionError('packed rows are only read');
}

const infallible = {
  add(sqlstate: string, message: string): never {
    throw new DataflowFault('WRONG_VERDICT', `copying a column failed (${sqlstate} ${message})`);
  },
};

class PackedSource implements RowSource {
  readonly #layout: RowLayout;
  readonly #blocks: readonly PackedRows[];
  readonly #pick: BlockFunction;
  #block = 0;
  #row = 0;

  constructor(layout: RowLayout, blocks: readonly PackedRows[], pick: BlockFunction) {
    this.#layout = layout;
    this.#blocks = blocks;
    this.#pick = pick;
  }

  read(_from: number, rowsMax: number, block: DeltaBlock): number {
    const packed = this.#blocks[this.#block];
    if (packed === undefined) return 0;
    const { words, heap, weights } = packed;
    const space: RowSpace = { words, doubles: new Float64Array(words.buffer), heap, allocateHeap: readOnly };
    const end = Math.min(weights.length, this.#row + rowsMax);
    const rows = rowAddresses(this.#layout.words, end).subarray(this.#row, end);
    this.#pick(space, rows, space, rows, weights.subarray(this.#row, end), rows.length, block, infallible);
    this.#row = end;
    if (end === weights.length) {
      this.#block++;
      this.#row = 0;
    }
    return this.#block < this.#blocks.length ? 1 : 0;
  }
}
