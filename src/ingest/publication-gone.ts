/**
 * The stream has ended because the publication is missing: it still is, or it was made again. In that case changes are missing in between, and below 18 the server cannot
 * read its log past the place where there was none: the slot is of no use any more, and is dropped so that it holds no WAL (I-4).
 */
import { millraceError, type MillraceError } from '../base/errors.ts';
import { publicationMissing, readPublication } from '../upstream/catalog/publication.ts';
import type { UpstreamConnection } from '../upstream/connection/connect.ts';
import type { UpstreamTable } from '../upstream/table.ts';
import { dropOwnSlot } from './own-slot.ts';

export async function publicationGone(
  control: UpstreamConnection,
  publication: string,
  slot: string,
  tables: readonly UpstreamTable[],
): Promise<MillraceError> {
  const { database } = control.parameters;
  const missing = publicationMissing(publication, database, tables);
  try {
    if ((await readPublication(control, publication)) === undefined) return missing;
    await dropOwnSlot(control, slot);
    return millraceError('PUBLICATION_REMADE', { publication, database });
  } catch {
    // Not now: the next session looks again.
    return missing;
  }
}
