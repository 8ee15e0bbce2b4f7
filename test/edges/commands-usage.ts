import type { EdgeCase } from './edge.ts';
export const usage: readonly EdgeCase[] = [];
