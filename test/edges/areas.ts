/** The areas of edges, in the order in which they are run: one file each. */
import type { EdgeCase } from './edge.ts';
import { schema } from './schema.ts';
import { values } from './values.ts';

export const areas: Readonly<Record<string, readonly EdgeCase[]>> = { values, schema };
