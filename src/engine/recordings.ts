/**
 * What an audit compares: a view's contents at exactly an LSN that is not known yet (DESIGN 5: it records, and holds nothing).
 *
 *     contents(L) = contents at the beginning + Σ deltas of transactions whose commit record starts before L
 *
 * While a recording is open the engine steps transaction by transaction and each view's deltas are kept by commit LSN, bounded in bytes.
 */
import { must } from '../base/assert.ts';
import { millraceError } from '../base/errors.ts';
import type { Lsn } from '../base/lsn.ts';
import { Arrangement } from '../dataflow/arrangement/arrangement.ts';
import { DeltaBlock } from '../dataflow/arrangement/delta-block.ts';
import type { Listener } from '../dataflow/graph/view-graph.ts';
import type { CopyFunction } from '../dataflow/expression/contract.ts';
import { compileCopy } from '../dataflow/expression/rows.ts';
import { rowsIn } from '../wire/data-row.ts';
import { RowEncoder } from './encode.ts';
import type { LiveView } from './live-view.ts';

const RECORDED_BYTES_MAX = 512 << 20;
const CHUNK_ROWS = 4096;

interface RecordedView {
  readonly view: LiveView;
  readonly listener: Listener;
  readonly contents: Arrangement;
  readonly copy: CopyFunction;
  readonly deltas: { readonly commitLsn: Lsn; readonly delta: DeltaBlock }[];
  bytes: number;
}

export class Recordings {
  readonly #open = new Map<number, Map<string, RecordedView>>();

  get active(): boolean {
    return this.#open.size > 0;
  }

  begin(id: number, views: readonly LiveView[]): void {
    this.#open.set(id, new Map(views.map((view) => [view.object, recorded(view)])));
  }

  /** After each transaction. */
  transaction(commitLsn: Lsn): void {
    for (const views of this.#open.values()) {
      for (const record of views.values()) {
        const delta = record.listener.delta();
        if (delta.length > 0) {
          const kept = new DeltaBlock(delta.layout);
          for (let i = 0; i < delta.length; i++) record.copy(delta, i * delta.stride, kept, kept.push(delta.weights[i]!));
          record.deltas.push({ commitLsn, delta: kept });
          record.bytes += kept.length * kept.stride * 4;
        }
        record.listener.clear();
      }
    }
  }

  /** Consumes the recording of that view: its contents roll forward to `lsn`. */
  contentsAt(id: number, object: string, lsn: Lsn): (string | null)[][] {
    const record = must(must(this.#open.get(id), `recording ${id}`).get(object), `recorded view ${object}`);
    if (record.bytes > RECORDED_BYTES_MAX) throw millraceError('QUERY_TOO_LARGE', { bytesMax: RECORDED_BYTES_MAX });
    for (const { commitLsn, delta } of record.deltas) if (commitLsn < lsn) record.contents.apply(delta);
    record.deltas.length = 0;
    return asClientsReceive(record.contents, record.view.columnCount);
  }

  end(id: number): void {
    for (const record of this.#open.get(id)?.values() ?? []) record.listener.close();
    this.#open.delete(id);
  }
}

/** What the encoder makes for clients, read again: an audit that compared anything else would not see its faults. */
function asClientsReceive(contents: Arrangement, columnCount: number): (string | null)[][] {
  const columns = Array.from({ length: columnCount }, (_, index) => index);
  const encoder = new RowEncoder(contents.layout, columns, { kind: 'dataRow', formats: [] }, Infinity);
  const rows: (string | null)[][] = [];
  const read = (): void => {
    for (const { bytes } of encoder.take())
      for (const fields of rowsIn(bytes)) rows.push(fields.map((field) => field?.toString('utf8') ?? null));
  };
  contents.forEach((_, row, weight) => {
    encoder.add(contents.memory, row, weight);
    if (encoder.batches.length > 0) read();
  });
  read();
  return rows;
}

function recorded(view: LiveView): RecordedView {
  const contents = Arrangement.counted(view.output.layout);
  const chunk = new DeltaBlock(view.output.layout);
  for (let next = 1; next !== 0;) {
    next = view.output.read(next, CHUNK_ROWS, chunk);
    contents.apply(chunk);
    chunk.clear();
  }
  return { view, listener: view.listen(), contents, copy: compileCopy(view.output.layout), deltas: [], bytes: 0 };
}
