/**
 * Postgres's own error, passed on as it is: its SQLSTATE, words, detail, hint and position (I-5). The position counts characters from 1 in the text that
 * PGlite saw; `prefix` (what we wrote in front of the user's text) is subtracted, and a position inside it is dropped.
 */
import { MillraceError } from '../base/errors.ts';
import type { Complaint } from './messages.ts';

export function postgresError(complaint: Complaint, prefix = ''): MillraceError {
  // Its parser's own stack is full: no error of syntax.
  const sqlstate = complaint.message.startsWith('memory exhausted at or near') ? '54001' : complaint.sqlstate;
  const error = new MillraceError('POSTGRES_REFUSES', sqlstate, complaint.message, {
    detail: complaint.detail,
    hint: complaint.hint,
  });
  if (complaint.position !== undefined) {
    const position = complaint.position - Array.from(prefix).length;
    if (position > 0) error.position = position;
  }
  return error;
}
