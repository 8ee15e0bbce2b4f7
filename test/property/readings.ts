/**
 * One query, asked of Postgres and, through several sessions and roads, of Millrace. The rows in text are compared as values (a group may show either representative, 1.0 or
 * 1.00); every other road must bring what Postgres's own brings, or where representatives differ what our first road brought. A row that carries the canary of a table that
 * was not asked for is a leak.
 */
import { compare, type AuditedColumn } from '../../src/audit/compare.ts';
import { differenceOf, formOf, read, ROADS, type Read, type Road } from '../harness/roads.ts';
import { Subscription } from '../harness/subscription.ts';
import { WireClient, type Address, type WireError } from '../harness/wire.ts';
import { canonicalOf } from './canonical-text.ts';
import type { Dice, RandomTable } from './random-schema.ts';

const SESSIONS = 3;
/** A subscription may be so far behind a read with recency. */
const SUMMED_WITHIN_MS = 10_000;

export type Reading =
  | { readonly kind: 'equal' }
  /** Postgres itself does not answer: no comparison. */
  | { readonly kind: 'no answer' }
  | { readonly kind: 'refused'; readonly error: WireError }
  | {
      readonly kind: 'different';
      readonly road: string;
      readonly onlyUpstream: readonly string[];
      readonly onlyMillrace: readonly string[];
    };

export class Readings {
  readonly #upstream: WireClient;
  readonly #sessions: readonly WireClient[];
  readonly #tables: readonly RandomTable[];
  readonly #dice: Dice;
  readonly #address: Address;
  readonly #subscriptions = new Map<string, Subscription>();
  #turn = 0;

  static async open(upstream: Address, millrace: Address, tables: readonly RandomTable[], dice: Dice): Promise<Readings> {
    const client = await WireClient.open(upstream);
    await client.simple(`SET timezone = 'UTC'; SET extra_float_digits = 1; SET intervalstyle = postgres`);
    const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => WireClient.open(millrace)));
    for (const session of sessions) await session.simple('SET real_time_recency = true');
    return new Readings(client, sessions, tables, dice, millrace);
  }

  private constructor(upstream: WireClient, sessions: readonly WireClient[], tables: readonly RandomTable[], dice: Dice, address: Address) {
    this.#upstream = upstream;
    this.#sessions = sessions;
    this.#tables = tables;
    this.#dice = dice;
    this.#address = address;
  }

  /** Left open until the end; its sum is looked at whenever the view is. */
  async subscribe(view: string): Promise<void> {
    this.#subscriptions.set(view, new Subscription(await WireClient.open(this.#address), view));
  }

  /** `ours` at Millrace against `theirs` at Postgres: in text first, then by a road that is drawn, while another session reads another table. */
  async reading(ours: string, theirs: string, view?: string): Promise<Reading> {
    const expected = await read(this.#upstream, theirs, 'simple');
    if (expected.error !== undefined) return { kind: 'no answer' };
    const road = this.#dice.pick(ROADS);
    const beside = this.#dice.pick(this.#tables);
    const [first, other] = [this.#session(), this.#session()];
    const [answer, neighbours] = await Promise.all([read(first, ours, 'simple'), read(other, `SELECT * FROM ${beside.name}`, 'text')]);
    const leak = this.#leak(ours, answer) ?? this.#leak(beside.name, neighbours);
    if (leak !== undefined) return leak;
    if (answer.error !== undefined) return { kind: 'refused', error: answer.error };
    const columns: AuditedColumn[] = expected.fields.map(({ name, typeOid }) => ({
      name,
      type: { oid: typeOid, name: '', kind: 'base', storage: 'text', typmod: -1 },
      approximate: false,
      ...canonicalOf(typeOid),
    }));
    const values = compare(columns, expected.rows.map(valuesOf), answer.rows.map(valuesOf));
    if (values.differences > 0 || answer.fields.length !== expected.fields.length)
      return different(
        'simple',
        values.onlyUpstream.map((row) => JSON.stringify(row)),
        values.onlyMillrace.map((row) => JSON.stringify(row)),
      );
    const identical = differenceOf(expected.rows, answer.rows) === undefined;
    return (await this.#byRoad(ours, theirs, road, identical ? undefined : answer)) ?? (await this.#summedUp(view)) ?? { kind: 'equal' };
  }

  close(): void {
    for (const client of [this.#upstream, ...this.#sessions]) client.close();
    for (const subscription of this.#subscriptions.values()) subscription.close();
  }

  async #byRoad(ours: string, theirs: string, road: Road, representative: Read | undefined): Promise<Reading | undefined> {
    const form = formOf(road);
    if (representative !== undefined && form !== 'text') return undefined;
    const expected =
      representative ?? (await read(this.#upstream, theirs, form === 'binary' ? 'binary' : form === 'line' ? 'copy' : 'simple'));
    const answer = await read(this.#session(), ours, road);
    // A type without a binary format is said to be one.
    if (answer.error !== undefined)
      return /binary format/.test(answer.error.message) ? undefined : { kind: 'refused', error: answer.error };
    const difference = differenceOf(expected.rows, answer.rows);
    return difference === undefined ? this.#leak(ours, answer) : different(road, difference.onlyUpstream, difference.onlyMillrace);
  }

  /** A subscription comes to what a COPY of its view brings at the same tick: nothing changes meanwhile. */
  async #summedUp(view: string | undefined): Promise<Reading | undefined> {
    const subscription = view === undefined ? undefined : this.#subscriptions.get(view);
    if (view === undefined || subscription === undefined) return undefined;
    const expected = await read(this.#session(), `SELECT * FROM ${view}`, 'copy');
    const until = performance.now() + SUMMED_WITHIN_MS;
    for (;;) {
      const difference = differenceOf(expected.rows, subscription.rows() ?? ['a row less than never']);
      if (difference === undefined || subscription.error !== undefined) break;
      if (performance.now() > until) return different('subscribe', difference.onlyUpstream, difference.onlyMillrace);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    if (subscription.error === undefined) return undefined;
    this.#subscriptions.delete(view);
    return { kind: 'refused', error: subscription.error };
  }

  #leak(ours: string, answer: Read): Reading | undefined {
    // A view's text is not known here: it may read any table, a table alone reads itself.
    const table = this.#tables.find(({ name }) => ours === name);
    if (table === undefined) return undefined;
    const foreign = this.#tables.filter((one) => one !== table && answer.rows.some((row) => row.includes(one.canary)));
    return foreign.length === 0
      ? undefined
      : different(
          'leak',
          [],
          foreign.map(({ canary }) => `${table.name} shows ${canary}`),
        );
  }

  #session(): WireClient {
    return this.#sessions[this.#turn++ % this.#sessions.length]!;
  }
}

function different(road: string, onlyUpstream: readonly string[], onlyMillrace: readonly string[]): Reading {
  const shown = (rows: readonly string[]): string[] => rows.slice(0, 5).map((row) => row.slice(0, 1_000));
  return { kind: 'different', road, onlyUpstream: shown(onlyUpstream), onlyMillrace: shown(onlyMillrace) };
}

/** `roads.ts` writes a value's length before it. */
function valuesOf(row: string): (string | null)[] {
  const values: (string | null)[] = [];
  for (let at = 0; at < row.length;) {
    if (row[at] === 'n') {
      values.push(null);
      at++;
      continue;
    }
    const colon = row.indexOf(':', at);
    const end = colon + 1 + Number(row.slice(at, colon));
    values.push(Buffer.from(row.slice(colon + 1, end), 'latin1').toString());
    at = end;
  }
  return values;
}
