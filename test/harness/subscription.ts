/** A SUBSCRIBE left open, summed up as its lines come: what a client that keeps a copy would hold. */
import { ident } from '../../src/base/ident.ts';
import { CopyLines, type WireClient, type WireError } from './wire.ts';

export class Subscription {
  readonly relation: string;
  readonly client: WireClient;
  readonly #held = new Map<string, number>();
  /** How it ended, if it did. */
  error: WireError | undefined;

  constructor(client: WireClient, relation: string) {
    this.client = client;
    this.relation = relation;
    const lines = new CopyLines((line) => this.#take(line));
    client
      .follow(`COPY (SUBSCRIBE ${ident(relation)} WITH (PROGRESS)) TO STDOUT`, (data) => lines.take(data))
      .then(
        ({ error }) => (this.error = error ?? { sqlstate: '', message: 'it ended without an error', detail: '', hint: '' }),
        () => undefined,
      );
  }

  /** Lines of a COPY, each as often as it is held; undefined where one is held less than never. */
  rows(): string[] | undefined {
    const rows: string[] = [];
    for (const [line, weight] of this.#held) {
      if (weight < 0) return undefined;
      for (let i = 0; i < weight; i++) rows.push(line);
    }
    return rows;
  }

  close(): void {
    this.client.close();
  }

  /** `timestamp, progressed, diff, columns…`; a mark has no columns of its own. */
  #take(line: string): void {
    const timestamp = line.indexOf('\t');
    const progressed = line.indexOf('\t', timestamp + 1);
    if (line.slice(timestamp + 1, progressed) === 't') return;
    const diff = line.indexOf('\t', progressed + 1);
    const row = line.slice(diff + 1);
    const weight = (this.#held.get(row) ?? 0) + Number(line.slice(progressed + 1, diff));
    if (weight === 0) this.#held.delete(row);
    else this.#held.set(row, weight);
  }
}
