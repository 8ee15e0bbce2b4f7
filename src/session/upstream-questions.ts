/**
 * One connection to the upstream for short questions (its WAL end): made when the first is asked, kept while there are more, ended when idle. Connecting takes longer
 * than asking, and one of the upstream's places is enough for all readers. A connection that was lost meanwhile is made anew once. Held by the coordinator.
 */
import { bounded } from '../base/bounded.ts';
import { connectUpstream, type UpstreamConnection } from '../upstream/connection/connect.ts';
import type { ConnectionParameters } from '../upstream/connection/parameters.ts';

const IDLE_MS = 30_000;

type Connect = (parameters: ConnectionParameters) => Promise<UpstreamConnection>;

export class UpstreamQuestions {
  readonly #connect: Connect;
  readonly #idleMs: number;
  #current: { readonly key: string; readonly connection: Promise<UpstreamConnection> } | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(connect: Connect = (parameters) => connectUpstream(parameters, { purpose: 'recency' }), idleMs = IDLE_MS) {
    this.#connect = connect;
    this.#idleMs = idleMs;
  }

  async ask<T>(
    parameters: ConnectionParameters,
    question: (connection: UpstreamConnection) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    return bounded(this.#answer(parameters, question), signal);
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle);
    const current = this.#current;
    this.#current = undefined;
    await current?.connection.then((connection) => connection.end()).catch(() => undefined);
  }

  async #answer<T>(parameters: ConnectionParameters, question: (connection: UpstreamConnection) => Promise<T>): Promise<T> {
    const key = JSON.stringify(parameters);
    if (this.#current !== undefined && this.#current.key !== key) await this.close();
    const isReused = this.#current !== undefined;
    const current = (this.#current ??= { key, connection: this.#connect(parameters) });
    clearTimeout(this.#idle);
    try {
      const answer = await question(await current.connection);
      this.#restLater();
      return answer;
    } catch (error) {
      const connection = await current.connection.catch(() => undefined);
      if (this.#current === current) this.#current = undefined;
      await connection?.end();
      if (isReused && (connection === undefined || connection.lost !== undefined)) return this.#answer(parameters, question);
      throw error;
    }
  }

  #restLater(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => void this.close(), this.#idleMs).unref();
  }
}
