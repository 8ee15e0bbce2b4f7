/**
 * Packed rows into bytes for a client: DataRow messages (text or binary format by column) or CopyData lines. One encoder a query, subscription or audit, and no other
 * way to a client: what an audit compares is what this makes. The engine worker encodes, so that the main thread only moves bytes.
 */
import { baseOid, codecOf, type Codec } from '../../values/codec.ts';
import type { RowLayout } from '../../values/layout.ts';
import type { RowSpace } from '../../values/space.ts';
import { INLINE_BYTES_MAX, readTextBytes } from '../../values/text.ts';
import { ByteWriter } from '../../wire/bytes.ts';
import { CopyTextEncoder, DataRowEncoder } from '../../wire/data-row.ts';
import { binaryEncoderOf, type BinaryEncoder } from '../../wire/binary.ts';
import type { RowFormat } from '../contract/protocol.ts';

/** A batch is handed over when it reaches this. */
const BATCH_BYTES = 64 << 10;
const KEPT_BYTES_MAX = 1 << 20;

interface ShownColumn {
  readonly offset: number;
  readonly nullWord: number;
  readonly nullBit: number;
  readonly codec: Codec;
  /** Bytes are in the slot or heap as they are: copied, not decoded. */
  readonly text: boolean;
  readonly binary: BinaryEncoder | undefined;
}

export interface Batch {
  bytes: Uint8Array;
  rows: number;
}

export class RowEncoder {
  readonly #columns: readonly ShownColumn[];
  readonly #format: RowFormat;
  #out = new ByteWriter();
  #dataRow: DataRowEncoder;
  #copyText: CopyTextEncoder;
  /** For a text that lies inside its slot; a longer one is copied from where it lies. */
  readonly #inline = new Uint8Array(INLINE_BYTES_MAX);
  #rows = 0;
  #batches: Batch[] = [];
  #batchesBytes = 0;

  /** `project`: positions in the layout, in the order shown. */
  constructor(layout: RowLayout, project: readonly number[], format: RowFormat) {
    this.#format = format;
    this.#dataRow = new DataRowEncoder(this.#out);
    this.#copyText = new CopyTextEncoder(this.#out);
    this.#columns = project.map((index, position) => {
      const column = layout.columns[index]!;
      const binary = format.kind === 'dataRow' && formatAt(format.formats, position) === 1;
      return {
        offset: column.offset,
        nullWord: column.nullWord,
        nullBit: column.nullBit,
        codec: codecOf(column.type),
        text: column.storage === 'text',
        binary: binary ? binaryEncoderOf(baseOid(column.type), column.storage) : undefined,
      };
    });
  }

  /** `leading`: values in front of the row's own (a SUBSCRIBE's timestamp and diff), as text. */
  add(space: RowSpace, row: number, times: number, leading: readonly (string | null)[] = []): void {
    for (let i = 0; i < times; i++) {
      if (this.#format.kind === 'copyText') this.#addCopyText(space, row, leading);
      else this.#addDataRow(space, row, leading);
      this.#rows++;
      if (this.#out.length >= BATCH_BYTES) this.#flush();
    }
  }

  /** A row of which only the leading values are known (a progress mark): the others are NULL. */
  addNulls(leading: readonly (string | null)[]): void {
    const columns = this.#columns.length;
    const encoder = this.#format.kind === 'copyText' ? this.#copyText : this.#dataRow;
    encoder.begin(leading.length + columns);
    for (const value of leading)
      if (value === null) encoder.null();
      else encoder.utf8(value);
    for (let i = 0; i < columns; i++) encoder.null();
    encoder.end();
    this.#rows++;
  }

  /** What `take` would hand over. */
  get bytes(): number {
    return this.#batchesBytes + this.#out.length;
  }

  /** Hands over what was encoded so far, and begins anew. */
  take(): Batch[] {
    this.#flush();
    const batches = this.#batches;
    this.#batches = [];
    this.#batchesBytes = 0;
    return batches;
  }

  /** Ends the batch under way. */
  #flush(): void {
    if (this.#rows === 0) return;
    // A copy with a buffer of its own: it is moved to another thread.
    this.#batches.push({ bytes: new Uint8Array(this.#out.view()), rows: this.#rows });
    this.#batchesBytes += this.#out.length;
    // One long row does not hold memory for ever.
    if (this.#out.bytes.length > KEPT_BYTES_MAX) this.#out.release();
    this.#out.length = 0;
    this.#rows = 0;
  }

  #addDataRow(space: RowSpace, row: number, leading: readonly (string | null)[]): void {
    const encoder = this.#dataRow;
    encoder.begin(leading.length + this.#columns.length);
    for (const value of leading) {
      if (value === null) encoder.null();
      else encoder.utf8(value);
    }
    for (const column of this.#columns) {
      if ((space.words[row + column.nullWord]! & column.nullBit) !== 0) encoder.null();
      else if (column.binary !== undefined) column.binary(space, row + column.offset, this.#out, column.codec);
      else if (column.text) this.#text(encoder, space, row + column.offset);
      else encoder.utf8(column.codec.format(column.codec.read(space, row + column.offset)));
    }
    encoder.end();
  }

  #addCopyText(space: RowSpace, row: number, leading: readonly (string | null)[]): void {
    const encoder = this.#copyText;
    encoder.begin();
    for (const value of leading) {
      if (value === null) encoder.null();
      else encoder.utf8(value);
    }
    for (const column of this.#columns) {
      if ((space.words[row + column.nullWord]! & column.nullBit) !== 0) encoder.null();
      else if (column.text) this.#text(encoder, space, row + column.offset);
      else encoder.utf8(column.codec.format(column.codec.read(space, row + column.offset)));
    }
    encoder.end();
  }

  /** The bytes of a text slot, handed to the encoder from where they are: nothing in between that could be another value's. */
  #text(encoder: DataRowEncoder | CopyTextEncoder, { words, heap }: RowSpace, at: number): void {
    const length = words[at]!;
    if (length > INLINE_BYTES_MAX) {
      const start = words[at + 2]! >>> 0;
      encoder.text(heap, start, start + length);
    } else encoder.text(this.#inline, 0, readTextBytes(words, heap, at, this.#inline, 0));
  }
}

/** As in Bind: none = all text, one = for all, else one a column. */
function formatAt(formats: readonly number[], position: number): number {
  return formats.length === 0 ? 0 : formats.length === 1 ? formats[0]! : (formats[position] ?? 0);
}
