/** Errors of the room: store. */
import { literal } from '../ident.ts';
import { defineErrors, of } from './define.ts';

export const storeErrors = defineErrors({
  DATA_DIRECTORY_IN_USE: of<{ directory: string }>({
    sqlstate: '55006',
    says: ({ directory }) => `data directory "${directory}" is in use by another Millrace process`,
    because: 'Two processes that write one log would each acknowledge what the other overwrites.',
    mend: ({ directory }) => `Stop the other process, or give this one a directory of its own: millrace serve --data ${directory}-2`,
  }),
  DATA_DIRECTORY_FORMAT: of<{ directory: string; found: string; expected: number }>({
    sqlstate: '58030',
    says: ({ directory, found, expected }) =>
      `data directory "${directory}" has format ${found}, this version of Millrace reads format ${expected}`,
    because: 'Reading another format by guess could lose or double rows.',
    mend: ({ directory }) =>
      `Run the version of Millrace that made "${directory}", or start afresh in an empty directory: the rows are copied again from the upstream.`,
  }),
  DATA_DIRECTORY_FOREIGN: of<{ directory: string }>({
    sqlstate: '58030',
    says: ({ directory }) => `directory "${directory}" is not empty and was not made by Millrace`,
    because: 'Millrace never writes among files that it does not know.',
    mend: ({ directory }) => `Name an empty or new directory: millrace serve --data ${directory}/millrace`,
  }),
  DATA_DIRECTORY_PERMISSIONS: of<{ directory: string; mode: string }>({
    sqlstate: '42501',
    says: ({ directory, mode }) => `data directory "${directory}" has permissions ${mode}: others can read it`,
    because: 'The directory holds rows and secrets of the upstream database.',
    mend: ({ directory }) => `chmod 700 ${literal(directory)}`,
  }),
  LOG_DAMAGED: of<{ file: string; offset: number; reason: string }>({
    sqlstate: 'XX001',
    says: ({ file, offset, reason }) => `the log is damaged in "${file}" at offset ${offset}: ${reason}`,
    because: 'What was acknowledged to the upstream is no longer readable, and the upstream will not send it again.',
    mend: () => 'Check the disk; then start with an empty data directory: the tables are copied again from the upstream.',
  }),
  LOG_GONE: {
    sqlstate: 'XX000',
    says: ({ offset, oldest }: { offset: number; oldest: number }) => `the log begins at offset ${oldest}, offset ${offset} was asked for`,
    because: 'A segment is deleted once it is folded and nobody has pinned it.',
    mend: () => 'Restart Millrace; if it comes again, report it.',
  },
  LOG_DISK_FULL: of<{ directory: string }>({
    sqlstate: '53100',
    says: ({ directory }) => `no space left on the device of "${directory}": receiving has stopped, reads go on`,
    because: 'Nothing is acknowledged that is not on disk, so the upstream keeps its WAL meanwhile.',
    mend: ({ directory }) => `Free space on the device of "${directory}" (df -h ${literal(directory)}); receiving goes on by itself.`,
  }),
  LOG_SYNC_FAILED: {
    sqlstate: '58030',
    says: ({ directory, reason }: { directory: string; reason: string }) => `could not sync the log in "${directory}": ${reason}`,
    because:
      'After a failed fsync the kernel may have dropped the data while it says that all is well, so going on would acknowledge what is lost.',
    mend: () => 'Check the disk (dmesg), then restart Millrace: it reads back what is really on disk and asks the upstream for the rest.',
  },
  CATALOG_DISK_FULL: of<{ directory: string }>({
    sqlstate: '53100',
    says: ({ directory }) => `no space left on the device of "${directory}": nothing can be defined or changed now`,
    because: 'What a statement defines is on disk before it counts, and so is how far time may go on; reads are answered meanwhile.',
    mend: ({ directory }) => `Free space on the device of "${directory}" (df -h ${literal(directory)}), then run the statement again.`,
  }),
  ROWS_DISK_FULL: {
    sqlstate: '53100',
    says: ({ reason }: { reason: string }) => `no space left for the row store: ${reason}`,
    because: 'The rows are folded from the log, which is kept until then: receiving and views go on, disk use grows.',
    mend: () => 'Free space on the device of the data directory (df -h); the fold goes on by itself.',
  },
  TABLE_ROWS_INCONSISTENT: of<{ table: string; reason: string }>({
    sqlstate: 'XX001',
    says: ({ table, reason }) => `the stored rows of table ${table} contradict the stream: ${reason}`,
    because: 'A row that is changed must be there; if it is not, something was lost, and the table is stopped rather than shown wrong.',
    mend: ({ table }) => `Drop the table from its source and add it again: it is copied afresh (${table}).`,
  }),
  TABLE_NOT_READABLE: {
    sqlstate: '55000',
    says: ({ table, state }: { table: string; state: string }) => `the rows of table ${table} cannot be read yet: ${state}`,
    because: "A table's rows are readable once its copy is complete.",
    mend: () => 'Wait until the copy is complete: SELECT * FROM millrace.sources;',
  },
});
