import { defineErrors } from './define.ts';

/** Errors of the room: provider. */
export const providerErrors = defineErrors({});
