import { expect, test } from 'vitest';
import type { UpstreamConnection } from '../upstream/connection/connect.ts';
import { parseConnectionString } from '../upstream/connection/parameters.ts';
import { UpstreamQuestions } from './upstream-questions.ts';

const here = parseConnectionString('host=h');
const never = new AbortController().signal;

function scene(idleMs = 1_000) {
  const made: { lost: Error | undefined; ended: boolean }[] = [];
  const questions = new UpstreamQuestions(() => {
    const connection = { lost: undefined as Error | undefined, ended: false, end: () => Promise.resolve(void (connection.ended = true)) };
    made.push(connection);
    return Promise.resolve(connection as unknown as UpstreamConnection);
  }, idleMs);
  return { made, questions };
}

test('questions share a connection, and it ends when nobody asks', async () => {
  const { made, questions } = scene(20);
  const answers = await Promise.all([1, 2, 3].map((n) => questions.ask(here, () => Promise.resolve(n), never)));
  expect([answers, made.length]).toEqual([[1, 2, 3], 1]);
  await expect.poll(() => made[0]!.ended).toBe(true);
  await questions.ask(here, () => Promise.resolve(4), never);
  expect(made).toHaveLength(2);
  await questions.ask(parseConnectionString('host=moved'), () => Promise.resolve(5), never);
  expect([made.length, made[1]!.ended]).toEqual([3, true]);
  await questions.close();
});

test('one that was lost meanwhile is made anew, once; an error of the question is the asker’s', async () => {
  const { made, questions } = scene();
  await questions.ask(here, () => Promise.resolve(1), never);
  made[0]!.lost = new Error('gone');
  const fails = (connection: UpstreamConnection): Promise<string> =>
    connection.lost === undefined ? Promise.resolve('asked again') : Promise.reject(connection.lost);
  expect(await questions.ask(here, fails, never)).toBe('asked again');
  await expect(questions.ask(here, () => Promise.reject(new Error('no')), never)).rejects.toThrow('no');
  expect(made).toHaveLength(2);
});

test('a cancelled asker does not wait', async () => {
  const { questions } = scene();
  const cancel = new AbortController();
  const asked = questions.ask(here, () => new Promise(() => undefined), cancel.signal);
  cancel.abort();
  await expect(asked).rejects.toMatchObject({ code: 'QUERY_CANCELLED' });
});
