/**
 * A result on its way to the client: rows in the pieces that the client asks for (Execute's row limit), COPY as a whole. The next batch is taken when the socket has
 * room, never earlier (I-6). Called by `connection.ts` (simple query: everything at once) and `extended.ts` (portals).
 */
import type { Result, MessageBatch } from '../session.ts';
import { commandComplete, copyDone, copyOutResponse, noticeResponse, parameterStatus, portalSuspended } from './backend.ts';
import type { Output } from './output.ts';
import { bytesOfRows } from '../../wire/data-row.ts';

export class RunningResult {
  readonly #result: Result;
  readonly #interrupt: () => void;
  readonly #batches: AsyncIterator<MessageBatch> | undefined;
  /** The rest of a batch that a row limit has cut. */
  #rest: MessageBatch | undefined;
  #finished = false;
  #started = false;
  #isSuspended = false;

  /** `interrupt` throws when the statement is to end: asked before each batch, because a cancelled session may have its next batch ready. */
  constructor(result: Result, interrupt: () => void) {
    this.#result = result;
    this.#interrupt = interrupt;
    this.#batches = result.body.kind === 'none' ? undefined : result.body.batches[Symbol.asyncIterator]();
  }

  /** Whether it has run to its end; a finished result of rows may be asked again, and has none. */
  get finished(): boolean {
    return this.#finished;
  }

  get deallocates(): Result['deallocates'] {
    return this.#result.deallocates;
  }

  get kind(): Result['body']['kind'] {
    return this.#result.body.kind;
  }

  announce(output: Output): void {
    if (this.#started) return;
    this.#started = true;
    for (const notice of this.#result.notices) output.push(noticeResponse(notice));
    if (this.#result.body.kind === 'copy') output.push(copyOutResponse(this.#result.body.columnCount));
  }

  /** Sends up to `rowsMax` rows (0: all), then CommandComplete or PortalSuspended. A COPY knows no row limit. */
  async send(output: Output, rowsMax: number): Promise<void> {
    if (this.#isSuspended) this.#suspend(false);
    this.announce(output);
    const copy = this.kind === 'copy';
    const { rows, suspended } = await this.#sendRows(output, copy ? 0 : rowsMax);
    if (suspended) {
      this.#suspend(true);
      output.push(portalSuspended);
      return;
    }
    if (copy) output.push(copyDone);
    for (const [name, value] of this.#result.parameters ?? []) output.push(parameterStatus(name, value));
    output.push(commandComplete(this.#result.tag(rows)));
  }

  /** Gives up what was not fetched. */
  async close(): Promise<void> {
    this.#rest = undefined;
    if (this.#finished) return;
    this.#finished = true;
    await this.#batches?.return?.();
  }

  async #sendRows(output: Output, rowsMax: number): Promise<{ rows: number; suspended: boolean }> {
    let rows = 0;
    while (!this.#finished) {
      this.#interrupt();
      const batch = this.#rest ?? (await this.#next());
      this.#rest = undefined;
      if (batch === undefined) break;
      const wanted = rowsMax === 0 ? batch.rows : Math.min(batch.rows, rowsMax - rows);
      const cut = wanted === batch.rows ? batch.bytes.length : bytesOfRows(batch.bytes, wanted);
      if (cut < batch.bytes.length) this.#rest = { bytes: batch.bytes.subarray(cut), rows: batch.rows - wanted };
      await output.write(batch.bytes.subarray(0, cut));
      rows += wanted;
      // Exactly the limit reads as suspended, even when nothing follows: so does Postgres, which does not look ahead.
      if (rowsMax > 0 && rows === rowsMax) return { rows, suspended: true };
    }
    return { rows, suspended: false };
  }

  #suspend(isSuspended: boolean): void {
    this.#isSuspended = isSuspended;
    this.#result.suspended?.(isSuspended);
  }

  async #next(): Promise<MessageBatch | undefined> {
    const next = await this.#batches?.next();
    if (next !== undefined && next.done !== true) return next.value;
    this.#finished = true;
    return undefined;
  }
}
