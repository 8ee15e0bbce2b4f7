/**
 * A query beside the ticks: in a worker, over the rows of one tick. Views give theirs as they stand at it, in pieces, from where they lie (`view-cursor.ts`); tables are read
 * by the worker from the store and the log as of the same cut. At a tick that has passed (a transaction's) everything is made of tables. Called by `reads.ts`.
 */
import { limits } from '../../base/limits.ts';
import { Packer } from '../../dataflow/tables/given-rows.ts';
import { rewritten } from '../../plan/rewrite/rewrite.ts';
import { expanded, objectsRead } from '../../plan/scans.ts';
import type { Cut } from '../../store/log/transactions.ts';
import type { Column } from '../../values/type.ts';
import { liveView } from '../views/live-view.ts';
import type { NextBatches } from './open-results.ts';
import { refuseErrors } from './peeks.ts';
import type { PeekRequest } from '../contract/protocol.ts';
import type { QueryWorker } from './query-workers.ts';
import type { ReadParts } from './reads.ts';
import { ViewCursor } from './view-cursor.ts';

/** Given at once. */
const PACKED_BYTES = 1 << 20;

export interface Begun {
  readonly first: NextBatches;
  readonly at: Cut;
  readonly lsn: bigint;
}

interface Giving {
  readonly object: string;
  readonly columns: readonly Column[];
  readonly cursor: ViewCursor;
  readonly packer: Packer;
  readonly release: () => void;
}

/** `position`: of a tick that the query must be of; else it is the one at which the worker has time. */
export async function evaluatedBeside(
  worker: QueryWorker,
  parts: ReadParts,
  request: PeekRequest,
  position: Cut | undefined,
  interrupt: () => void,
): Promise<Begun> {
  const { queryId, timeoutMs, finish, format } = request;
  const { stepper, tables, views } = parts;
  parts.refuseFaults(request.plan);
  const plan = position === undefined ? request.plan : rewritten(expanded(request.plan, (id) => views.get(id)?.object.plan));
  const objects = objectsRead(plan);
  const read = objects.flatMap((id) => tables.get(id) ?? []);
  const rows =
    read.length === 0 ? undefined : await parts.rows.open(position ?? stepper.position, () => worker.rpc.call('openRows', { queryId }));
  const giving: Giving[] = [];
  try {
    interrupt();
    parts.refuseFaults(request.plan);
    // The tick: nothing is awaited until all cursors stand.
    const at = position ?? stepper.position;
    const { lsn } = stepper;
    for (const object of objects) if (!tables.has(object)) giving.push(begin(object, parts));
    for (const one of giving) await give(one, worker, parts, queryId, interrupt);
    const first = await worker.rpc.call('evaluate', {
      queryId,
      plan,
      finish,
      format,
      timeoutMs,
      at,
      tables: read.map(({ id, columns, upstream }) => ({ object: id, columns, key: upstream.key, upstream })),
      views: giving.map(({ object, columns }) => ({ object, columns })),
    });
    return { first, at, lsn };
  } finally {
    for (const { release } of giving) release();
    rows?.close();
  }
}

function begin(object: string, { dataflow, views }: ReadParts): Giving {
  const view = liveView(dataflow, object);
  refuseErrors(view.errors());
  const cursor = new ViewCursor(views.get(object)?.object.name ?? object, view.output, limits.readKeptBytesMax);
  return { object, columns: dataflow.columns(object), cursor, packer: new Packer(view.output.layout), release: view.observe(cursor) };
}

async function give(
  { object, cursor, packer }: Giving,
  worker: QueryWorker,
  { turns }: ReadParts,
  queryId: number,
  interrupt: () => void,
): Promise<void> {
  for (let isDone = false; !isDone;) {
    await turns.next();
    interrupt();
    const piece = turns.piece();
    isDone = cursor.read((space, row, weight) => {
      packer.add(space, row, weight);
      return packer.bytes < PACKED_BYTES && !piece.isOver();
    });
    if (packer.bytes < PACKED_BYTES && !isDone) continue;
    const packed = packer.take();
    await worker.rpc.call('give', { queryId, object, rows: packed }, [packed.words.buffer, packed.heap.buffer, packed.weights.buffer]);
  }
}
