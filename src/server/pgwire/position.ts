/**
 * Error positions count characters (code points) from the start of what the client sent, 1-based; a statement's own error counts from the statement's start. Called by `connection.ts` and
 * `extended.ts` around everything that the session does with one statement of a longer text.
 */
import { MillraceError } from '../../base/errors.ts';

/** How many characters stand in `text` before the UTF-16 index `end`. */
export function codePoints(text: string, end: number): number {
  let count = 0;
  for (let i = 0; i < end; count++) i += text.codePointAt(i)! > 0xffff ? 2 : 1;
  return count;
}

/** Runs `work`; a position in an error of it moves by `offset` characters. */
export async function withPositionOffset<T>(offset: number, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (offset > 0 && error instanceof MillraceError && error.position !== undefined) error.position += offset;
    throw error;
  }
}
