/**
 * Named places at which a test lets the process die as by kill -9. Armed through the environment, in the main thread and in workers alike:
 *
 *     MILLRACE_FAILPOINT=sync:3        the third time this thread comes to `sync`
 *
 * Unarmed it costs one comparison with a constant. Called by every room that has a moment worth dying at.
 */
export const failpoints = ['append', 'sync', 'ack', 'fold-commit', 'segment-deletion', 'copy', 'slot-creation', 'ddl'] as const;

export type Failpoint = (typeof failpoints)[number];

interface Armed {
  readonly name: string;
  remaining: number;
  readonly act: () => void;
}

let armed: Armed | undefined = fromEnvironment(process.env['MILLRACE_FAILPOINT']);

export function failpoint(name: Failpoint): void {
  if (armed === undefined) return;
  if (armed.name !== name || --armed.remaining > 0) return;
  const { act } = armed;
  armed = undefined;
  act();
}

/** For tests in one process: `act` (usually a throw) stands in for death. Returns the disarming. */
export function armFailpoint(name: Failpoint, nth: number, act: () => void): () => void {
  armed = { name, remaining: nth, act };
  return () => {
    armed = undefined;
  };
}

function fromEnvironment(text: string | undefined): Armed | undefined {
  const match = /^([a-z-]+)(?::(\d+))?$/.exec(text ?? '');
  return match === null ? undefined : { name: match[1]!, remaining: Number(match[2] ?? 1), act: die };
}

function die(): void {
  process.kill(process.pid, 'SIGKILL');
  // A signal may take a moment to arrive; nothing may happen in it.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}
