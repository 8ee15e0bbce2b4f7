import { defineErrors } from './define.ts';

/** Errors of the room: sql. */
export const sqlErrors = defineErrors({});
