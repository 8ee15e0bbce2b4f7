/** The last column of docs/reference/faults.md, made from `test/faults.ts`: ✓ with the tests that hold a fault, or what is missing. Called by `docs.ts`. */
import { FAULTS, type Held } from '../test/faults.ts';

/** A row of the page: `| number | what happens | what Millrace does | mark |`. */
const ROW = /^(\| (\d+) \|.*\|) [^|]* \|$/gm;

export function faultsPage(page: string): string {
  return page.replaceAll(ROW, (_, row: string, number: string) => `${row} ${markOf(FAULTS[Number(number)])} |`);
}

export function faultsOn(page: string): number[] {
  return [...page.matchAll(ROW)].map((match) => Number(match[2]));
}

function markOf(held: Held | undefined): string {
  if (held === undefined) return 'missing: an entry in the table';
  return 'missing' in held ? `missing: ${held.missing}` : `✓ ${held.by.map(shown).join(' · ')}`;
}

/** A title may end anywhere; the folder of a file is known by its name. */
function shown(test: string): string {
  const [file, title] = splitOnce(test);
  return `*${file.replace(/^.*\//, '').replace(/\.test\.ts$/, '')}*: ${title}`;
}

export function splitOnce(test: string): [string, string] {
  const at = test.indexOf(': ');
  return [test.slice(0, at), test.slice(at + 2)];
}
