/**
 * ORDER BY … LIMIT … OFFSET, a partition at a time: the rows at positions offset … offset + limit of the partition's order.
 *
 *     W = sequence[offset, offset + limit)        w rows come in at position r of a sequence S, making S':   (s = max(r, offset), e = offset + limit)
 *     δW = + S'[s, min(s + w, e))  −  S'[max(s + w, e), e + w)
 *
 * and backwards when they go: what is pushed over a border of the window, and nothing else, changes. Order: the sort keys, then all columns ascending, NULLs last, text by
 * bytes, then identity; so the window is a function of the rows alone. Input: consolidated by identity. A row whose sort or partition expression fails is an error.
 * Output: not consolidated within a step. State: each row once, in an ordered multiset a partition (`arrangement/ordered.ts`).
 * Cost: O(log n + changed output) a change (I-7), never a rescan of the partition.
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
import type { TopK } from '../../../plan/plan.ts';
import { Projection } from '../aggregate/functions/calls.ts';
import { copySlot } from '../aggregate/functions/slot.ts';
import type { Operator } from '../operator.ts';

const STAGE_ROWS = 256;

/** Header of a partition's row; word 0 belongs to RowMemory. */
const ROOT = 1;
const HEADER_WORDS = 2;

/** The tie-break is by bytes in every database. */
const BY_BYTES = { name: 'C', provider: 'c', locale: 'C', deterministic: true } as const;

export class TopKOperator implements Operator {
  readonly #from: number;
  /** Infinity: no limit. */
  readonly #to: number;
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

  readonly #rows: RowMemory;
  readonly #pool = new WordPool();
  readonly #ordered: Ordered;
  readonly #prefix: PrefixFunction;
  /** Rows that left in this stage: freed when the output has them. */
  #left: number[] = [];

  /** Window changes of a stage: addresses in #rows, and weights. */
  #changedRows = new Int32Array(STAGE_ROWS);
  #changedWeights = new Int32Array(STAGE_ROWS);
  #changed = 0;
  readonly #show: BlockFunction;
  #sign = 1;
  readonly #visit = (row: number, copies: number): void => this.#change(row, this.#sign * copies);

  constructor(plan: TopK, input: RowLayout, evaluator: Evaluator | undefined) {
    assert(plan.offset >= 0 && (plan.limit === null || plan.limit >= 0), 'OFFSET and LIMIT are not negative');
    this.#from = plan.offset;
    this.#to = plan.limit === null ? Infinity : plan.offset + plan.limit;

    const projection = new Projection();
    const columns = input.columns.map(({ type }, index) => ({ kind: 'column', index, type }) as const);
    for (const column of columns) projection.add(column);
    const keys: RowSortKey[] = plan.order.map(({ expression, descending, nullsFirst, collation }) => {
      return { column: projection.add(expression), descending, nullsFirst, collation };
    });
    for (const column of columns.keys()) keys.push({ column, descending: false, nullsFirst: false, collation: BY_BYTES });
    const partition = plan.partition.map((key) => projection.addCanonical(key));
    const layout = rowLayout(projection.expressions.map((expression) => expression.type));
    this.#project = compileBlock({ inputs: [input], where: [], outputs: projection.expressions, output: layout }, evaluator);
    this.#inner = new DeltaBlock(layout);

    this.#partitionColumns = partition;
    const partitionLayout = rowLayout(partition.map((column) => layout.columns[column]!.type));
    const places = partition.map((_, index) => index);
    this.#partitions = new RowMemory(partitionLayout, HEADER_WORDS);
    this.#hash = compileHash(layout, partition);
    this.#hashPartition = compileHash(partitionLayout, places);
    this.#same = compileSame(layout, partition, partitionLayout, places);

    const rows = new RowMemory(layout, 1);
    const copy = compileCopy(layout);
    this.#rows = rows;
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
    const output = rowLayout(plan.columns.map((column) => column.type));
    this.#show = compileBlock({ inputs: [layout], where: [], outputs: columns, output });
  }

  step(input: DeltaBlock, output: DeltaBlock, errors: ErrorSink): void {
    const stride = input.stride;
    for (let from = 0; from < input.length; from += STAGE_ROWS) {
      const n = Math.min(STAGE_ROWS, input.length - from);
      for (let i = 0; i < n; i++) this.#inputRows[i] = (from + i) * stride;
      this.#inner.clear();
      const weights = from === 0 ? input.weights : input.weights.subarray(from);
      this.#project(input, this.#inputRows, input, this.#inputRows, weights, n, this.#inner, errors);
      for (let i = 0; i < this.#inner.length; i++) this.#apply(i * this.#inner.stride, this.#inner.weights[i]!);
      this.#show(this.#rows, this.#changedRows, this.#rows, this.#changedRows, this.#changedWeights, this.#changed, output, errors);
      this.#changed = 0;
      for (const row of this.#left) this.#rows.free((row - this.#rows.headerWords) / this.#rows.stride);
      this.#left = [];
    }
  }

  stateBytes(): number {
    return this.#rows.bytes() + this.#pool.stateBytes() + this.#partitions.bytes() + this.#table.bytes();
  }

  /** One row of #inner comes (weight > 0) or goes. */
  #apply(row: number, weight: number): void {
    const partitions = this.#partitions;
    const id = this.#partitionOf(row, weight);
    const header = partitions.header(id);
    const before = partitions.words[header + ROOT]!;
    const prefix = this.#prefix(this.#inner, row);
    const size = Math.abs(weight);
    // The law speaks of the longer of the two sequences: the one after an arrival, the one before a departure.
    const rank = this.#ordered.rank(before, prefix, this.#inner, row);
    if (weight < 0) this.#moveWindow(before, rank, size, -1);
    const after = this.#ordered.change(before, prefix, this.#inner, row, weight);
    if (weight > 0) this.#moveWindow(after, rank, size, 1);
    partitions.words[header + ROOT] = after;
    if (after === 0) this.#removePartition(id);
  }

  #moveWindow(longer: number, rank: number, size: number, sign: number): void {
    const start = Math.max(rank, this.#from);
    if (start >= this.#to) return;
    this.#sign = sign;
    this.#ordered.range(longer, start, Math.min(start + size, this.#to), this.#visit);
    if (this.#to === Infinity) return;
    this.#sign = -sign;
    this.#ordered.range(longer, Math.max(start + size, this.#to), this.#to + size, this.#visit);
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

  #change(row: number, weight: number): void {
    if (this.#changed === this.#changedRows.length) {
      const length = this.#changed * 2;
      this.#changedRows = enlarged(this.#changedRows, length);
      this.#changedWeights = enlarged(this.#changedWeights, length);
    }
    this.#changedRows[this.#changed] = row;
    this.#changedWeights[this.#changed++] = weight;
  }
}

function enlarged(list: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(length);
  larger.set(list);
  return larger;
}
