import { expect, test } from 'vitest';
import { AuditQueue } from './audit-queue.ts';

test('one at a time, in order; who is cancelled while he waits leaves, and who runs goes on before the next begins', async () => {
  const queue = new AuditQueue();
  const events: string[] = [];
  const audit = (name: string) => async (): Promise<string> => {
    events.push(`${name} begins`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    events.push(`${name} ends`);
    return name;
  };
  const never = new AbortController().signal;
  const [running, waiting] = [new AbortController(), new AbortController()];
  const a = queue.run(running.signal, audit('a'));
  const b = queue.run(waiting.signal, audit('b'));
  const c = queue.run(never, audit('c'));
  const d = queue.run(never, () => Promise.reject(new Error('d fails')));
  const e = queue.run(never, audit('e'));
  waiting.abort();
  await expect(b).rejects.toMatchObject({ code: 'QUERY_CANCELLED' });
  running.abort();
  await expect(a).rejects.toMatchObject({ code: 'QUERY_CANCELLED' });
  await expect(d).rejects.toThrow('d fails');
  expect([await c, await e]).toEqual(['c', 'e']);
  expect(events).toEqual(['a begins', 'a ends', 'c begins', 'c ends', 'e begins', 'e ends']);
});
