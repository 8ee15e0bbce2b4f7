/** The areas of edges, in the order in which they are run: one file each. */
import type { EdgeCase } from './edge.ts';
import { clients } from './clients.ts';
import { commands } from './commands.ts';
import { comparisons } from './comparisons.ts';
import { fullDisk } from './full-disk.ts';
import { mends } from './mends.ts';
import { neighbours } from './neighbours.ts';
import { queries } from './queries.ts';
import { schema } from './schema.ts';
import { serving } from './serving.ts';
import { states } from './states.ts';
import { status } from './status.ts';
import { values } from './values.ts';

export const areas: Readonly<Record<string, readonly EdgeCase[]>> = {
  values,
  queries,
  schema,
  serving,
  neighbours,
  clients,
  status,
  states,
  mends,
  commands,
  comparisons,
  fullDisk,
};
