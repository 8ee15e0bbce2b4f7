/** README.md as written: its statements are run, one after another, on the shop that it speaks of, and the answers that it shows are those that come. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort, RunningMillrace } from '../harness/millrace.ts';
import { startPostgres, type TestPostgres } from '../postgres/postgres.ts';
import { eventually, textRows } from './shop.ts';

const README = await readFile(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8');

/** Fenced blocks of a language under a heading. */
function blocks(language: string, heading?: string): string[] {
  const text = heading === undefined ? README : README.split(/^## /m).find((section) => section.startsWith(heading))!;
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm'))].map((match) => match[1]!);
}

/** Statements and what psql answers to them: `=> SELECT …;` and the lines up to the next. */
function dialogue(block: string): { sql: string; answer: string[] }[] {
  return block
    .split(/^millrace=> /m)
    .slice(1)
    .map((part) => {
      const end = /;[^\n]*\n/.exec(part)!;
      return {
        sql: part.slice(0, end.index).replace(/^millrace-> /gm, ''),
        answer: part
          .slice(end.index + end[0].length)
          .split('\n')
          .map((line) => line.trimEnd())
          .filter((line) => line !== ''),
      };
    });
}

let postgres: TestPostgres;
let folder: string;
let millrace: RunningMillrace;
let client: pg.Client;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-readme-'));
  const [started, port] = await Promise.all([startPostgres(), freePort()]);
  postgres = started;
  millrace = new RunningMillrace({ dataDirectory: join(folder, 'data'), port });
  await postgres.createDatabase('shop', { provider: 'icu' });
  client = await millrace.connect();
});

afterAll(async () => {
  await client?.end();
  await millrace?.stop();
  await postgres?.stop();
  await rm(folder, { recursive: true, force: true });
});

test('there are exactly two set-up commands', () => {
  expect(blocks('sh', 'Try it')).toEqual(['npm ci && npm run demo\n', 'npm ci && npm test\n']);
});

describe('the session', () => {
  test('what the upstream needs', async () => {
    const [upstream] = blocks('sql', 'A session');
    await postgres.query(upstream!, undefined, 'shop');
  });

  test('every statement gives what is shown', async () => {
    const steps = blocks('text', 'A session').flatMap(dialogue);
    expect(steps.length).toBeGreaterThan(9);
    for (const { sql, answer } of steps) {
      const here = sql.replace(`'db.example.com'`, `'${postgres.host}', PORT ${postgres.port}`).replace(/, SSL MODE 'require'/, '');
      if (sql.startsWith('COPY (SUBSCRIBE')) await subscribes(here, answer);
      else if (answer[0]?.startsWith('ERROR')) {
        const error = await client.query(here).then(
          () => undefined,
          (thrown: Error & { detail?: string; hint?: string }) => thrown,
        );
        expect(
          [`ERROR:  ${error?.message}`, error?.detail && `DETAIL:  ${error.detail}`, error?.hint && `HINT:  ${error.hint}`].filter(Boolean),
          sql,
        ).toEqual(answer);
      } else if (/^CREATE|^SET/.test(sql)) {
        const result = await client.query(here);
        expect(result.command, sql).toBe(answer[0]!.split(' ')[0]);
      } else await selects(here, answer);
    }
  });
});

/** A table as psql draws it. LSNs differ from run to run. */
async function selects(sql: string, answer: readonly string[]): Promise<void> {
  const plain = (line: string): string =>
    line
      .replaceAll(/[0-9A-F]+\/[0-9A-F]+/g, 'LSN')
      .replaceAll(/ *\| */g, '|')
      .trim();
  const shown = answer.filter((line) => !/^[-+]+$/.test(line) && !/^\(\d+ rows?\)$/.test(line)).map(plain);
  const { fields } = await client.query(sql);
  const wanted = (rows: string[][]): string[] => [
    fields.map((field) => field.name).join('|'),
    ...rows.map((row) => plain(row.map((value) => value ?? '').join('|'))),
  ];
  const rows = await eventually(
    () => textRows(client, sql),
    (now) => wanted(now).join('\n') === shown.join('\n'),
    5_000,
  );
  expect(wanted(rows)).toEqual(shown);
}

/** Its lines but for the timestamp, while the README's own UPDATE happens upstream. */
async function subscribes(sql: string, answer: readonly string[]): Promise<void> {
  const subscriber = await millrace.connect();
  const seen: string[] = [];
  const wanted = answer.map((line) => line.split(/\s+/).slice(1).join(' '));
  let rest = '';
  for await (const chunk of subscriber.query(copyTo(sql)) as AsyncIterable<Buffer>) {
    if (seen.length === 0) void postgres.query(blocks('sql', 'A session')[1]!, undefined, 'shop');
    rest += chunk.toString();
    const lines = rest.split('\n');
    rest = lines.pop()!;
    seen.push(...lines.map((line) => line.split('\t').slice(1).join(' ')));
    if (seen.length >= wanted.length) break;
  }
  void subscriber.end();
  expect(seen).toEqual(wanted);
}
