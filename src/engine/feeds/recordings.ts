/**
 * What an audit compares: a view's contents at exactly an LSN that is not known yet (it records, and holds nothing).
 *
 *     contents(L) = contents at the beginning + Σ deltas of transactions whose commit record starts before L
 *
 * While a recording is open the engine steps transaction by transaction and each view's deltas are kept by commit LSN, bounded in bytes. The contents are copied, rolled
 * forward and encoded a piece a turn; what they are compared as is what the encoder makes for clients. A recording that fails says so when it is read, and disturbs
 * nobody (I-8).
 */
import { must } from '../../base/assert.ts';
import { millraceError } from '../../base/errors.ts';
import type { Lsn } from '../../base/lsn.ts';
import { Arrangement } from '../../dataflow/arrangement/arrangement.ts';
import { DeltaBlock } from '../../dataflow/arrangement/delta-block.ts';
import type { Listener } from '../../dataflow/graph/observer.ts';
import type { CopyFunction } from '../../dataflow/expression/contract.ts';
import { compileCopy } from '../../dataflow/expression/rows.ts';
import { rowsIn } from '../../wire/data-row.ts';
import { RowEncoder } from './encode.ts';
import type { LiveView } from '../views/live-view.ts';
import type { Turns } from '../ticks/turns.ts';
import { ViewCursor } from '../reads/view-cursor.ts';

const RECORDED_BYTES_MAX = 512 << 20;
/** Copied and applied at once; a piece looks at the time behind each. */
const CHUNK_ROWS = 512;
const BATCHES_BYTES_MAX = 256 << 10;

interface RecordedView {
  readonly view: LiveView;
  readonly listener: Listener;
  readonly contents: Arrangement;
  readonly copy: CopyFunction;
  /** Resolves when the contents at the beginning are here, or with what went wrong. */
  readonly copied: Promise<unknown>;
  readonly deltas: { readonly commitLsn: Lsn; readonly delta: DeltaBlock }[];
  bytes: number;
  failure: unknown;
  isOpen: boolean;
}

export class Recordings {
  readonly #turns: Turns;
  readonly #open = new Map<number, Map<string, RecordedView>>();

  constructor(turns: Turns) {
    this.#turns = turns;
  }

  get active(): boolean {
    return this.#open.size > 0;
  }

  begin(id: number, views: readonly LiveView[]): void {
    this.#open.set(id, new Map(views.map((view) => [view.object, this.#begin(view)])));
  }

  /** After each transaction. Never throws: the tick is everybody's. */
  transaction(commitLsn: Lsn): void {
    for (const views of this.#open.values()) {
      for (const record of views.values()) {
        if (record.failure !== undefined) continue;
        try {
          recordDelta(record, commitLsn);
        } catch (error) {
          record.failure = error;
          record.deltas.length = 0;
        }
      }
    }
  }

  /** Consumes the recording of that view: its contents roll forward to `lsn`. */
  async contentsAt(id: number, object: string, lsn: Lsn): Promise<(string | null)[][]> {
    const record = must(must(this.#open.get(id), `recording ${id}`).get(object), `recorded view ${object}`);
    const copyFailure = await record.copied;
    const failure = record.failure ?? record.listener.failure ?? copyFailure;
    if (failure !== undefined) throw failure;
    record.listener.close();
    for (const { commitLsn, delta } of record.deltas) {
      if (commitLsn >= lsn) continue;
      await this.#turns.next();
      record.contents.apply(delta);
    }
    record.deltas.length = 0;
    return this.#asClientsReceive(record);
  }

  end(id: number): void {
    for (const record of this.#open.get(id)?.values() ?? []) {
      record.isOpen = false;
      record.listener.close();
    }
    this.#open.delete(id);
  }

  #begin(view: LiveView): RecordedView {
    const cursor = new ViewCursor(view.object, view.output, RECORDED_BYTES_MAX);
    const stop = view.observe(cursor);
    const contents = Arrangement.counted(view.output.layout);
    const copied = (): Promise<unknown> =>
      this.#copy(record, cursor)
        .then(
          () => undefined,
          (error: unknown) => error,
        )
        .finally(stop);
    const record: RecordedView = {
      view,
      listener: view.listen(),
      contents,
      copy: compileCopy(contents.layout),
      copied: Promise.resolve().then(copied),
      deltas: [],
      bytes: 0,
      failure: undefined,
      isOpen: true,
    };
    return record;
  }

  /** The rows of the tick at which the recording began. */
  async #copy(record: RecordedView, cursor: ViewCursor): Promise<void> {
    const { copy } = record;
    const chunk = new DeltaBlock(record.contents.layout);
    for (let isWhole = false; !isWhole;) {
      await this.#turns.next();
      if (!record.isOpen) return;
      const piece = this.#turns.piece();
      do {
        isWhole = cursor.read((space, row, weight) => {
          copy(space, row, chunk, chunk.push(weight));
          return chunk.length < CHUNK_ROWS && !piece.isOver();
        });
        record.contents.apply(chunk);
        chunk.clear();
      } while (!isWhole && !piece.isOver(true));
    }
  }

  /** What the encoder makes for clients, read again: an audit that compared anything else would not see its faults. */
  async #asClientsReceive({ contents, view }: RecordedView): Promise<(string | null)[][]> {
    const columns = Array.from({ length: view.columnCount }, (_, index) => index);
    const encoder = new RowEncoder(contents.layout, columns, { kind: 'dataRow', formats: [] });
    const cursor = new ViewCursor(view.object, contents, 0);
    const rows: (string | null)[][] = [];
    for (let isWhole = false; !isWhole;) {
      await this.#turns.next();
      const piece = this.#turns.piece();
      isWhole = cursor.read((space, row, weight) => {
        encoder.add(space, row, weight);
        return encoder.bytes < BATCHES_BYTES_MAX && !piece.isOver();
      });
      for (const { bytes } of encoder.take())
        for (const fields of rowsIn(bytes)) rows.push(fields.map((field) => field?.toString('utf8') ?? null));
    }
    return rows;
  }
}

function recordDelta(record: RecordedView, commitLsn: Lsn): void {
  const delta = record.listener.delta();
  if (delta.length === 0) return record.listener.clear();
  const kept = new DeltaBlock(delta.layout);
  for (let i = 0; i < delta.length; i++) record.copy(delta, i * delta.stride, kept, kept.push(delta.weights[i]!));
  record.listener.clear();
  record.deltas.push({ commitLsn, delta: kept });
  record.bytes += kept.stateBytes();
  if (record.bytes > RECORDED_BYTES_MAX) throw millraceError('QUERY_TOO_LARGE', { bytesMax: RECORDED_BYTES_MAX });
}
