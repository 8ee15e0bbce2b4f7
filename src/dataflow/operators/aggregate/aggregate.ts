/**
 * GROUP BY: one row a group, keys then aggregates; without keys exactly one row, also over no input.
 *
 *     δ(γ A) = Σ over groups that δA touches:  −row(group of A) + row(group of A + δA),  where the two differ
 *
 * Input: consolidated by identity (weight ≠ 0). Output: at most −old +new a touched group and step. A row whose key, argument or filter cannot be evaluated is an
 * error with its weight; a group whose aggregate cannot be shown (sum(int4) beyond bigint) is an error in place of its row, until it recovers.
 * A group shows one representative of its key: the value in the row that created the group, kept while the group lives; it retracts that very one.
 * State: per group a packed row (keys, canonical keys) behind a header (row count, accumulators), found by a hash of the canonical keys; see `aggregates/`.
 * Cost: one probe and O(1) an aggregate a changed row, O(log n) for min, max and sequences, whose results may be as long as the group (I-7). Touched groups are a list; nothing is as large as the largest step was.
 */
import { assert } from '../../../base/assert.ts';
import type { ValueFailure } from '../../../values/failure.ts';
import { rowLayout, type RowLayout } from '../../../values/layout.ts';
import type { ErrorSink } from '../../../values/space.ts';
import { DeltaBlock } from '../../arrangement/delta-block.ts';
import { HashTable } from '../../arrangement/hash-table.ts';
import { WordPool } from '../../arrangement/ordered-pool.ts';
import { RowMemory } from '../../arrangement/row-memory.ts';
import { compileBlock } from '../../expression/compile-block.ts';
import type { BlockFunction, CopyFunction, Evaluator, HashFunction, SameFunction } from '../../expression/contract.ts';
import { compileCopy, compileHash, compileSame } from '../../expression/rows.ts';
import { DataflowFault } from '../../fault.ts';
import type { Aggregate } from '../../../plan/plan.ts';
import type { Accumulator, Additions } from './functions/accumulator.ts';
import { keep, placeCall, type Kept } from './functions/calls.ts';
import { Projection } from './functions/projection.ts';
import { copySlot } from './functions/slot.ts';
import { GroupRenderer } from './aggregate-render.ts';
import type { Operator } from '../operator.ts';

/** Rows projected and probed at a time: enough independent loads in flight, few enough to stay cached. */
const STAGE_ROWS = 256;
/** From so many rows on (hydration) they go group by group. */
const BY_GROUP_ROWS_MIN = 16_384;
const BUCKET_BITS = 10;

// The header of a group's row; word 0 belongs to RowMemory.
/** 1 + place in the list of touched groups; 0 between steps. */
const TOUCHED = 1;
/** A double. */
const ROW_COUNT = 2;
const ACCUMULATORS = 4;

export class AggregateOperator implements Operator {
  readonly #oneRow: boolean;
  /** Without aggregates a group's row never changes: nothing to remember or compare. */
  readonly #keysOnly: boolean;
  readonly #project: BlockFunction;
  /** Keys, canonical keys and arguments of a block of input rows. */
  readonly #inner: DeltaBlock;
  readonly #groups: RowMemory;
  readonly #table = new HashTable();
  readonly #pool = new WordPool();
  readonly #kept: Kept;
  readonly #renderer: GroupRenderer;
  readonly #hash: HashFunction;
  readonly #same: SameFunction;
  readonly #hashGroup: HashFunction;
  /** Columns of #inner that a new group takes, by column of its row. */
  readonly #keyColumns: readonly number[];

  /** What touched groups showed before the step. */
  readonly #before: DeltaBlock;
  readonly #copyShown: CopyFunction;
  readonly #sameShown: SameFunction;
  readonly #failedBefore = new Map<number, ValueFailure>();
  #touched = new Int32Array(STAGE_ROWS);
  /** By place in #touched: address in #before, or −1: showed no row. */
  #shown = new Int32Array(STAGE_ROWS);
  #touchedCount = 0;

  readonly #additions: Additions;
  readonly #inputRows = new Int32Array(STAGE_ROWS);
  readonly #hashes = new Int32Array(STAGE_ROWS);
  readonly #headers = new Int32Array(STAGE_ROWS);
  /** Accumulators that want to be told of groups before they come. */
  readonly #touches: readonly Accumulator[];

  /** `oneRow`: there is always exactly one row. (DISTINCT of no columns has no keys either, and no row over no input.) */
  constructor(plan: Aggregate, input: RowLayout, evaluator: Evaluator | undefined, oneRow: boolean = plan.keys.length === 0) {
    this.#oneRow = oneRow;
    this.#keysOnly = plan.aggregates.length === 0;
    const projection = new Projection();
    const shown = plan.keys.map((key) => projection.add(key));
    const canonical = plan.keys.map((key) => projection.addCanonical(key));
    const calls = plan.aggregates.map((call) => placeCall(call, projection));
    const innerLayout = rowLayout(projection.expressions.map((expression) => expression.type));
    this.#project = compileBlock({ inputs: [input], where: [], outputs: projection.expressions, output: innerLayout }, evaluator);
    this.#inner = new DeltaBlock(innerLayout);

    // A key that is its own canonical form is kept once.
    this.#keyColumns = [...shown, ...canonical.filter((column, i) => column !== shown[i])];
    const groupLayout = rowLayout(this.#keyColumns.map((column) => innerLayout.columns[column]!.type));
    const canonicalPlaces = canonical.map((column, i) => (column === shown[i] ? i : this.#keyColumns.indexOf(column, shown.length)));
    this.#kept = keep(calls, innerLayout, this.#pool, ACCUMULATORS, ROW_COUNT);
    this.#touches = this.#kept.accumulators.filter((accumulator) => 'touch' in accumulator);
    this.#groups = new RowMemory(groupLayout, this.#kept.headerWords);
    this.#hash = compileHash(innerLayout, canonical);
    this.#hashGroup = compileHash(groupLayout, canonicalPlaces);
    this.#same = compileSame(innerLayout, canonical, groupLayout, canonicalPlaces);

    const outputLayout = rowLayout(plan.columns.map((column) => column.type));
    const all = outputLayout.columns.map((_, index) => index);
    this.#renderer = new GroupRenderer(this.#groups, this.#kept.results, plan.keys.length, outputLayout);
    this.#before = new DeltaBlock(outputLayout);
    this.#copyShown = compileCopy(outputLayout);
    this.#sameShown = compileSame(outputLayout, all, outputLayout, all);

    const rows = Int32Array.from({ length: STAGE_ROWS }, (_, i) => i * this.#inner.stride);
    this.#additions = {
      space: this.#inner,
      rows,
      weights: this.#inner.weights,
      n: 0,
      states: this.#groups,
      groups: new Int32Array(STAGE_ROWS),
      ids: new Int32Array(STAGE_ROWS),
    };
  }

  start(output: DeltaBlock, errors: ErrorSink): void {
    if (!this.#oneRow) return;
    this.#table.find(this.#hashGroup(this.#groups, 0));
    const id = this.#groups.allocate();
    this.#table.insertHere(id);
    const failure = this.#renderer.render(id, output);
    if (failure !== undefined) errors.add(failure.sqlstate, failure.message, 1);
  }

  step(input: DeltaBlock, output: DeltaBlock, errors: ErrorSink): void {
    const byGroup = input.length >= BY_GROUP_ROWS_MIN;
    const stride = input.stride;
    this.#inner.clear();
    for (let from = 0; from < input.length; from += STAGE_ROWS) {
      const n = Math.min(STAGE_ROWS, input.length - from);
      const rows = this.#inputRows;
      for (let i = 0; i < n; i++) rows[i] = (from + i) * stride;
      const weights = from === 0 ? input.weights : input.weights.subarray(from);
      this.#project(input, rows, input, rows, weights, n, this.#inner, errors);
      if (byGroup) continue;
      this.#addStage(this.#additions.rows, this.#inner.weights, this.#inner.length);
      this.#inner.clear();
    }
    if (byGroup) this.#addByGroup();
    this.#emit(output, errors);
  }

  stateBytes(): number {
    let bytes = this.#groups.bytes() + this.#table.bytes() + this.#pool.stateBytes();
    for (const accumulator of this.#kept.accumulators) bytes += accumulator.stateBytes();
    return bytes;
  }

  /** All of #inner, in the order of the keys' hashes: a group's state (an ordered multiset of thousands) is cached when its next row comes. Equal keys keep their order. */
  #addByGroup(): void {
    const { length, stride, weights } = this.#inner;
    const hashes = new Int32Array(length);
    const ends = new Int32Array(1 << BUCKET_BITS);
    const bucket = (row: number): number => hashes[row]! >>> (32 - BUCKET_BITS);
    for (let row = 0; row < length; row++) {
      hashes[row] = this.#hash(this.#inner, row * stride);
      ends[bucket(row)]!++;
    }
    for (let i = 1; i < ends.length; i++) ends[i]! += ends[i - 1]!;
    const rows = new Int32Array(length);
    const sorted = new Int32Array(length);
    for (let row = length - 1; row >= 0; row--) {
      const place = --ends[bucket(row)]!;
      rows[place] = row * stride;
      sorted[place] = weights[row]!;
    }
    const straight = this.#additions.rows;
    for (let from = 0; from < length; from += STAGE_ROWS) {
      const to = Math.min(length, from + STAGE_ROWS);
      this.#addStage(rows.subarray(from, to), sorted.subarray(from, to), to - from);
    }
    this.#additions.rows = straight;
    this.#inner.release();
  }

  /** Rows of #inner, by address, into their groups. */
  #addStage(rows: Int32Array, weights: Int32Array, n: number): void {
    const inner = this.#inner;
    const groups = this.#groups;
    const additions = this.#additions;
    additions.rows = rows;
    const hashes = this.#hashes;
    for (let i = 0; i < n; i++) hashes[i] = this.#hash(inner, rows[i]!);
    if (n > 1) {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += this.#table.touch(hashes[i]!);
      for (let i = 0; i < n; i++) additions.ids[i] = this.#table.find(hashes[i]!);
      // The header's start and the keys behind it: a group takes two cache lines.
      for (let i = 0; i < n; i++) {
        const id = additions.ids[i]!;
        sum += groups.words[groups.header(id)]! + groups.words[groups.address(id)]!;
      }
      touchedWords[0] = sum | 0;
    } else additions.ids[0] = this.#table.find(hashes[0]!);
    const firstTouched = this.#touchedCount;
    for (let i = 0; i < n; i++) {
      let id = additions.ids[i]!;
      if (id === 0 || !this.#same(inner, rows[i]!, groups, groups.address(id)))
        id = this.#find(rows[i]!, hashes[i]!) || this.#create(rows[i]!, weights[i]!);
      additions.ids[i] = id;
      additions.groups[i] = groups.header(id);
      if (groups.words[groups.header(id) + TOUCHED] === 0) this.#touch(id);
    }
    additions.weights = weights;
    additions.n = n;
    this.#touchAhead(firstTouched);
    for (let place = firstTouched; place < this.#touchedCount; place++) this.#remember(place);
    for (let i = 0; i < n; i++) groups.doubles[(additions.groups[i]! + ROW_COUNT) >> 1]! += weights[i]!;
    for (const accumulator of this.#kept.accumulators) accumulator.add(additions);
  }

  /** Only groups that this step has not met before. */
  #touchAhead(firstTouched: number): void {
    const n = this.#touchedCount - firstTouched;
    if (n < 2 || this.#touches.length === 0) return;
    const groups = this.#groups;
    const headers = this.#headers;
    for (let i = 0; i < n; i++) headers[i] = groups.header(this.#touched[firstTouched + i]!);
    for (const accumulator of this.#touches) accumulator.touch!(groups, headers, n);
  }

  #find(row: number, hash: number): number {
    const table = this.#table;
    const groups = this.#groups;
    for (let id = table.find(hash); id !== 0; id = table.findNext()) {
      if (this.#same(this.#inner, row, groups, groups.address(id))) return id;
    }
    return 0;
  }

  /** Right after #find found nothing. */
  #create(row: number, weight: number): number {
    if (weight < 0) throw new DataflowFault('ABSENT_ROW', 'a row of a group that is not there was retracted');
    const groups = this.#groups;
    const id = groups.allocate();
    const address = groups.address(id);
    this.#keyColumns.forEach((from, column) => {
      copySlot(this.#inner, row, this.#inner.layout.columns[from]!, groups, address, groups.layout.columns[column]!);
    });
    this.#table.insertHere(id);
    return id;
  }

  #touch(id: number): void {
    if (this.#touchedCount === this.#touched.length) {
      this.#touched = grown(this.#touched);
      this.#shown = grown(this.#shown);
    }
    this.#touched[this.#touchedCount++] = id;
    this.#groups.words[this.#groups.header(id) + TOUCHED] = this.#touchedCount;
  }

  /** Keeps what a group shows before its first change of the step. */
  #remember(place: number): void {
    const groups = this.#groups;
    const id = this.#touched[place]!;
    this.#shown[place] = -1;
    const isNew = groups.doubles[(groups.header(id) + ROW_COUNT) >> 1] === 0;
    if (isNew && !this.#oneRow) return;
    if (this.#keysOnly) {
      this.#shown[place] = 0;
      return;
    }
    const failure = this.#renderer.render(id, this.#before);
    if (failure === undefined) this.#shown[place] = this.#before.rowAddress(this.#before.length - 1);
    else this.#failedBefore.set(place, failure);
  }

  #emit(output: DeltaBlock, errors: ErrorSink): void {
    const groups = this.#groups;
    const count = this.#touchedCount;
    for (let place = 0; place < count; place++) {
      const id = this.#touched[place]!;
      const header = groups.header(id);
      groups.words[header + TOUCHED] = 0;
      const rows = groups.doubles[(header + ROW_COUNT) >> 1]!;
      if (rows < 0) throw new DataflowFault('ABSENT_ROW', 'more rows were retracted from a group than it has');
      const old = this.#shown[place]!;
      const gone = rows === 0 && !this.#oneRow;
      if (this.#keysOnly) {
        if (old >= 0 === gone) this.#renderer.render(id, output, gone ? -1 : 1);
        if (gone) this.#remove(id);
        continue;
      }
      if (old >= 0) this.#copyShown(this.#before, old, output, output.push(-1));
      const failedBefore = this.#failedBefore.size === 0 ? undefined : this.#failedBefore.get(place);
      if (gone) {
        if (failedBefore !== undefined) errors.add(failedBefore.sqlstate, failedBefore.message, -1);
        this.#remove(id);
        continue;
      }
      const failure = this.#renderer.render(id, output);
      if (failure?.message !== failedBefore?.message) {
        if (failedBefore !== undefined) errors.add(failedBefore.sqlstate, failedBefore.message, -1);
        if (failure !== undefined) errors.add(failure.sqlstate, failure.message, 1);
      }
      if (failure === undefined && old >= 0 && this.#sameShown(this.#before, old, output, output.rowAddress(output.length - 1))) {
        output.pop();
        output.pop();
      }
    }
    this.#touchedCount = 0;
    this.#failedBefore.clear();
    this.#before.clear();
    if (this.#touched.length > TOUCHED_KEPT_MAX) {
      this.#touched = new Int32Array(STAGE_ROWS);
      this.#shown = new Int32Array(STAGE_ROWS);
    }
  }

  #remove(id: number): void {
    const hash = this.#hashGroup(this.#groups, this.#groups.address(id));
    assert(this.#table.takeOut(hash, id), 'a group is in the table');
    this.#groups.free(id);
  }
}

/** Somewhere for touching loops to write, so that they are not optimised away. */
const touchedWords = new Int32Array(1);

/** A larger list is given back after the step that needed it. */
const TOUCHED_KEPT_MAX = 1 << 16;

function grown(list: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(list.length * 2);
  larger.set(list);
  return larger;
}
