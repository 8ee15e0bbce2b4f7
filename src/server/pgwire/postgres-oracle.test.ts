/**
 * Postgres is the oracle of the protocol, too: the same random messages go to a real Postgres and to the protocol server (over a session that knows the same few
 * statements), and the answers must be the same, message by message: types, rows, tags, SQLSTATEs, transaction status.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres, type TestPostgres } from '../../../test/postgres/postgres.ts';
import { createLogger } from '../../base/logging.ts';
import { listenPgwire, type PgwireServer } from './server.ts';
import {
  bind,
  close,
  describe,
  errorFields,
  execute,
  flush,
  parse,
  query,
  RawClient,
  sync,
  terminate,
  type RawMessage,
} from './testing/raw-client.ts';
import { SeriesSessions } from './testing/series-session.ts';

let postgres: TestPostgres;
let millrace: PgwireServer;

beforeAll(async () => {
  postgres = await startPostgres({ hba: ['host all all 127.0.0.1/32 trust'] });
  await postgres.query('CREATE ROLE millrace LOGIN');
  await postgres.query('CREATE DATABASE millrace');
  millrace = await listenPgwire({
    host: '127.0.0.1',
    port: 0,
    authentication: { kind: 'trust' },
    sessions: new SeriesSessions(),
    logger: createLogger('silent'),
  });
});

afterAll(async () => {
  await millrace.close();
  await postgres.stop();
});

const simple = fc.constantFrom(
  'SELECT generate_series(1, 5)',
  'SELECT generate_series(1, 0)',
  'SELECT generate_series(1, 2); SELECT generate_series(3, 4)',
  'BEGIN',
  'COMMIT',
  'ROLLBACK',
  'BEGIN; SELECT generate_series(1, 2)',
  'SELECT generate_series(1, 1); SELECT missing; SELECT generate_series(1, 1)',
  'DEALLOCATE ALL',
  'NONSENSE',
  ' ',
);
/** BEGIN and DEALLOCATE are prepared, run and closed in one go (`begun`): bound in a failed block, Postgres refuses them at Bind, Millrace at Execute. */
const preparable = fc.constantFrom(
  'SELECT generate_series(1, 5)',
  'SELECT generate_series(1, 0)',
  'SELECT 1; SELECT 2',
  'COMMIT',
  'ROLLBACK',
  'NONSENSE',
  ' ',
);
const begun = fc
  .constantFrom('BEGIN', 'DEALLOCATE ALL')
  .map((sql) => ({ message: Buffer.concat([parse('', sql), bind('', ''), execute(''), close('S', '')]), text: `run ${sql}` }));
const name = fc.constantFrom('', '', 'a', 'b');
const step = fc.oneof(
  { weight: 2, arbitrary: simple.map((sql) => ({ message: Buffer.concat([sync, query(sql)]), text: `query ${sql}` })) },
  { weight: 4, arbitrary: fc.tuple(name, preparable).map(([as, sql]) => ({ message: parse(as, sql), text: `parse ${as}: ${sql}` })) },
  { weight: 4, arbitrary: fc.tuple(name, name).map(([portal, of]) => ({ message: bind(portal, of), text: `bind ${portal} of ${of}` })) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('S' as const, 'P' as const), name)
      .map(([kind, of]) => ({ message: describe(kind, of), text: `describe ${kind} ${of}` })),
  },
  {
    weight: 5,
    arbitrary: fc
      .tuple(name, fc.constantFrom(0, 0, 1, 2, 5))
      .map(([portal, rows]) => ({ message: execute(portal, rows), text: `execute ${portal} ${rows}` })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('S' as const, 'P' as const), name)
      .map(([kind, of]) => ({ message: close(kind, of), text: `close ${kind} ${of}` })),
  },
  { weight: 2, arbitrary: begun },
  { weight: 3, arbitrary: fc.constant({ message: sync, text: 'sync' }) },
  { weight: 1, arbitrary: fc.constant({ message: flush, text: 'flush' }) },
);

test('the answers to any messages are those of Postgres', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
      const messages = [...steps.map(({ message }) => message), sync];
      const [ours, theirs] = await Promise.all([answers(millrace.port, messages), answers(postgres.port, messages)]);
      expect(ours, steps.map(({ text }) => text).join('\n')).toEqual(theirs);
    }),
    { numRuns: 200 },
  );
});

/** What comes back until the server closes, in words. Left out: notices, and what the two words differently. */
async function answers(port: number, messages: readonly Buffer[]): Promise<string[]> {
  const { client } = await RawClient.session(port);
  client.send(...messages, terminate);
  const received = await client.rest();
  return received.filter(({ type }) => type !== 'N').map(inWords);
}

function inWords(message: RawMessage): string {
  if (message.type === 'E') return `E ${errorFields(message)['C']} ${errorFields(message)['P'] ?? ''}`;
  // RowDescription, rows, tags and the transaction status are to be the same to the byte.
  return `${message.type} ${JSON.stringify(message.body.toString('latin1'))}`;
}
