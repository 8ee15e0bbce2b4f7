/**
 * `npm run docs`: writes docs/reference/errors.md from the lists in src/base/errors, docs/reference/cli.md from the commands, and the last column of docs/reference/faults.md. The texts are the product's own, with `<name>` where a
 * fact of an error stands, so that the page can be searched for what a user saw. `test/errors-doc.test.ts` and `test/cli-doc.test.ts` hold the pages.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AnyDefinition } from '../src/base/errors/define.ts';
import { cliErrors } from '../src/base/errors/cli.ts';
import { engineErrors } from '../src/base/errors/engine.ts';
import { providerErrors } from '../src/base/errors/provider.ts';
import { serverErrors } from '../src/base/errors/server.ts';
import { sqlErrors } from '../src/base/errors/sql.ts';
import { storeErrors } from '../src/base/errors/store.ts';
import { upstreamErrors } from '../src/base/errors/upstream.ts';
import { program } from '../src/cli/program.ts';
import { faultsPage } from './faults.ts';

const LISTS: readonly (readonly [string, Readonly<Record<string, AnyDefinition>>])[] = [
  ['The upstream database', upstreamErrors],
  ['The providers', providerErrors],
  ['The store', storeErrors],
  ['SQL', sqlErrors],
  ['The engine', engineErrors],
  ['The server', serverErrors],
  ['The command line', cliErrors],
];

const PREFACE = `# Errors

Every error that Millrace shows has a stable code, a SQLSTATE of Postgres, the reason, and where there is one the step that mends it (shown as HINT). \`<name>\` stands for
what the error is about. Errors of Postgres itself (a syntax error, a division by zero) come through with Postgres's own SQLSTATE and text and are not listed here.

This page is made by \`npm run docs\` from the lists in \`src/base/errors/\`.
`;

export function errorsPage(): string {
  const sections = LISTS.filter(([, list]) => Object.keys(list).length > 0).map(
    ([title, list]) =>
      `## ${title}\n\n${Object.entries(list)
        .map(([code, definition]) => entry(code, definition))
        .join('\n')}`,
  );
  return [PREFACE, ...sections].join('\n');
}

function entry(code: string, definition: AnyDefinition): string {
  const said = shown((facts) => definition.says(facts));
  const mend = definition.mend === undefined ? undefined : shown((facts) => definition.mend?.(facts) ?? '');
  return [
    `### ${code}`,
    '',
    `SQLSTATE \`${definition.sqlstate}\`${said === undefined ? '' : ` · ${inCode(said)}`}`,
    '',
    definition.because,
    ...(mend === undefined ? [] : ['', 'To mend it:', '', '```', mend, '```']),
    '',
  ].join('\n');
}

function inCode(text: string): string {
  return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``;
}

/** The text with names in the place of facts; undefined where it cannot be made without real ones. */
function shown(text: (facts: never) => string): string | undefined {
  try {
    return text(new Proxy({}, { get: (_, name) => standIn(String(name)) }) as never);
  } catch {
    return undefined;
  }
}

/** Stands for a fact of any type: reads as `<name>`, as a list of one, and its own facts read as `<name.inner>`. */
function standIn(name: string): unknown {
  const text = `<${name}>`;
  const list = [text];
  return new Proxy(
    Object.assign(() => text, {}),
    {
      get(_, key) {
        if (key === Symbol.toPrimitive) return (hint: string) => (hint === 'number' ? Number.NaN : text);
        if (key === Symbol.iterator) return () => list.values();
        if (key === 'toString' || key === 'valueOf' || key === 'toFixed' || key === 'toLocaleString') return () => text;
        if (typeof key === 'symbol') return undefined;
        const owner: unknown =
          key in list && key !== 'length' && key !== 'slice' && key !== 'includes' ? list : key in String.prototype ? text : undefined;
        if (owner === undefined) return standIn(`${name}.${key}`);
        const member = (owner as Record<string, unknown>)[key];
        return typeof member === 'function' ? (member as (...args: unknown[]) => unknown).bind(owner) : member;
      },
    },
  );
}

/** Each command's own help. */
export function cliPage(): string {
  const sections = program.commands.map(
    (command) => `## millrace ${command.name()}\n\n\`\`\`\n${command.helpInformation().trimEnd()}\n\`\`\`\n`,
  );
  return [
    '# Command line\n\nThis page is made by `npm run docs` from the commands themselves: `millrace <command> --help` prints the same.\n',
    ...sections,
  ].join('\n');
}

if (import.meta.main) {
  const reference = join(import.meta.dirname, '../docs/reference');
  writeFileSync(join(reference, 'errors.md'), errorsPage());
  writeFileSync(join(reference, 'cli.md'), cliPage());
  writeFileSync(join(reference, 'faults.md'), faultsPage(readFileSync(join(reference, 'faults.md'), 'utf8')));
}
