/**
 * Rows by partition, each partition's in order: what top-k stands on, and whatever else is a function of a row's place among others.
 *
 *     a partition is a sequence S, positions counted with multiplicity; w rows come in at position r, making S':   S' = S[0, r) + the w rows + S[r, …)
 *     what they change is told as (sequence, r, w), always of the longer one: S' when they come, S when they go
 *     a function f of sequences says which positions it shows otherwise; it reads them there, and nothing else changes:
 *         top-k            what is pushed over a border of the window        (`topk.ts`)
 *         f that looks n rows back or ahead                [r − n, r + w + n)
 *         f of all rows in front (a row's number, a sum)   [r, …)
 *
 * Order: the sort keys, then all columns ascending, NULLs last, text by bytes, then identity; so a position is a function of the rows alone. Partitions are told apart by
 * equality. Input: consolidated by identity. A row whose sort or partition expression fails is an error.
 * State: each row once, in an ordered multiset a partition (`arrangement/ordered.ts`). Cost: O(log n) a changed row, and what f reads (I-7), never a rescan of the partition.
 */
import { assert } from '../../../base/assert.ts';
import { rowLayout, type RowLayout } from '../../../values/layout.ts';
import type { ErrorSink } from '../../../values/space.ts';
import { DeltaBlock } from '../../arrangement/delta-block.ts';
import { HashTable } from '../../arrangement/hash-table.ts';
import { totalOrder } from '../../arrangement/ordered-identity.ts';
import { WordPool } from '../../arrangement/ordered-pool.ts';
import { prefixOf, type PrefixFunction } from '../../arrangement/ordered-prefix.ts';
import { Ordered } from '../../arrangement/ordered.ts';
import { RowMemory } from '../../arrangement/row-memory.ts';
import { compileBlock } from '../../expression/compile-block.ts';
import type { BlockFunction, Evaluator, HashFunction, SameFunction } from '../../expression/contract.ts';
import { compileCompare, compileCopy, compileHash, compileSame, type RowSortKey } from '../../expression/rows.ts';
import { DataflowFault } from '../../fault.ts';
import type { Expression } from '../../../plan/expression.ts';
import type { SortKey } from '../../../plan/plan.ts';
import { Projection } from '../aggregate/functions/projection.ts';
import { copySlot } from '../aggregate/functions/slot.ts';

const STAGE_ROWS = 256;

/** Header of a partition's row; word 0 belongs to RowMemory. */
const ROOT = 1;
const HEADER_WORDS = 2;

/** The tie-break is by bytes in every database. */
const BY_BYTES = { name: 'C', provider: 'c', locale: 'C', deterministic: true } as const;

/** A function of sequences. */
export interface PartitionFunction {
  /** `size` rows, at `rank` of the sequence that has them, have come (sign 1) or go now (−1). */
  changes(sequence: number, rank: number, size: number, sign: 1 | -1): void;
  /** Of what it has visited, what it shows otherwise: rows that went are there until it returns. */
  show(output: DeltaBlock, errors: ErrorSink): void;
}

export class Partitions {
  /** Where the rows are that `range` visits: the input's columns first. */
  readonly rows: RowMemory;
  readonly #project: BlockFunction;
  /** Input columns, sort keys, canonical partition keys. */
  readonly #inner: DeltaBlock;
  readonly #inputRows = new Int32Array(STAGE_ROWS);

  readonly #partitions: RowMemory;
  readonly #partitionColumns: readonly number[];
  readonly #table = new HashTable();
  readonly #hash: HashFunction;
  readonly #hashPartition: HashFunction;
  readonly #same: SameFunction;

  readonly #pool = new WordPool();
  readonly #ordered: Ordered;
  readonly #prefix: PrefixFunction;
  /** Rows that left in this stage: freed when the function has shown it. */
  #left: number[] = [];

  constructor(partition: readonly Expression[], order: readonly SortKey[], input: RowLayout, evaluator: Evaluator | undefined) {
    const projection = new Projection();
    for (const [index, { type }] of input.columns.entries()) projection.add({ kind: 'column', index, type });
    const keys: RowSortKey[] = order.map(({ expression, descending, nullsFirst, collation }) => {
      return { column: projection.add(expression), descending, nullsFirst, collation };
    });
    for (const column of input.columns.keys()) keys.push({ column, descending: false, nullsFirst: false, collation: BY_BYTES });
    this.#partitionColumns = partition.map((key) => projection.addCanonical(key));
    const layout = rowLayout(projection.expressions.map((expression) => expression.type));
    this.#project = compileBlock({ inputs: [input], where: [], outputs: projection.expressions, output: layout }, evaluator);
    this.#inner = new DeltaBlock(layout);

    const partitionLayout = rowLayout(this.#partitionColumns.map((column) => layout.columns[column]!.type));
    const places = partition.map((_, index) => index);
    this.#partitions = new RowMemory(partitionLayout, HEADER_WORDS);
    this.#hash = compileHash(layout, this.#partitionColumns);
    this.#hashPartition = compileHash(partitionLayout, places);
    this.#same = compileSame(layout, this.#partitionColumns, partitionLayout, places);

    const rows = new RowMemory(layout, 1);
    const copy = compileCopy(layout);
    this.rows = rows;
    this.#ordered = new Ordered(this.#pool, {
      space: rows,
      compare: totalOrder(compileCompare(layout, keys), layout),
      store(space, row) {
        const address = rows.address(rows.allocate());
        copy(space, row, rows, address);
        return address;
      },
      release: (row) => void this.#left.push(row),
    });
    const first = keys[0];
    this.#prefix = first === undefined ? () => 0 : prefixOf(layout.columns[first.column]!, first);
  }

  step(input: DeltaBlock, what: PartitionFunction, output: DeltaBlock, errors: ErrorSink): void {
    const stride = input.stride;
    for (let from = 0; from < input.length; from += STAGE_ROWS) {
      const n = Math.min(STAGE_ROWS, input.length - from);
      for (let i = 0; i < n; i++) this.#inputRows[i] = (from + i) * stride;
      this.#inner.clear();
      const weights = from === 0 ? input.weights : input.weights.subarray(from);
      this.#project(input, this.#inputRows, input, this.#inputRows, weights, n, this.#inner, errors);
      for (let i = 0; i < this.#inner.length; i++) this.#apply(i * this.#inner.stride, this.#inner.weights[i]!, what);
      what.show(output, errors);
      for (const row of this.#left) this.rows.free((row - this.rows.headerWords) / this.rows.stride);
      this.#left = [];
    }
  }

  /** Visits, in order, the rows at positions from … to of a sequence, each with how many of its copies lie there. */
  range(sequence: number, from: number, to: number, visit: (row: number, copies: number) => void): void {
    this.#ordered.range(sequence, from, to, visit);
  }

  stateBytes(): number {
    return this.rows.bytes() + this.#pool.stateBytes() + this.#partitions.bytes() + this.#table.bytes();
  }

  /** One row of #inner comes (weight > 0) or goes. */
  #apply(row: number, weight: number, what: PartitionFunction): void {
    const partitions = this.#partitions;
    const id = this.#partitionOf(row, weight);
    const header = partitions.header(id);
    const before = partitions.words[header + ROOT]!;
    const prefix = this.#prefix(this.#inner, row);
    const rank = this.#ordered.rank(before, prefix, this.#inner, row);
    if (weight < 0) what.changes(before, rank, -weight, -1);
    const after = this.#ordered.change(before, prefix, this.#inner, row, weight);
    if (weight > 0) what.changes(after, rank, weight, 1);
    partitions.words[header + ROOT] = after;
    if (after === 0) this.#removePartition(id);
  }

  #partitionOf(row: number, weight: number): number {
    const partitions = this.#partitions;
    const table = this.#table;
    for (let id = table.find(this.#hash(this.#inner, row)); id !== 0; id = table.findNext()) {
      if (this.#same(this.#inner, row, partitions, partitions.address(id))) return id;
    }
    if (weight < 0) throw new DataflowFault('ABSENT_ROW', 'a row of a partition that is not there was retracted');
    const id = partitions.allocate();
    const address = partitions.address(id);
    this.#partitionColumns.forEach((from, column) => {
      copySlot(this.#inner, row, this.#inner.layout.columns[from]!, partitions, address, partitions.layout.columns[column]!);
    });
    table.insertHere(id);
    return id;
  }

  #removePartition(id: number): void {
    const hash = this.#hashPartition(this.#partitions, this.#partitions.address(id));
    assert(this.#table.takeOut(hash, id), 'a partition is in the table');
    this.#partitions.free(id);
  }
}
