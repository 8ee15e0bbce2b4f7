/**
 * The sources as a graph: which file imports which, and which room (the first folder under src/) therefore depends on which. Read from the text, so that a file that does not compile yet is seen, too.
 * Used by `scripts/architecture.ts` (the picture) and `test/tidy.test.ts` (the law).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');

/** One import: both files as paths from src/, without a leading slash. */
export interface Import {
  readonly from: string;
  readonly to: string;
  /** Types only: nothing of it is there when the program runs. */
  readonly typeOnly: boolean;
}

/** Every file under `folder` with one of the endings, as paths from the repository's root, in order. */
export function filesUnder(folder: string, ...endings: readonly string[]): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .filter((path) => !path.includes('node_modules/'))
    .sort();
}

export function textOf(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** Tests and what only they use: files ending in `.test`, `.fixture` or `testing`, and folders `testing/`. */
export function isTest(path: string): boolean {
  return /\.(?:test|fixture)\.tsx?$|\/testing(?:\/|\.ts$)/.test(path);
}

const STATEMENT = /^\s*(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'(\.{1,2}\/[^']+)'/gm;
const CALL = /\b(?:import\(\s*|new URL\(\s*|startWorker\(\s*import\.meta\.url,\s*)'(\.{1,2}\/[^']+\.tsx?)'/g;

/** All imports between the files of src/, tests left out: a test may look at the rooms above to set its stage. */
export function imports(): Import[] {
  return filesUnder('src', '.ts', '.tsx')
    .filter((path) => !isTest(path))
    .flatMap((path) => {
      const text = textOf(path);
      const target = (written: string): string => relative('src', join(dirname(path), written)).replaceAll('\\', '/');
      const from = relative('src', path).replaceAll('\\', '/');
      return [
        ...[...text.matchAll(STATEMENT)].map((match) => ({ from, to: target(match[2]!), typeOnly: match[1] !== undefined })),
        ...[...text.matchAll(CALL)].map((match) => ({ from, to: target(match[1]!), typeOnly: false })),
      ];
    })
    .filter(({ to }) => !to.startsWith('..'));
}

export function roomOf(path: string): string {
  return path.split('/')[0]!;
}

/** Room → the rooms it imports, both in alphabetical order. */
export function roomGraph(): Map<string, Set<string>> {
  const graph = new Map<string, Set<string>>();
  for (const { from, to } of imports()) {
    if (!graph.has(roomOf(from))) graph.set(roomOf(from), new Set());
    if (roomOf(from) !== roomOf(to)) graph.get(roomOf(from))!.add(roomOf(to));
  }
  return new Map([...graph].sort(([a], [b]) => (a < b ? -1 : 1)));
}
