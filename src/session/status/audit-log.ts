/** What an audit found, as a line for who operates Millrace: a view that differs, one that cannot be compared, and when it is well again. Names and numbers, never values of rows. */
import type { AuditResult } from '../../audit/audit.ts';
import type { StateLog } from '../../base/state-log.ts';

type Found = Pick<AuditResult, 'view' | 'lsn' | 'state' | 'rows' | 'differences'>;

export function logAudit(log: StateLog, { view, lsn, state, rows, differences }: Found): void {
  const subject = `audit of view "${view}"`;
  if (state === 'different')
    // Others of the same view are news: not every audit is asked for by who reads the log.
    log.becomes(
      subject,
      `different ${lsn} ${differences}`,
      'error',
      () =>
        `view "${view}" differs from the upstream at LSN ${lsn}: ${differences} difference${differences === 1 ? '' : 's'} in ${rows} rows; AUDIT VIEW shows which. This is a fault of Millrace: please report it`,
    );
  else if (state === 'equal')
    log.becomes(
      subject,
      'equal',
      'info',
      (lastedMs) => (lastedMs === 0 ? undefined : `view "${view}" equals the upstream again at LSN ${lsn}`),
      'equal',
    );
}
