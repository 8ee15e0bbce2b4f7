import { defineErrors } from './define.ts';

/** Errors of the room: upstream. */
export const upstreamErrors = defineErrors({});
