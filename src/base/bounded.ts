/** A wait for work that somebody asked for: it ends when the asker cancels or the time is over. The work goes on by itself, unheard. */
import { millraceError } from './errors.ts';

/** `late`: the error after `timeoutMs`; without it there is no such end. Rejects with QUERY_CANCELLED when `signal` is aborted. */
export async function bounded<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  late?: { readonly timeoutMs: number; error(): Error },
): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const cancel = (): void => reject(millraceError('QUERY_CANCELLED', {}));
  const timer = late === undefined ? undefined : setTimeout(() => reject(late.error()), late.timeoutMs);
  if (signal?.aborted === true) cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', cancel);
  }
}
