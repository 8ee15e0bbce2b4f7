/** A thread that gives way to the process's others: what it computes nobody waits for who does not know. Linux alone has priorities of threads; elsewhere nothing happens. */
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { basename } from 'node:path';

/** A tenth of the CPU where two threads want the same. */
const NICE = 10;

export function giveWay(): void {
  try {
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), NICE);
  } catch {
    // Another system, or one without /proc.
  }
}
