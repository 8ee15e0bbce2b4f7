/** The house rules that a machine can hold: who imports whom, how long a file is, what may not stand in it. Each failure names the file and what to do. */
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { architecture } from '../scripts/architecture.ts';
import { importsAcrossThreads, LINES_OF_FUNCTION_MAX, longFunctions, namesOnlyTestsUse } from '../scripts/house.ts';
import { filesUnder, imports, isTest, roomGraph, roomOf, textOf } from '../scripts/imports.ts';

/** Who may import whom, ground floor first. A room may always import itself. `room/path` allows that part of a room only. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  values: ['base'],
  wire: ['base', 'values'],
  plan: ['base', 'values'],
  upstream: ['base', 'values', 'wire'],
  store: ['base', 'values', 'wire', 'upstream/table.ts', 'upstream/shape.ts'],
  ingest: ['base', 'values', 'wire', 'upstream', 'store'],
  dataflow: ['base', 'values', 'wire', 'plan'],
  pglite: ['base', 'values', 'wire', 'dataflow/expression/contract.ts'],
  catalog: ['base', 'values', 'plan', 'upstream/table.ts'],
  sql: ['base', 'values', 'pglite', 'plan', 'upstream/table.ts'],
  audit: ['base', 'values', 'upstream', 'plan'],
  engine: ['base', 'values', 'wire', 'plan', 'catalog', 'upstream/table.ts', 'store', 'ingest/progress.ts', 'dataflow', 'pglite'],
  session: [
    'base',
    'values',
    'wire',
    'plan',
    'upstream',
    'store',
    'ingest',
    'dataflow',
    'pglite',
    'sql',
    'audit',
    'catalog',
    'engine',
    'server/session.ts',
  ],
  providers: ['base', 'upstream/connection'],
  server: ['base', 'wire'],
  demo: [
    'base',
    'values',
    'wire',
    'plan',
    'upstream',
    'store',
    'ingest',
    'dataflow',
    'pglite',
    'sql',
    'engine',
    'session',
    'catalog',
    'audit',
    'providers',
    'server',
  ],
  cli: [
    'base',
    'values',
    'wire',
    'plan',
    'upstream',
    'store',
    'ingest',
    'dataflow',
    'pglite',
    'sql',
    'engine',
    'session',
    'catalog',
    'audit',
    'providers',
    'server',
    'demo',
  ],
};

const LINES_MAX = 500;

const root = join(import.meta.dirname, '..');
const sources = filesUnder('src', '.ts', '.tsx');
const product = sources.filter((path) => !isTest(path));
const written = [...sources, ...filesUnder('test', '.ts'), ...filesUnder('scripts', '.ts')];
const pages = [
  ...filesUnder('docs', '.md'),
  ...filesUnder('src', '.md'),
  ...['README', 'ARCHITECTURE', 'CONTRIBUTING', 'SECURITY', 'CHANGELOG'].map((name) => `${name}.md`),
];

test('every room is in the table of who may import whom', () => {
  expect(product.map((path) => roomOf(path.slice('src/'.length))).filter((room) => !(room in MAY_IMPORT))).toEqual([]);
});

test('nobody imports upwards', () => {
  const allowed = (from: string, to: string): boolean =>
    roomOf(from) === roomOf(to) || (MAY_IMPORT[roomOf(from)] ?? []).some((entry) => to === entry || to.startsWith(`${entry}/`));
  expect(
    imports()
      .filter(({ from, to }) => !allowed(from, to))
      .map(({ from, to }) => `${from} imports ${to}`),
  ).toEqual([]);
});

test('no rooms depend on each other in a circle', () => {
  const graph = roomGraph();
  const circles: string[] = [];
  const visit = (room: string, path: readonly string[]): void => {
    if (path.includes(room)) circles.push([...path.slice(path.indexOf(room)), room].join(' → '));
    else for (const next of graph.get(room) ?? []) visit(next, [...path, room]);
  };
  for (const room of graph.keys()) visit(room, []);
  expect(circles).toEqual([]);
});

test('no files depend on each other in a circle, types aside', () => {
  const graph = new Map<string, string[]>();
  for (const { from, to, typeOnly } of imports()) if (!typeOnly) graph.set(from, [...(graph.get(from) ?? []), to]);
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
    if (path.includes(file) || done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  expect(circles).toEqual([]);
});

test('no file imports what runs on another thread', () => {
  expect(importsAcrossThreads()).toEqual([]);
});

test('no name is there for tests only', () => {
  expect(namesOnlyTestsUse()).toEqual([]);
});

test(`a function of more than ${LINES_OF_FUNCTION_MAX} lines says in its comment why: "Long: …"`, () => {
  expect(longFunctions().filter(({ reason }) => reason === undefined)).toEqual([]);
});

test(`no file is longer than ${LINES_MAX} lines: one concept a file`, () => {
  const long = product.map((path) => ({ path, lines: textOf(path).split('\n').length - 1 })).filter(({ lines }) => lines > LINES_MAX);
  expect(long).toEqual([]);
});

test('every file opens with a comment that says what it is', () => {
  // A list of errors says it a line later, at the list.
  expect(
    written.filter(
      (path) => !/^(?:#!.*\n)?\s*(?:import\s[^\n]*\n\s*)*\s*(?:\/\*\*?|\/\/)/.test(textOf(path)) && !path.endsWith('.test.ts'),
    ),
  ).toEqual([]);
});

test.each([
  ['console (log through base/logging, print in cli)', /\bconsole\.\w+\(/, product.filter((path) => !path.startsWith('src/cli/'))],
  ["memory that holds what was there before (a client could be sent another one's)", /\ballocUnsafe/, product],
  ['a default export', /^export default\b|\bas default\b/m, product],
  ['an open end (open an issue instead)', /\b(?:T[O]DO|FIXM[E]|HAC[K])\b/, written],
  [
    'a test that runs alone',
    /\b(?:it|test|describe|suite)\.(?:only|todo|fails)\b/,
    sources.filter((path) => path.endsWith('.test.ts')).concat(filesUnder('test', '.test.ts')),
  ],
  [
    'a number of a page that a clone does not have',
    /\bDESIGN\b/,
    [...written, ...pages].filter((path) => path !== 'test/tidy.test.ts' && existsSync(join(root, path))),
  ],
  [
    "a path of somebody's machine",
    /(?:^|['"`\s(=])\/(?:work|root|home|tmp|farm)\/[\w.]/m,
    [...written, ...pages].filter((path) => existsSync(join(root, path))),
  ],
  ['an enum or a namespace: syntax that is not erased', /^\s*(?:export\s+)?(?:const\s+)?(?:enum|namespace)\s+\w+/m, written],
])('nowhere stands %s', (_, pattern, paths) => {
  expect(paths.filter((path) => pattern.test(textOf(path)))).toEqual([]);
});

test('the README quotes figures as the page of the benchmarks has them', () => {
  const page = textOf('docs/reference/performance.md');
  const section = textOf('README.md').split('## How fast')[1]!.split('\n## ')[0]!;
  const quoted = [...section.matchAll(/^\| ([^|]*) \| [^|]* \|$/gm)].map(([row]) => row).slice(2);
  expect(quoted).toHaveLength(3);
  expect(quoted.filter((row) => !page.includes(`\n${row}`))).toEqual([]);
});

test('every room has a README that says what lives there and what may not', () => {
  const rooms = new Set(product.map((path) => roomOf(path.slice('src/'.length))));
  expect([...rooms].filter((room) => !existsSync(join(root, 'src', room, 'README.md')))).toEqual([]);
});

test('links between the pages resolve', () => {
  const broken = pages.flatMap((page) =>
    [...textOf(page).matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)]*)?\)/g)]
      .map((match) => match[1]!)
      .filter((link) => !existsSync(join(root, dirname(page), link)))
      .map((link) => `${page}: ${link}`),
  );
  expect(broken).toEqual([]);
});

test('files that pages name in code style exist', () => {
  const named = pages
    .filter((page) => !page.startsWith('docs/decisions/') && page !== 'CHANGELOG.md')
    .flatMap((page) =>
      [...textOf(page).matchAll(/`((?:src|test|scripts|bin|docs)\/[\w./-]+\.(?:ts|js|md|svg))`/g)].map((match) => ({
        page,
        path: match[1]!,
      })),
    );
  expect(named.filter(({ path }) => !existsSync(join(root, path)))).toEqual([]);
});

test('files that comments name exist', () => {
  const known = [...written, ...pages, ...filesUnder('bench', '.ts')];
  const exists = (name: string): boolean => known.some((path) => path === name || path.endsWith(`/${name}`));
  const named = written.flatMap((path) =>
    [...textOf(path).matchAll(/\/\*\*[\s\S]*?\*\/|(?<=^|\s)\/\/ .*$/gm)].flatMap(([comment]) =>
      [...comment.matchAll(/`([\w./-]+\.(?:ts|md))`|\b((?:src|test|scripts|docs)\/[\w./-]+\.(?:ts|md))\b/g)].map((match) => ({
        path,
        name: match[1] ?? match[2]!,
      })),
    ),
  );
  expect(named.filter(({ name }) => !exists(name.replace(/^(?:\.{1,2}\/)+/, '')))).toEqual([]);
});

test('the import graph in ARCHITECTURE.md is of today: `npm run architecture`', () => {
  expect(textOf('ARCHITECTURE.md')).toBe(architecture());
});

test('what has to run can be run', () => {
  for (const path of ['bin/millrace.js', '.ci/run']) expect(statSync(join(root, path)).mode & 0o111, path).not.toBe(0);
});
