import { defineErrors } from './define.ts';

/** Errors of the room: server. */
export const serverErrors = defineErrors({});
