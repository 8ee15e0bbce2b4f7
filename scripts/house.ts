/**
 * What a machine can say about the house beyond imports: names that only tests use, files that a thread imports though another's, functions that are long.
 * Read from the text as `npm run format` leaves it. Used by `test/tidy.test.ts` (the law) and `scripts/check.ts` (the lists).
 */
import { filesUnder, imports, isTest, textOf } from './imports.ts';

/** A name in a file, as `path:line name`. */
export interface Place {
  readonly path: string;
  readonly line: number;
  readonly name: string;
}

export const LINES_OF_FUNCTION_MAX = 80;

/** Called by a library, by the names that it gives them (pg's Submittable). */
const CALLED_FROM_OUTSIDE = new Set(['submit', 'handleError', 'handleCommandComplete', 'handleReadyForQuery']);

/** Where tests put faults in: a death at a named place, equal hashes of different rows. */
const SEAMS = new Set(['armFailpoint', 'withContentHash']);

const EXPORT = /^export (?:declare )?(?:async )?(?:abstract )?(?:function\*?|class|const|let|interface|type) (\w+)/;
const METHOD = /^ {2}(?:static )?(?:async )?(?:get |\*)?(\w+)(?:<[^(]*>)?\(/;

/** Without comments, so that a name which is only spoken of counts as unused. */
function codeOf(path: string): string {
  return textOf(path)
    .replaceAll(/\/\*[\s\S]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, ' '))
    .replaceAll(/(^|\s)\/\/.*$/gm, '$1');
}

/** Exported names and methods of classes that no code but tests mentions, their own declaration aside. */
export function namesOnlyTestsUse(): Place[] {
  const product = filesUnder('src', '.ts', '.tsx').filter((path) => !isTest(path));
  const others = [...filesUnder('bin', '.js'), ...filesUnder('scripts', '.ts'), ...filesUnder('bench', '.ts')];
  const counts = new Map<string, number>();
  const codes = new Map([...product, ...others].map((path) => [path, codeOf(path)]));
  for (const code of codes.values()) for (const [word] of code.matchAll(/\w+/g)) counts.set(word, (counts.get(word) ?? 0) + 1);
  const found: Place[] = [];
  for (const path of product) {
    let isClass = false;
    for (const [i, line] of codes.get(path)!.split('\n').entries()) {
      if (/^\S/.test(line)) isClass = /^(?:export )?(?:abstract )?class /.test(line);
      const name = EXPORT.exec(line)?.[1] ?? (isClass ? METHOD.exec(line)?.[1] : undefined);
      if (name !== undefined && name !== 'constructor' && !CALLED_FROM_OUTSIDE.has(name) && !SEAMS.has(name) && counts.get(name) === 1)
        found.push({ path, line: i + 1, name });
    }
  }
  return found;
}

const WORKER = /startWorker\(\s*import\.meta\.url,\s*'(\.{1,2}\/[^']+)'/;
const FUNCTION = /^( *)(?:.*\bfunction\b.*|.*=> |(?!.*\b(?:if|for|while|switch|catch|else|class|interface|with)\b).*\).*)\{$/;

export interface Long extends Place {
  readonly lines: number;
  /** What stands in its comment behind `Long: `. */
  readonly reason: string | undefined;
}

/** Functions of more than `linesMax` lines, the longest first; of nested ones the inner. */
export function longFunctions(linesMax = LINES_OF_FUNCTION_MAX): Long[] {
  const found: Long[] = [];
  for (const path of filesUnder('src', '.ts', '.tsx').filter((file) => !isTest(file))) {
    const lines = textOf(path).split('\n');
    for (const [start, line] of lines.entries()) {
      const indent = FUNCTION.exec(line)?.[1];
      if (indent === undefined) continue;
      // A branch of a conditional expression closes below its first letter, not below its sign.
      const close = `${indent}${/^ *[?:] /.test(line) ? '  ' : ''}}`;
      let end = start + 1;
      while (end < lines.length && !lines[end]!.startsWith(close)) end++;
      if (end - start + 1 <= linesMax) continue;
      const first = headOf(lines, start, indent);
      const above = lines.slice(Math.max(0, first - 8), first).join(' ');
      const reason = /Long: ([^.*]+)/.exec(above.slice(above.lastIndexOf('/**')))?.[1]?.trim();
      found.push({ path, line: first + 1, name: lines[first]!.trim().slice(0, 80), lines: end - first + 1, reason });
    }
  }
  return found.sort((a, b) => b.lines - a.lines);
}

/** Where a signature of several lines begins. */
function headOf(lines: readonly string[], start: number, indent: string): number {
  if (!lines[start]!.startsWith(`${indent})`)) return start;
  let first = start - 1;
  while (first > 0 && (lines[first]!.startsWith(`${indent} `) || lines[first] === '')) first--;
  return first;
}

/** Which folders and files run on which thread; the most exact entry counts, and what is not here may run on any. A query worker is an engine of one query. */
const THREADS: Readonly<Record<string, string>> = {
  cli: 'main',
  demo: 'main',
  server: 'main',
  session: 'main',
  providers: 'main',
  audit: 'main',
  sql: 'main',
  engine: 'engine',
  'engine/contract': 'any',
  'store/rows/fold-client.ts': 'engine',
  'store/rows/fold-worker.ts': 'fold',
  ingest: 'ingest',
  'ingest/ingest-client.ts': 'main',
  'ingest/protocol.ts': 'any',
  'ingest/progress.ts': 'any',
  'pglite/catalog-client.ts': 'main',
  'pglite/statement-lanes.ts': 'main',
  'pglite/catalog-worker.ts': 'postgres',
  'pglite/evaluator-worker.ts': 'postgres',
  'pglite/instance.ts': 'postgres',
};

/** Value imports of a file that belongs to another thread than the importing one: `from imports to`. */
export function importsAcrossThreads(): string[] {
  const threadOf = (path: string): string => {
    const [best] = Object.keys(THREADS)
      .filter((entry) => path === entry || path.startsWith(`${entry}/`))
      .sort((a, b) => b.length - a.length);
    return best === undefined ? 'any' : THREADS[best]!;
  };
  return imports()
    .filter(({ from, to, typeOnly }) => {
      const [a, b] = [threadOf(from), threadOf(to)];
      return !typeOnly && b !== 'any' && a !== b && !startsWorker(from, to);
    })
    .map(({ from, to }) => `${from} (${threadOf(from)}) imports ${to} (${threadOf(to)})`);
}

function startsWorker(from: string, to: string): boolean {
  const target = WORKER.exec(textOf(`src/${from}`))?.[1];
  return target !== undefined && to.endsWith(target.replace(/^(?:\.{1,2}\/)+/, ''));
}
