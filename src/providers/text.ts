/** Lines for an 80-column terminal: wrapping that keeps a copied command working, and colour where it is wanted. Used by `report.ts` and `plan-report.ts`. */
export const COLUMNS = 80;

export interface Style {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly green: (text: string) => string;
}

const same = (text: string): string => text;
export const plain: Style = { bold: same, dim: same, red: same, yellow: same, green: same };

const code =
  (on: number, off: number) =>
  (text: string): string =>
    `\u001B[${on}m${text}\u001B[${off}m`;
export const coloured: Style = { bold: code(1, 22), dim: code(2, 22), red: code(31, 39), yellow: code(33, 39), green: code(32, 39) };

interface Filling {
  /** Behind a line that goes on, and before the one that it goes on in. */
  readonly end?: string;
  readonly indent?: string;
  readonly endsLine?: (word: string) => boolean;
}

/** Words in lines. A word that is longer than a line stays whole. */
function filled(words: readonly string[], width: number, { end = '', indent = '', endsLine }: Filling = {}): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of words) {
    if (line !== '' && line.length + 1 + word.length > width - end.length) {
      lines.push(`${line}${end}`);
      line = `${indent}${word}`;
    } else line = line === '' ? word : `${line} ${word}`;
    if (endsLine?.(word) !== true) continue;
    lines.push(line);
    line = '';
  }
  return [...lines, line];
}

/** Prose: broken at spaces. */
export function wrapped(text: string, width: number): string[] {
  return text.split('\n').flatMap((paragraph) => filled(paragraph.split(' '), width));
}

/** A shell command: broken only between its words, with a backslash, so that it still runs when copied. */
export function wrappedCommand(text: string, width: number): string[] {
  return text.split('\n').flatMap((command) => {
    if (command.length <= width) return [command];
    const words = command.match(/(?:[^\s'"]|'[^']*'|"[^"]*")+/g) ?? [command];
    return filled(words, width, { end: ' \\', indent: '  ' });
  });
}

/** SQL: its trailing remark goes on a line of its own, statements and clauses break between words outside quotes. */
export function wrappedSql(text: string, width: number): string[] {
  return text.split('\n').flatMap((statement) => {
    const remark = /^(.*?;)\s+-- (.*)$/.exec(statement);
    if (remark !== null) return [...wrappedSql(remark[1]!, width), ...wrapped(remark[2]!, width - 3).map((line) => `-- ${line}`)];
    if (statement.length <= width) return [statement];
    const words = statement.match(/(?:[^\s'"]|'(?:[^']|'')*'|"(?:[^"]|"")*")+/g) ?? [statement];
    // A statement a line, where several stand together.
    return filled(words, width, { indent: '  ', endsLine: (word) => word.endsWith(';') }).filter((line) => line !== '');
  });
}

/** `label   text`, the text hanging. */
export function hanging(label: string, lines: readonly string[], indent: number, style: (text: string) => string = same): string[] {
  const pad = ' '.repeat(indent);
  return lines.map((line, i) => `${pad}${i === 0 ? style(label.padEnd(LABEL)) : ' '.repeat(LABEL)}${line}`);
}
export const LABEL = 9;
