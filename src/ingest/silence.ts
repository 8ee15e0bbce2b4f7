/**
 * A peer that vanished without a word (a NAT that forgot, a host that lost power) is given up (fault 4). The server was asked for a sign of life meanwhile
 * (`acknowledgement.ts`), so silence means that nobody is there, unless we do not read ourselves.
 */
import { millraceError, type MillraceError } from '../base/errors.ts';
import type { WalStream } from '../upstream/replication/stream.ts';

/** As a share of the server's own patience. Where it has none (wal_sender_timeout = 0), TCP keepalive finds a dead peer. */
const FACTOR = 1.5;
const LEAST_MS = 60_000;
const CHECK_MS = 5_000;

export function watchSilence(
  stream: WalStream,
  server: { host: string; port: number },
  failed: (error: MillraceError) => void,
): { stop(): void } {
  const patienceMs = Math.max(LEAST_MS, stream.walSenderTimeoutMs * FACTOR);
  const timer = setInterval(() => {
    if (stream.walSenderTimeoutMs === 0 || stream.held || performance.now() - stream.lastReceivedMs < patienceMs) return;
    const facts = { ...server, said: `nothing was heard for ${Math.round(patienceMs / 1000)} s` };
    failed(millraceError('UPSTREAM_DISCONNECTED', facts));
  }, CHECK_MS);
  return { stop: () => clearInterval(timer) };
}
