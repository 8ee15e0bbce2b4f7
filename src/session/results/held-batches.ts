/** A result that is in memory already, counted as what its session holds until it is read or given up. Called by `queries.ts`. */
import type { SessionMemory } from '../../base/client-memory.ts';
import type { MessageBatch } from '../../server/session.ts';

/** Throws when it is more than the session may hold. */
export function heldBatches(memory: SessionMemory, batches: readonly MessageBatch[]): AsyncIterable<MessageBatch> {
  const rest = [...batches];
  const bytesOf = (some: readonly MessageBatch[]): number => some.reduce((sum, { bytes }) => sum + bytes.length, 0);
  memory.take('results', bytesOf(rest));
  const iterator: AsyncIterableIterator<MessageBatch> = {
    [Symbol.asyncIterator]: () => iterator,
    next() {
      const batch = rest.shift();
      if (batch === undefined) return Promise.resolve({ done: true, value: undefined });
      memory.give('results', batch.bytes.length);
      return Promise.resolve({ done: false, value: batch });
    },
    return() {
      memory.give('results', bytesOf(rest.splice(0)));
      return Promise.resolve({ done: true, value: undefined });
    },
  };
  return iterator;
}
