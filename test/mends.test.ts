/**
 * What an error tells people to run can be run: every statement in a mend of src/base/errors parses, whatever the names in it are: ours with our own parser, the upstream's with a Postgres.
 * That it also mends is held where the error is raised.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MillraceError } from '../src/base/errors.ts';
import type { AnyDefinition } from '../src/base/errors/define.ts';
import { cliErrors } from '../src/base/errors/cli.ts';
import { engineErrors } from '../src/base/errors/engine.ts';
import { providerErrors } from '../src/base/errors/provider.ts';
import { serverErrors } from '../src/base/errors/server.ts';
import { sqlErrors } from '../src/base/errors/sql.ts';
import { storeErrors } from '../src/base/errors/store.ts';
import { upstreamErrors } from '../src/base/errors/upstream.ts';
import { parseStatement } from '../src/sql/statements/parse.ts';
import { startPostgres, type TestPostgres } from './postgres/postgres.ts';

/** A name that only quoting makes one. */
const ODD = `Odd "one`;
/** Facts that are not names: what the code puts in. */
const FACTS: Readonly<Record<string, unknown>> = {
  tables: ['public.t'],
  table: ODD,
  accepted: 'on',
  kind: 'schema',
  port: 5432,
  seconds: 5,
  rowsMax: 1_000,
  bytesMax: 1_000,
  known: ['HOST'],
  instead: undefined,
  statement: 'CREATE CLUSTER',
  request: 'SELECT 1;',
  hint: '',
  mend: undefined,
  packages: ['x'],
  missing: ['insert'],
  dependents: ['x'],
  blockers: [],
  reasons: ['x'],
};
/** Facts of single errors, as the code that raises them gives them. */
const OF: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  REFERENCE_MISSING: { table: 'public.t' },
  SETTING_REFUSED: { name: 'timezone' },
  DEMO_NAME_TAKEN: { name: 'millrace_demo' },
  OBJECT_MISSING: { kind: 'index' },
  OBJECT_IN_USE: { kind: 'table' },
};

const facts = (code: string): object =>
  new Proxy(
    {},
    {
      get: (_, name) => {
        const own = { ...FACTS, ...OF[code] };
        return typeof name === 'string' && name in own ? own[name] : ODD;
      },
    },
  );

const mendOf = (code: string, definition: AnyDefinition): string => definition.mend?.(facts(code)) ?? '';

const VERBS =
  'ALTER|AUDIT|BEGIN|CLOSE|COMMIT|CREATE|DEALLOCATE|DECLARE|DROP|EXPLAIN|FETCH|GRANT|RELEASE|RESET|REVOKE|ROLLBACK|SELECT|SET|SHOW|SUBSCRIBE|TABLE|VALIDATE';
const STATEMENT = new RegExp(`\\b(?:${VERBS})\\b(?:[^;'"]|'(?:[^']|'')*'|"(?:[^"]|"")*")*;`, 'g');

const statements = (lists: readonly Readonly<Record<string, AnyDefinition>>[]): [string, string][] =>
  lists.flatMap((list) =>
    Object.entries(list).flatMap(([code, definition]) =>
      [...mendOf(code, definition).matchAll(STATEMENT)].map(([text]): [string, string] => [code, text]),
    ),
  );

/** Raised here, mended upstream. */
const UPSTREAM = new Set(['REFERENCE_MISSING', 'DEMO_NAME_TAKEN']);
const everywhere = statements([upstreamErrors, providerErrors, cliErrors, engineErrors, sqlErrors, serverErrors, storeErrors]);
const isUpstreams = (code: string): boolean => code in upstreamErrors || code in providerErrors || UPSTREAM.has(code);

let pg: TestPostgres;
beforeAll(async () => {
  pg = await startPostgres();
});
afterAll(() => pg.stop());

/** It fails, for lack of the object or within a transaction, but never because it is not SQL. */
async function asPostgresSees(text: string): Promise<unknown> {
  const client = await pg.connect();
  try {
    await client.query('BEGIN');
    await client.query(text);
    return undefined;
  } catch (error) {
    return (error as { code: unknown }).code;
  } finally {
    await client.query('ROLLBACK');
    await client.end();
  }
}

test.each(everywhere.filter(([code]) => isUpstreams(code)))('%s, upstream: %s', async (_code, text) => {
  if (/^(?:ALTER|CREATE|DROP) (?:SECRET|SOURCE|CONNECTION)\b/.test(text)) parseStatement(text.slice(0, -1));
  else expect(await asPostgresSees(text)).not.toBe('42601');
});

test.each(everywhere.filter(([code]) => !isUpstreams(code)))('%s, here: %s', async (_code, text) => {
  const statement = parsed(text.slice(0, -1));
  // SHOW of anything that is no list is the name of a setting: of one that exists.
  if (statement.kind === 'showSetting') throw new Error(`SHOW of a setting: ${text}`);
  if (statement.kind === 'query') expect(await asPostgresSees(text)).not.toBe('42601');
});

function parsed(text: string): ReturnType<typeof parseStatement> {
  try {
    return parseStatement(text);
  } catch (error) {
    throw new Error(`${text}: ${error instanceof MillraceError ? error.code : String(error)}`, { cause: error });
  }
}

test.each(['secret', 'connection', 'source', 'table', 'view', 'materialized view', 'materializedView', 'index', 'relation'])(
  'a missing %s is looked for in a list that there is',
  (kind) => {
    const text = engineErrors.OBJECT_MISSING.mend!({ kind, name: ODD });
    expect(parseStatement(text.slice(0, -1)).kind).toBe('show');
  },
);

test.each([
  ['CREATE CLUSTER', false],
  ['CREATE SINK', false],
  ['SUBSCRIBE … AS OF or UP TO', false],
  ['AND CHAIN', false],
  ['CREATE FUNCTION', true],
  ['VACUUM', true],
  ['GRANT', true],
])('%s: upstream only where Postgres has it', (statement, upstream) => {
  expect(sqlErrors.STATEMENT_UNSUPPORTED.mend!({ statement }).includes('upstream')).toBe(upstream);
});

test('a statement is whole: what is to be filled in stands in words, or in angle brackets outside of a statement', () => {
  for (const [code, text] of everywhere) expect(`${code}: ${text.replaceAll(/'(?:[^']|'')*'/g, '')}`).not.toContain('…');
});
