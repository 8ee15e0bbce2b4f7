import type { EdgeCase } from './edge.ts';
export const demo: readonly EdgeCase[] = [];
