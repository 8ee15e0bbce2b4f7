import { expect, test } from 'vitest';
import { change, connectionBroke, waitUntil, type Patience, type Trouble } from './patience.ts';

const QUICK: Patience = { pollMs: 1, retryMs: 1, triesMax: 3, operationTimeoutMs: 50, restartTimeoutMs: 50 };

/** A cloud that answers with these troubles first, then well; counts how often it did what it was asked. */
function cloud(troubles: readonly Trouble[], carriesOutLost = true) {
  let [sent, effects] = [0, 0];
  return {
    get counts() {
      return { sent, effects };
    },
    send: (): Promise<string> => {
      const trouble = troubles[sent++];
      if (trouble === undefined || (trouble === 'lost' && carriesOutLost)) effects++;
      return trouble === undefined ? Promise.resolve('done') : Promise.reject(new Error(trouble));
    },
    done: (): Promise<string | undefined> => Promise.resolve(effects > 0 ? 'found done' : undefined),
  };
}

function run({ send, done }: ReturnType<typeof cloud>): Promise<string> {
  return change({
    operation: 'RebootDBInstance',
    send,
    done,
    trouble: (error) => (error as Error).message as Trouble,
    translate: (error) => new Error(`translated ${(error as Error).message}`),
    patience: QUICK,
  });
}

test.each([
  // troubles                                carried out though lost   outcome        requests, effects
  [[], true, 'done', { sent: 1, effects: 1 }],
  [['throttled'], true, 'done', { sent: 2, effects: 1 }],
  [['lost'], true, 'found done', { sent: 1, effects: 1 }],
  [['lost'], false, 'done', { sent: 2, effects: 1 }],
  [['busy', 'busy', 'busy', 'busy'], true, 'done', { sent: 5, effects: 1 }],
  [['throttled', 'lost'], true, 'found done', { sent: 2, effects: 1 }],
] as const)('%o, then well (lost is carried out: %s): %s, %o', async (troubles, carriesOutLost, outcome, counts) => {
  const fake = cloud(troubles, carriesOutLost);
  expect(await run(fake)).toBe(outcome);
  expect(fake.counts).toEqual(counts);
});

test('throttled for ever ends after the tries', async () => {
  await expect(run(cloud(Array<Trouble>(10).fill('throttled')))).rejects.toMatchObject({ code: 'CLOUD_UNREACHABLE' });
});

test('busy for ever ends with the time', async () => {
  await expect(run(cloud(Array<Trouble>(10_000).fill('busy')))).rejects.toMatchObject({ code: 'CLOUD_WAIT_EXPIRED' });
});

test('what is final is final', async () => {
  const fake = cloud(['final']);
  await expect(run(fake)).rejects.toThrow('translated final');
  expect(fake.counts.sent).toBe(1);
});

test('a wait tells what it sees, and ends with the time', async () => {
  const lines: string[] = [];
  const wait = {
    what: 'reboot of shop',
    where: 'the console',
    restarts: false,
    progress: (line: string) => lines.push(line),
  };
  let looks = 0;
  await waitUntil(QUICK, wait, () => Promise.resolve({ done: ++looks === 3, seen: looks === 3 ? 'available' : 'rebooting' }));
  expect(lines).toEqual(['reboot of shop: rebooting', 'reboot of shop: rebooting', 'reboot of shop: available']);
  await expect(waitUntil(QUICK, wait, () => Promise.resolve({ done: false, seen: 'rebooting' }))).rejects.toMatchObject({
    code: 'CLOUD_WAIT_EXPIRED',
  });
});

test('a broken connection is known however deep it lies', () => {
  const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
  expect(connectionBroke(new TypeError('fetch failed', { cause: reset }))).toBe(true);
  expect(connectionBroke(new Error('outer', { cause: new Error('middle', { cause: reset }) }))).toBe(true);
  expect(connectionBroke(new Error('access denied'))).toBe(false);
});
