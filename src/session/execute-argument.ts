/** What sessions need of a statement's text: its first words, and an EXECUTE argument's bytes. Pure. */

/** `CREATE MATERIALIZED VIEW`: for a message. */
export function firstWords(text: string): string {
  return text.slice(0, 200).trim().split(/\s+/, 2).join(' ').toUpperCase();
}

/** An EXECUTE argument: a string, number, NULL, true or false, as Bind would bring it. */
export function argumentBytes(argument: string): Uint8Array | null {
  if (/^null$/i.test(argument)) return null;
  const quoted = /^'((?:[^']|'')*)'$/s.exec(argument);
  return Buffer.from(quoted === null ? argument : quoted[1]!.replaceAll("''", "'"));
}
