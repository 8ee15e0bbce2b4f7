/**
 * Deletes segments that are folded, flushed, and needed by nobody. Called by the fold worker alone. Keeps I-1: rows leave the log only for the row store.
 *
 * Oldest first, the directory synced after each, so that a crash never leaves a gap. The segment behind must have a synced header, so that what is left
 * always says where the log stands.
 */
import type { Disk } from '../disk.ts';
import { failpoint } from '../failpoints.ts';
import { listSegments, segmentPath } from './segment.ts';

/** `needed`: the lowest offset that the fold, a copy under way or a pin still needs. Returns how many files went. */
export function deleteSegments(disk: Disk, directory: string, needed: number, syncedOffset: number): number {
  const starts = listSegments(disk, directory);
  let deleted = 0;
  for (let i = 0; i + 1 < starts.length; i++) {
    const next = starts[i + 1]!;
    if (next > needed || next >= syncedOffset) break;
    failpoint('segment-deletion');
    disk.unlink(segmentPath(directory, starts[i]!));
    disk.syncDirectory(directory);
    deleted++;
  }
  return deleted;
}
