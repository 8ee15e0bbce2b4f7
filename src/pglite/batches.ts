/**
 * A function over a batch of rows, in Postgres: an expression over $1 … $n becomes an SQL function once, which Postgres inlines into
 *
 *     SELECT array_agg(f(a1::t1, …)) FROM unnest($1::text[], …) AS u(a1, …)
 *
 * Arguments travel as text[] and are cast a row at a time (unnest would flatten nested arrays); results are printed by the type's own output function, which
 * is the text on the wire (a cast to text is not: 't' against 'true', char(n), inet). 1.4 µs a value in large batches.
 * A batch that fails does not say which row: it is halved until it is small, then each row runs under its own exception handler (45 µs a row).
 * Used by `evaluator-worker.ts`.
 */
import { literal } from '../base/ident.ts';
import { must } from '../base/assert.ts';
import type { EvaluatorRequest, RowFailure } from './evaluator-contract.ts';
import type { PostgresInstance } from './instance.ts';
import { postgresError } from './postgres-error.ts';
import { joined, request, type Complaint } from './messages.ts';
import { assignment } from './settings.ts';
import { decodeTextArray, encodeTextArray, sliceTextArray } from './text-array.ts';

/** Below this many rows, one handler a row is cheaper than further halving. */
const ROWS_ONE_BY_ONE_MAX = 256;
/** What is done between two signs of life. */
const ROWS_AT_ONCE_MAX = 2_500;
const BINARY = 1;

type Batch = Extract<EvaluatorRequest, { kind: 'evaluate' }>;

interface Prepared {
  /** Names of prepared statements: the fast one, and the one that survives failing rows. */
  readonly fast: string;
  readonly safe: string;
}

export class Batches {
  readonly #pg: PostgresInstance;
  readonly #prepared = new Map<string, Prepared>();
  #settings = '{}';

  readonly #onProgress: () => void;

  /** `onProgress`: after every part of a batch, so that a deadline can tell a slow machine from an endless call. */
  constructor(pg: PostgresInstance, onProgress: () => void) {
    this.#pg = pg;
    this.#onProgress = onProgress;
  }

  /** DDL of the enums, domains and other types that expressions name. */
  defineTypes(ddl: readonly string[]): void {
    if (ddl.length === 0) return;
    this.#pg.inTransaction('BEGIN', 'COMMIT', () => ddl.forEach((sql) => this.#pg.run(sql)));
  }

  evaluate(batch: Batch): { values: Uint8Array[]; failures: RowFailure[] } {
    this.#apply(batch.settings);
    // Literals are read when the function is made, so under the settings.
    const key = JSON.stringify([this.#settings, batch.sql, batch.argumentTypes]);
    let prepared = this.#prepared.get(key);
    if (prepared === undefined) {
      prepared = this.#prepare(batch, this.#prepared.size);
      this.#prepared.set(key, prepared);
    }
    const values: Uint8Array[] = [];
    const failures: RowFailure[] = [];
    for (let from = 0; from < batch.length; from += ROWS_AT_ONCE_MAX) {
      this.#range(prepared, batch, from, Math.min(from + ROWS_AT_ONCE_MAX, batch.length), values, failures);
    }
    return { values, failures };
  }

  #apply(settings: Readonly<Record<string, string>>): void {
    const wanted = JSON.stringify(Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1)));
    if (wanted === this.#settings) return;
    const statements = Object.entries(settings).map(([name, value]) => `; SET ${assignment(name, value)}`);
    this.#pg.run(`RESET ALL${statements.join('')}`);
    this.#settings = wanted;
  }

  #prepare({ sql, argumentTypes }: Batch, n: number): Prepared {
    const types = this.#types(argumentTypes);
    const described = this.#pg.exchange(
      joined(
        request.parse(
          `SELECT (${sql}\n)`,
          types.map(({ oid }) => oid),
        ),
        request.describeStatement(),
        request.sync(),
      ),
    );
    if (described.error !== undefined) throw postgresError(described.error, 'SELECT (');
    const output = this.#outputFunction(must(described.columns?.[0], 'the value of an expression').typeOid);
    const names = types.map((_, i) => `a${i + 1}`);
    const casts = types.map(({ name }, i) => `a${i + 1}::${name}`).join(', ');
    // The text form of the call: NULL stays NULL, since textin and the output functions are strict.
    this.#pg.run(
      `CREATE FUNCTION pg_temp.f${n}(${types.map(({ name }) => name).join(', ')}) RETURNS text RETURN pg_catalog.textin(${output}((${sql}\n)))`,
    );
    this.#pg.run(
      `CREATE FUNCTION pg_temp.s${n}(${names.map((name) => `${name} text`).join(', ')}) RETURNS text LANGUAGE plpgsql AS ${literal(
        `BEGIN RETURN 'v' || pg_temp.f${n}(${casts}); EXCEPTION WHEN OTHERS THEN RETURN 'e' || SQLSTATE || SQLERRM; END`,
      )}`,
    );
    const from =
      types.length === 0
        ? 'generate_series(1, $1::int4)'
        : `unnest(${types.map((_, i) => `$${i + 1}::text[]`).join(', ')}) AS u(${names.join(', ')})`;
    const statements = {
      fast: `SELECT array_agg(pg_temp.f${n}(${casts})) FROM ${from}`,
      safe: `SELECT array_agg(pg_temp.s${n}(${names.join(', ')})) FROM ${from}`,
    };
    for (const [kind, statement] of Object.entries(statements)) {
      const reply = this.#pg.exchange(joined(request.parse(statement, [], `${kind}${n}`), request.sync()));
      if (reply.error !== undefined) throw postgresError(reply.error);
    }
    return { fast: `fast${n}`, safe: `safe${n}` };
  }

  /** By their own names, without typmods: `character` as a cast would mean one character. */
  #types(names: readonly string[]): { oid: number; name: string }[] {
    return names.map((name) => {
      const { rows } = this.#pg.query(
        'SELECT t.oid, quote_ident(n.nspname) || $$.$$ || quote_ident(t.typname) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = $1::regtype',
        [name],
      );
      const [oid, qualified] = must(rows[0], `type ${name}`);
      return { oid: Number(oid), name: qualified! };
    });
  }

  #outputFunction(type: number): string {
    const { rows } = this.#pg.query(
      'SELECT quote_ident(n.nspname) || $$.$$ || quote_ident(p.proname) FROM pg_type t JOIN pg_proc p ON p.oid = t.typoutput JOIN pg_namespace n ON n.oid = p.pronamespace WHERE t.oid = $1::oid',
      [String(type)],
    );
    return must(rows[0]?.[0], `the output function of type ${type}`);
  }

  #range(prepared: Prepared, batch: Batch, from: number, to: number, values: Uint8Array[], failures: RowFailure[]): void {
    const result = this.#run(prepared.fast, batch, from, to);
    this.#onProgress();
    if (result instanceof Uint8Array) {
      values.push(result);
    } else if (to - from > ROWS_ONE_BY_ONE_MAX) {
      const middle = (from + to) >> 1;
      this.#range(prepared, batch, from, middle, values, failures);
      this.#range(prepared, batch, middle, to, values, failures);
    } else {
      const guarded = this.#run(prepared.safe, batch, from, to);
      // What no handler catches (out of memory): it is the whole range's failure.
      const rows =
        guarded instanceof Uint8Array
          ? decodeTextArray(guarded)
          : Array.from({ length: to - from }, () => `e${guarded.sqlstate}${guarded.message}`);
      rows.forEach((text, i) => {
        if (text !== null && text[0] === 'e') failures.push({ row: from + i, sqlstate: text.slice(1, 6), message: text.slice(6) });
      });
      values.push(encodeTextArray(rows.length, (i) => (rows[i]?.[0] === 'v' ? rows[i].slice(1) : null)));
    }
  }

  #run(statement: string, batch: Batch, from: number, to: number): Uint8Array | Complaint {
    const whole = from === 0 && to === batch.length;
    const parameters =
      batch.arguments.length === 0
        ? [String(to - from)]
        : batch.arguments.map((argument) => (whole ? argument : sliceTextArray(argument, from, to)));
    const formats = batch.arguments.length === 0 ? [] : [BINARY];
    const reply = this.#pg.exchange(joined(request.bind(parameters, formats, [BINARY], statement), request.execute(), request.sync()));
    if (reply.error !== undefined) return reply.error;
    // One DataRow of one column: 'D', length, Int16 columns, Int32 length, the array.
    return reply.rows.slice(11);
  }
}
