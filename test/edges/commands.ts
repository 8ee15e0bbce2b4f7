/** The commands as a person meets them: what they change, what they leave behind, how they end. */
import { demo } from './commands-demo.ts';
import type { EdgeCase } from './edge.ts';
import { setupEdges } from './commands-setup.ts';
import { usage } from './commands-usage.ts';

export const commands: readonly EdgeCase[] = [...setupEdges, ...usage, ...demo];
