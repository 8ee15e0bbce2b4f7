import { describe, expect, test } from 'vitest';
import { ClientsMemory } from './client-memory.ts';

describe('what clients hold', () => {
  test('is taken, refused by name when it is too much, and given back', () => {
    const memory = new ClientsMemory(1_000, 600);
    const session = memory.session();
    session.take('cursors', 500);
    expect(() => session.take('settings', 101)).toThrow(
      expect.objectContaining({
        code: 'SESSION_MEMORY_EXHAUSTED',
        sqlstate: '53200',
        detail: expect.stringContaining('cursors 500 bytes') as string,
        hint: expect.stringContaining('CLOSE ALL;') as string,
      }),
    );
    session.give('cursors', 500);
    session.take('settings', 600);
    expect([session.bytes, memory.bytes]).toEqual([600, 600]);
  });

  test('of all together is bounded too, and goes with the session', () => {
    const memory = new ClientsMemory(1_000, 600);
    const [one, other] = [memory.session(), memory.session()];
    one.take('portals', 600);
    expect(() => other.take('portals', 401)).toThrow(expect.objectContaining({ code: 'CLIENTS_MEMORY_EXHAUSTED', sqlstate: '53200' }));
    expect(other.bytes).toBe(0);
    one.close();
    one.give('portals', 600);
    other.take('portals', 600);
    expect(memory.bytes).toBe(600);
  });
});
