/** A subscription as others see it, from its start until the client has it no longer: `millrace.subscriptions`. Made by sessions. */
import type { MessageBatch } from '../server/session.ts';

export class OpenSubscription {
  /** The engine's number of it. */
  readonly id: number;
  readonly query: string;
  /** Undefined: a query of its own. */
  readonly objectName: string | undefined;
  readonly startedAt = new Date();
  rowsSent = 0;

  constructor(id: number, query: string, objectName: string | undefined) {
    this.id = id;
    this.query = query;
    this.objectName = objectName;
  }

  async *counted(batches: AsyncIterable<MessageBatch>, ended: () => void): AsyncGenerator<MessageBatch, void> {
    try {
      for await (const batch of batches) {
        this.rowsSent += batch.rows;
        yield batch;
      }
    } finally {
      ended();
    }
  }
}
