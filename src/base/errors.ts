/**
 * The one list of error codes. `millraceError('CODE', facts)` makes the error; throw what it returns.
 * A code is never reused or renamed once released.
 */
import { raiserFor } from './errors/define.ts';
import { cliErrors } from './errors/cli.ts';
import { engineErrors } from './errors/engine.ts';
import { providerErrors } from './errors/provider.ts';
import { serverErrors } from './errors/server.ts';
import { sqlErrors } from './errors/sql.ts';
import { storeErrors } from './errors/store.ts';
import { upstreamErrors } from './errors/upstream.ts';

export { MillraceError, type PlainError } from './errors/define.ts';

export const errors = {
  ...upstreamErrors,
  ...storeErrors,
  ...sqlErrors,
  ...engineErrors,
  ...serverErrors,
  ...providerErrors,
  ...cliErrors,
};

export const millraceError = raiserFor(errors);

/** What a caught value says, whatever it is. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
