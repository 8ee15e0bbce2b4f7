/** A statement as others may see it (logs, millrace.sessions): the value of a secret is not told. Called by sessions and `serve --init`. */
export function redacted(statement: string): string {
  return statement.replace(/\b((?:CREATE|ALTER)\b.*?\bSECRET\b[^']*?\bAS\b\s*)\S.*$/is, `$1'********'`);
}
