/** What becomes of a source and its tables, as lines for who operates Millrace. Told by the coordinator, with each status of ingest. */
import type { PlainError } from '../../base/errors.ts';
import { spoken, type StateLog } from '../../base/state-log.ts';
import type { IngestStatus } from '../../ingest/protocol.ts';
import { withSource } from '../../catalog/mend.ts';
import { ident, qualified } from '../../base/ident.ts';

export function logSource(log: StateLog, name: string, status: IngestStatus, nowMs: number): void {
  const source = `source "${name}"`;
  const { state, error, nextAttemptAtMs } = status;
  if (state === 'streaming') {
    log.becomes(source, 'followed', 'info', (lastedMs) =>
      lastedMs === 0 ? `${source} is followed` : `${source} is followed again after ${spoken(lastedMs)}`,
    );
  } else if (state === 'copying' && error === null) {
    log.becomes(source, 'copying', 'info', () => `${source} is being copied`);
  } else if (error !== null && (state === 'retrying' || state === 'stopped')) {
    // One reason in several attempts is one state, and lasts from its first.
    const what = state === 'stopped' ? 'has stopped' : 'is lost';
    const again = nextAttemptAtMs === null ? '' : `; it is tried again by itself, in ${spoken(nextAttemptAtMs - nowMs)} first`;
    log.becomes(
      source,
      `${state} ${error.code}`,
      state === 'stopped' ? 'error' : 'warn',
      () => `${source} ${what}: ${said(error)}${again}`,
    );
  }
  for (const table of status.tables) {
    const subject = `table ${qualified(table.schema, table.name)} of ${source}`;
    if (table.state === 'faulty' && table.error !== null) {
      const reason = table.error;
      log.becomes(subject, `faulty ${reason.code}`, 'error', () => `${subject} has stopped: ${said(reason)}`);
    } else if (table.state === 'waiting' && table.error !== null) {
      const reason = table.error;
      log.becomes(
        subject,
        `refused ${reason.code}`,
        'warn',
        () => `${subject} cannot be copied now: ${said(reason)}; it is tried again by itself`,
      );
    } else if (table.state === 'live') log.becomes(subject, 'live', 'info', () => `${subject} is copied`, 'live');
  }
}

function said({ message, hint, code }: PlainError): string {
  return `${message} (${code})${hint === undefined ? '' : `; to mend it: ${hint}`}`;
}

/** Ingest knows the upstream, and not what the source is called here: the mends get its name, so that they can be run as they are printed. */
export function withNames(status: IngestStatus, source: string): IngestStatus {
  const named = (error: PlainError | null): PlainError | null => error && { ...error, hint: withSource(error.hint, ident(source)) };
  return { ...status, error: named(status.error), tables: status.tables.map((table) => ({ ...table, error: named(table.error) })) };
}
