/** Whether a write failed because the disk is full: said by the kernel, by LMDB's words, or by a short write of LMDB's, which it calls an I/O error. */
import { statfsSync } from 'node:fs';

const FULL = /ENOSPC|EDQUOT|No space left|Disk quota exceeded|MDB_MAP_FULL|database or disk is full/;
const IO = /EIO\b|Input\/output error/;
/** With less than this left, a write of a few pages comes to nothing or to a part. */
const FULL_BELOW_BYTES = 1 << 20;

export function isDiskFull(error: unknown, directory: string): boolean {
  if (!(error instanceof Error)) return false;
  const text = `${'code' in error ? String(error.code) : ''} ${error.message}`;
  return FULL.test(text) || (IO.test(text) && freeBytes(directory) < FULL_BELOW_BYTES);
}

/** Whether it is worth while to write again. */
export function hasSpace(directory: string): boolean {
  return freeBytes(directory) >= FULL_BELOW_BYTES;
}

function freeBytes(directory: string): number {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize;
  } catch {
    return Infinity;
  }
}
