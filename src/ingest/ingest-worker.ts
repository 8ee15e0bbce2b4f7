/** The ingest worker's entry: one source, one thread, so that no long step elsewhere can make the server drop us. Asked through `ingest-client.ts`. */
import { parentPort } from 'node:worker_threads';
import { must } from '../base/assert.ts';
import { serve } from '../base/rpc.ts';
import { Ingest } from './ingest.ts';
import type { IngestEvent, IngestMethods } from './protocol.ts';

const port = must(parentPort, 'a parent thread');
let ingest: Ingest | undefined;
const running = (): Ingest => must(ingest, 'start');

serve<IngestMethods>(port, {
  start: (params) => {
    ingest = new Ingest({ ...params, onStatus: (status) => port.postMessage({ event: 'status', status } satisfies IngestEvent) });
    return { committedOffset: ingest.writer.end };
  },
  addTables: async ({ tables }) => ({ snapshotLsn: await running().addTables(tables) }),
  removeTables: ({ oids }) => running().removeTables(oids),
  setConnection: ({ connection }) => running().setConnection(connection),
  askPosition: () => running().askPosition(),
  look: () => running().look(),
  status: () => running().status(),
  stop: ({ dropSlot }) => running().stop(dropSlot),
});
