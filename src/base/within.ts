/** A wait with an end: a stop must not hang on somebody who does not answer. Called where things are closed. */

/** What `work` gives, or undefined when it fails or has not come after `timeoutMs`: then it goes on by itself, unheard. */
export async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => (timer = setTimeout(resolve, timeoutMs, undefined)));
  try {
    return await Promise.race([work.catch(() => undefined), late]);
  } finally {
    clearTimeout(timer);
  }
}
