/** The command line as people mistype it, `subscribe`, and the password of the first start. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from '../harness/millrace.ts';
import { Command, millrace, STACK } from './command.ts';
import { refusal, type EdgeCase } from './edge.ts';

/** Port 1: nobody listens. */
const CLOSED = 'postgres://millrace@127.0.0.1:1/millrace';

const MISTAKES: readonly (readonly [readonly string[], RegExp])[] = [
  [['nonsense'], /unknown command/],
  [[], /Usage/],
  [['demo', '--for', 'soon'], /invalid value for --for: "soon"/],
  [['demo', '--for', '0s'], /--for/],
  [['demo', '--rate', 'abc'], /invalid value for --rate: "abc"/],
  [['demo', '--rate', '-5'], /--rate/],
  [['demo', '--rate', '0'], /--rate/],
  [['demo', '--rate', '1e3'], /--rate/],
  [['demo', '--hosted', 'nowhere'], /rds/],
  [['demo', '--postgres', 'not a url'], /invalid connection string/],
  [['doctor'], /missing required argument/],
  [['doctor', 'x'], /invalid connection string/],
  [['doctor', CLOSED, '--tables', ','], /--tables/],
  [['doctor', CLOSED, '--provider', 'x'], /--provider/],
  [['doctor', CLOSED, '--for', 'x'], /--for/],
  [['doctor', CLOSED, '--cloud', 'x'], /--cloud/],
  [['setup', CLOSED], /--tables/],
  [['setup', CLOSED, '--all-tables', '--emit', 'x'], /--emit/],
  [['setup', CLOSED, '--all-tables', '--allow', 'x'], /--allow/],
  [['setup', CLOSED, '--nonsense'], /unknown option/],
  [['serve', '--listen', 'x'], /not an address/],
  [['serve', '--auth', 'x'], /--auth/],
  [['serve', '--http', '127.0.0.1:6876'], /HTTP is not served yet/],
  [['serve', '--init', '/nowhere/at/all.sql'], /ENOENT/],
  [['subscribe', CLOSED], /missing required argument/],
  [['subscribe', 'x', 'v'], /invalid connection string/],
  [['subscribe', CLOSED, ''], /one view, or one SELECT/],
  [['subscribe', CLOSED, 'a; b'], /one view, or one SELECT/],
  [['audit', 'x'], /invalid connection string/],
  [['audit', CLOSED], /could not connect to Millrace at 127.0.0.1:1/],
];

export const usage: readonly EdgeCase[] = [
  {
    id: 'usage, exit codes',
    right: 'exit 2, in a line that names the mistake, without a stack',
    async run(world) {
      const folder = await world.folder();
      const outcomes = await inTurn(MISTAKES, 4, async ([args, says]) => {
        const ended = await millrace(args, { cwd: folder });
        const said = ended.out + ended.err;
        return ended.code === 2 && says.test(said) && !STACK.test(said) ? undefined : `${args.join(' ')} ended with ${ended.code}: ${said}`;
      });
      assert.deepEqual(
        outcomes.filter((one) => one !== undefined),
        [],
      );
    },
  },
  {
    id: 'usage, --data',
    right: 'a file, a place below a file, one that may not be written: exit 2 with the reason',
    async run(world) {
      const folder = await world.folder();
      await writeFile(join(folder, 'file'), '');
      const locked = join(folder, 'locked');
      await mkdir(locked);
      await chmod(locked, 0o500);
      // Root may write anywhere.
      const places = [
        join(folder, 'file'),
        join(folder, 'file', 'below'),
        ...(process.getuid?.() === 0 ? ['/proc/nowhere'] : [join(locked, 'data')]),
      ];
      for (const place of places) {
        const ended = await millrace(['serve', '--data', place, '--listen', '127.0.0.1:0']);
        assert.equal(ended.code, 2, ended.err);
        assert.match(ended.err, /DATA_DIRECTORY_UNUSABLE/);
        assert.doesNotMatch(ended.err, STACK);
      }
    },
  },
  {
    id: 'usage, a closed port',
    right: 'subscribe and demo say in words that nobody answers; setup and doctor, too, and neither is done nor ready',
    async run() {
      for (const [args, code] of [
        [['subscribe', CLOSED, 'v'], 1],
        [['demo', '--postgres', CLOSED, '--for', '2s'], 1],
        [['setup', CLOSED, '--tables', 't', '--yes'], 1],
        [['setup', CLOSED, '--undo', '--yes'], 1],
        [['doctor', CLOSED], 2],
      ] as const) {
        const ended = await millrace(args);
        assert.equal(ended.code, code, `${args.join(' ')}: ${ended.out}${ended.err}`);
        assert.doesNotMatch(ended.out + ended.err, STACK);
        assert.match(ended.out + ended.err, /could not connect|refuse|ECONNREFUSED/);
      }
    },
  },
  {
    id: 'E3D a password with a raw / or ?',
    right: 'exit 2, and no part of it is printed',
    async run() {
      for (const command of ['doctor', 'setup', 'subscribe', 'audit', 'demo'])
        for (const password of ['open/sesame', 'open?sesame', 'open?sesame=x', 'p@open/sesame']) {
          const url = `postgres://ann:${password}@127.0.0.1:1/shop`;
          const args =
            command === 'demo'
              ? ['demo', '--postgres', url]
              : [command, url, ...(command === 'setup' ? ['--all-tables'] : ['v'].slice(command === 'doctor' ? 1 : 0))];
          const ended = await millrace(args);
          assert.equal(ended.code, 2, `${command} ${password}: ${ended.out}${ended.err}`);
          assert.doesNotMatch(ended.out + ended.err, /open|sesame/);
        }
    },
  },
  {
    id: 'help',
    right: 'fits into 80 columns',
    async run() {
      for (const command of ['demo', 'doctor', 'setup', 'serve', 'subscribe', 'audit']) {
        const { out, code } = await millrace([command, '--help']);
        assert.equal(code, 0);
        assert.deepEqual(
          out.split('\n').filter((line) => line.length > 80),
          [],
        );
        assert.doesNotMatch(out, /--http/);
      }
    },
  },
  {
    id: 'the password of a first start that fails',
    right: 'what is kept has been shown: the next start shows one that works',
    async run(world) {
      const folder = await world.folder();
      const taken = createServer().listen(0, '127.0.0.1');
      await once(taken, 'listening');
      const { port } = taken.address() as { port: number };
      const args = (at: number): string[] => ['serve', '--data', join(folder, 'data'), '--listen', `127.0.0.1:${at}`];
      const failed = await millrace(args(port));
      taken.close();
      assert.equal(failed.code, 1, failed.out);
      assert.match(failed.err, /LISTEN_REFUSED/);
      const free = await freePort();
      const second = new Command(args(free));
      await second.says('is ready');
      const password = /password of user millrace is (\S+)/.exec(second.out)?.[1];
      assert.ok(password !== undefined, second.out);
      // The whole line that it prints works as it is printed.
      assert.match(second.out, new RegExp(`PGPASSWORD=${password} psql -h 127.0.0.1 -p ${free} -U millrace millrace`));
      const client = new pg.Client({ connectionString: `postgres://millrace:${password}@127.0.0.1:${free}/millrace` });
      await client.connect();
      await client.end();
      const url = `postgres://millrace@127.0.0.1:${free}/millrace`;
      const right = await millrace(['audit', url], { environment: { PGPASSWORD: password } });
      assert.equal(right.code, 0, right.err);
      const none = await millrace(['subscribe', url, 'v'], { environment: { PGPASSWORD: undefined } });
      assert.equal(none.code, 1);
      assert.match(none.err, /CLIENT_PASSWORD_MISSING/);
      assert.ok(none.ms < 10_000, `it took ${none.ms} ms`);
      const wrong = await millrace(['subscribe', `postgres://millrace:wrong@127.0.0.1:${free}/millrace`, 'v']);
      assert.equal(wrong.code, 1);
      assert.match(wrong.err, /CLIENT_PASSWORD_REFUSED/);
      second.interrupt();
      assert.equal((await second.ended()).code, 0);
    },
  },
  {
    id: 'subscribe to a view by name',
    right: 'prints its rows and changes; ends on Ctrl-C with 0, without a stack',
    async run(world) {
      const upstream = await world.upstream(
        `CREATE TABLE t (id int PRIMARY KEY, body text); INSERT INTO t VALUES (1, E'a\\tb'); CREATE PUBLICATION mz_source FOR TABLE t`,
      );
      const { millrace: running, client } = await world.following(upstream);
      await client.query('CREATE MATERIALIZED VIEW "Odd one" AS SELECT id, body FROM t');
      await client.query('CREATE MATERIALIZED VIEW v AS SELECT id, body FROM t');
      for (const [query, options] of [
        ['v', []],
        ['public.v;', ['--json']],
        ['"Odd one"', []],
        ['SELECT * FROM v WHERE id > 0', []],
        ['SUBSCRIBE v', []],
      ] as const) {
        const command = new Command(['subscribe', running.url, query, ...options]);
        await command.says(options.length === 0 ? /\+1 {2}1 \| a\tb/ : /"diff":1,"row":\["1","a\\tb"\]/);
        await upstream.query(`UPDATE t SET body = 'x' WHERE id = 1`);
        await command.says(options.length === 0 ? /-1 {2}1 \| a\tb/ : /"diff":-1/);
        command.interrupt();
        const ended = await command.ended();
        assert.equal(ended.code, 0, ended.err);
        assert.equal(ended.err, '');
        await upstream.query(`UPDATE t SET body = E'a\\tb' WHERE id = 1`);
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      const missing = await millrace(['subscribe', running.url, 'nowhere']);
      assert.equal(missing.code, 1);
      assert.match(missing.err, /nowhere/);
      const lost = new Command(['subscribe', running.url, 'v']);
      await lost.says('+1');
      await running.kill();
      const ended = await lost.ended();
      assert.equal(ended.code, 1);
      assert.match(ended.err, /SUBSCRIPTION_ENDED/);
      assert.doesNotMatch(ended.err, STACK);
    },
  },
  {
    id: 'CREATE CONNECTION, what would be kept unused or shown',
    right: 'a certificate without its key, and a password in a URL however it is written, are refused; the password is told nowhere',
    async run(world) {
      const running = await world.millrace();
      const client = await world.connect(running);
      await client.query(`CREATE SECRET pk AS 'x'`);
      const error = await refusal(client.query(`CREATE CONNECTION c TO POSTGRES (HOST 'h', SSL CERTIFICATE '/c.pem')`));
      assert.match(error.message, /certificate without its key/);
      assert.match(
        (await refusal(client.query(`CREATE CONNECTION c TO POSTGRES (HOST 'h', SSL KEY SECRET pk)`))).message,
        /key without its certificate/,
      );
      for (const url of [
        'postgres://ann:sesame@h/db',
        'postgres://ann:open/sesame@h/db',
        'postgres://ann@h/db?password=sesame',
        'host=h user=ann password=sesame',
      ]) {
        const refused = await refusal(client.query(`CREATE CONNECTION c TO POSTGRES (URL '${url}')`));
        assert.doesNotMatch(JSON.stringify([refused.message, refused.detail, refused.hint]), /sesame/);
      }
      assert.doesNotMatch(running.output, /sesame/);
    },
  },
  {
    id: 'secrets in --init',
    right: 'a mistake beside a secret is told without it',
    async run(world) {
      const folder = await world.folder();
      const file = join(folder, 'init.sql');
      for (const text of [
        `CREATE SECRET s AS 'open''sesame' 'more'`,
        `CREATE SECRET s AS open_sesame`,
        `CREATE SECRET s AS 'open sesame`,
      ]) {
        await writeFile(file, text);
        const ended = await millrace(['serve', '--data', join(folder, 'data'), '--listen', '127.0.0.1:0', '--init', file], {
          environment: { MILLRACE_LOG: 'info' },
        });
        assert.equal(ended.code, 2, ended.err);
        assert.doesNotMatch(ended.out + ended.err, /sesame/);
      }
    },
  },
];

/** A few at a time: each is a process. */
async function inTurn<T, R>(items: readonly T[], width: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = [...items.entries()];
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) results[next[0]] = await work(next[1]);
    }),
  );
  return results;
}
