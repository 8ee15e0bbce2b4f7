/**
 * For tests only: a real Postgres as the oracle of values and functions. Each question is one SQL expression; the answer is its
 * output text, NULL, or the SQLSTATE and message of its error. Session: UTC, ISO dates, as values are on the wire.
 */
import { startPostgres, type DatabaseOptions, type TestPostgres } from '../../../test/postgres/postgres.ts';
import { literal } from '../../base/ident.ts';
import type { Collation, PgType } from '../type.ts';
import { storageOf } from '../type.ts';

export type Answer = { readonly text: string | null } | { readonly error: string };

export const C_COLLATION: Collation = { name: 'C', provider: 'c', locale: 'C', deterministic: true };

export class Postgres {
  readonly #server: TestPostgres;
  readonly #database: string;

  private constructor(server: TestPostgres, database: string) {
    this.#server = server;
    this.#database = database;
  }

  /** Text order is by bytes, unless asked for otherwise. */
  static async start(options: DatabaseOptions = { provider: 'builtin' }): Promise<Postgres> {
    const server = await startPostgres();
    await server.createDatabase('oracle', options);
    await server.query(
      `ALTER DATABASE oracle SET timezone = 'UTC';
       ALTER DATABASE oracle SET datestyle = 'ISO, MDY'; ALTER DATABASE oracle SET intervalstyle = 'postgres';`,
    );
    await server.query(
      `CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
       CREATE FUNCTION ask(question text) RETURNS text LANGUAGE plpgsql AS $$
       DECLARE answer text;
       BEGIN
         EXECUTE question INTO answer;
         RETURN 'v' || answer;
       EXCEPTION WHEN OTHERS THEN RETURN 'e' || SQLSTATE || ' ' || SQLERRM;
       END $$;`,
      undefined,
      'oracle',
    );
    await server.query(`ALTER TYPE mood ADD VALUE 'furious' BEFORE 'sad'`, undefined, 'oracle');
    return new Postgres(server, 'oracle');
  }

  async rows<T extends Record<string, unknown>>(sql: string): Promise<T[]> {
    return this.#server.query<T>(sql, undefined, this.#database);
  }

  /** Every expression evaluated by itself. */
  async answers(expressions: readonly string[]): Promise<Answer[]> {
    const questions = expressions.map((expression) => `SELECT format('%s', x) FROM (SELECT ${expression} AS x) AS s WHERE x IS NOT NULL`);
    const rows = await this.#server.query<{ answer: string | null }>(
      'SELECT ask(q) AS answer FROM unnest($1::text[]) WITH ORDINALITY AS u(q, i) ORDER BY i',
      [questions],
      this.#database,
    );
    return rows.map(({ answer }) => {
      if (answer === null) return { text: null };
      return answer.startsWith('v') ? { text: answer.slice(1) } : { error: answer.slice(1) };
    });
  }

  async close(): Promise<void> {
    await this.#server.stop();
  }
}

/** `'text'::type`. */
export function sqlLiteral(text: string | null, typeName: string): string {
  const value = text === null ? 'NULL' : literal(text);
  return `${value}::${typeName}${typeName === 'text' || typeName === 'bpchar' ? ' COLLATE "C"' : ''}`;
}

const OIDS: Readonly<Record<string, number>> = {
  boolean: 16,
  smallint: 21,
  integer: 23,
  bigint: 20,
  oid: 26,
  xid: 28,
  real: 700,
  'double precision': 701,
  numeric: 1700,
  text: 25,
  'character varying': 1043,
  character: 1042,
  bytea: 17,
  date: 1082,
  'time without time zone': 1083,
  'timestamp without time zone': 1114,
  'timestamp with time zone': 1184,
  interval: 1186,
  uuid: 2950,
  json: 114,
  jsonb: 3802,
  numrange: 3906,
};

const ARRAYS: Readonly<Record<number, number>> = { 23: 1007, 25: 1009, 1700: 1231, 701: 1022, 1186: 1187 };

export function pgType(name: string): PgType {
  if (name === 'anyenum')
    return { oid: 90_000, name: 'mood', kind: 'enum', storage: 'text', typmod: -1, labels: ['furious', 'sad', 'ok', 'happy'] };
  if (name.endsWith('[]')) {
    const element = pgType(name.slice(0, -2));
    return { oid: ARRAYS[element.oid] ?? 2277, name, kind: 'array', storage: 'text', typmod: -1, element };
  }
  const oid = OIDS[name];
  if (oid === undefined) throw new TypeError(`no type ${name} in the fixture`);
  const collatable = oid === 25 || oid === 1043 || oid === 1042;
  return {
    oid,
    name,
    kind: name.endsWith('range') ? 'range' : 'base',
    storage: storageOf(oid),
    typmod: -1,
    ...(collatable ? { collation: C_COLLATION } : {}),
  };
}
