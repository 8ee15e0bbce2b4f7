import { defineErrors } from './define.ts';

/** Errors of the room: engine. */
export const engineErrors = defineErrors({});
