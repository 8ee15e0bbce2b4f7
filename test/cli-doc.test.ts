/** docs/reference/cli.md against the commands, and the commands against their files. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cliPage } from '../scripts/docs.ts';
import { textOf } from '../scripts/imports.ts';
import { program } from '../src/cli/program.ts';

test('the page is of today: `npm run docs`', () => {
  expect(textOf('docs/reference/cli.md')).toBe(cliPage());
});

/** The contract: other things are built on these names. */
const CONTRACT = ['demo', 'doctor', 'setup', 'serve', 'subscribe', 'audit'];

test('each command whose file is there is offered', () => {
  const files = readdirSync(join(import.meta.dirname, '../src/cli')).map((name) => name.replace(/\.ts$/, ''));
  expect(program.commands.map((command) => command.name()).toSorted()).toEqual(CONTRACT.filter((name) => files.includes(name)).toSorted());
});
