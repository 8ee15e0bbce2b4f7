/**
 * For the tests of operators: rows as Postgres prints them in, deltas out, with everything checked that holds of every operator. No product code calls this.
 */
import { assert } from '../../base/assert.ts';
import { rowLayout, type RowLayout } from '../../values/layout.ts';
import type { ErrorSink } from '../../values/space.ts';
import { storageOf, type Column, type PgType } from '../../values/type.ts';
import { DeltaBlock } from '../arrangement/delta-block.ts';
import { compileFormat, compileParse } from '../expression/rows.ts';
import type { Expression } from '../../plan/expression.ts';
import type { AggregateCall, Scan } from '../../plan/plan.ts';
import type { Operator } from '../operators/operator.ts';

const OIDS = {
  boolean: 16,
  smallint: 21,
  integer: 23,
  bigint: 20,
  real: 700,
  'double precision': 701,
  numeric: 1700,
  text: 25,
  character: 1042,
  date: 1082,
  'timestamp without time zone': 1114,
  interval: 1186,
  uuid: 2950,
} as const;

const OTHERS = {
  'integer[]': { oid: 1007, kind: 'array', element: base(23, 'integer') },
  'numeric[]': { oid: 1231, kind: 'array', element: base(1700, 'numeric') },
  mood: { oid: 90_000, kind: 'enum', labels: ['sad', 'ok', 'happy'] },
} as const;

export type TypeName = keyof typeof OIDS | keyof typeof OTHERS;
export type Row = readonly (string | null)[];

export function type(name: TypeName): PgType {
  if (name in OIDS) return base(OIDS[name as keyof typeof OIDS], name);
  return { name, storage: 'text', typmod: -1, ...OTHERS[name as keyof typeof OTHERS] };
}

function base(oid: number, name: string): PgType {
  return { oid, name, kind: 'base', storage: storageOf(oid), typmod: -1 };
}

export function columns(...names: TypeName[]): Column[] {
  return names.map((name, index) => ({ name: `c${index}`, type: type(name) }));
}

export function scan(...names: TypeName[]): Scan {
  return { op: 'scan', object: 't', pick: names.map((_, index) => index), columns: columns(...names) };
}

export function layoutOf(input: Scan): RowLayout {
  return rowLayout(input.columns.map((column) => column.type));
}

export function column(index: number, name: TypeName): Expression {
  return { kind: 'column', index, type: type(name) };
}

/** An aggregate over a column, with the result type that Postgres gives it. */
export function call(fn: AggregateCall['fn'], index?: number, of: TypeName = 'integer', more: Partial<AggregateCall> = {}): AggregateCall {
  const base = { fn, proc: 0, distinct: false, type: type(resultOf(fn, of)), ...more };
  return index === undefined ? base : { ...base, arg: column(index, of) };
}

function resultOf(fn: AggregateCall['fn'], of: TypeName): TypeName {
  switch (fn) {
    case 'count':
      return 'bigint';
    case 'bool_and':
    case 'bool_or':
      return 'boolean';
    case 'min':
    case 'max':
    case 'bit_and':
    case 'bit_or':
    case 'bit_xor':
    case 'any_value':
    case 'mode':
    case 'percentile_disc':
      return of;
    case 'percentile_cont':
      return 'double precision';
    case 'string_agg':
    case 'json_agg':
    case 'jsonb_agg':
    case 'json_object_agg':
    case 'jsonb_object_agg':
      return 'text';
    case 'array_agg':
      return of === 'numeric' ? 'numeric[]' : 'integer[]';
    case 'var_samp':
    case 'var_pop':
    case 'stddev_samp':
    case 'stddev_pop':
      return of === 'real' || of === 'double precision' ? 'double precision' : 'numeric';
    case 'sum':
      if (of === 'bigint') return 'numeric';
      return of === 'integer' || of === 'smallint' ? 'bigint' : of;
    case 'avg':
      if (of === 'interval') return of;
      return of === 'real' || of === 'double precision' ? 'double precision' : 'numeric';
  }
}

/** Drives one operator. Deltas are consolidated before they go in; what comes out is consolidated and added up. */
export class Harness {
  readonly #operator: Operator;
  readonly #input: DeltaBlock;
  readonly #parse: ReturnType<typeof compileParse>;
  readonly #output: DeltaBlock;
  readonly #format: ReturnType<typeof compileFormat>;
  /** What went in and what came out so far: row as JSON → weight. */
  readonly inputs = new Map<string, number>();
  readonly outputs = new Map<string, number>();
  readonly errors = new Map<string, number>();

  constructor(operator: Operator, input: RowLayout, output: RowLayout) {
    this.#operator = operator;
    this.#input = new DeltaBlock(input);
    this.#parse = compileParse(input);
    this.#output = new DeltaBlock(output);
    this.#format = compileFormat(output);
  }

  start(): string[] {
    const log = new Map<string, number>();
    this.#operator.start?.(this.#output, this.#sink(log));
    return this.#collect(log);
  }

  /** One step: [weight, row] pairs. Returns the output delta as lines `+1 a b`, sorted. */
  step(delta: readonly (readonly [number, Row])[]): string[] {
    const consolidated = new Map<string, number>();
    for (const [weight, row] of delta) add(consolidated, JSON.stringify(row), weight);
    for (const [key, weight] of consolidated) {
      this.#parse(JSON.parse(key) as Row, this.#input, this.#input.push(weight));
      add(this.inputs, key, weight);
      assert((this.inputs.get(key) ?? 0) >= 0, `the test retracts a row that is not there: ${key}`);
    }
    const log = new Map<string, number>();
    this.#operator.step(this.#input, this.#output, this.#sink(log));
    this.#input.clear();
    return this.#collect(log);
  }

  /** Rows of a collection, each as often as it is there. */
  static rows(collection: ReadonlyMap<string, number>): Row[] {
    return [...collection].flatMap(([key, weight]) => Array.from({ length: weight }, () => JSON.parse(key) as Row));
  }

  stateBytes(): number {
    return this.#operator.stateBytes();
  }

  #sink(log: Map<string, number>): ErrorSink {
    return {
      add: (sqlstate, message, weight) => {
        add(this.errors, `${sqlstate} ${message}`, weight);
        add(log, `${sqlstate} ${message}`, weight);
      },
    };
  }

  #collect(errors: ReadonlyMap<string, number>): string[] {
    const delta = new Map<string, number>();
    for (let i = 0; i < this.#output.length; i++) {
      const row = JSON.stringify(this.#format(this.#output, this.#output.rowAddress(i)));
      add(delta, row, this.#output.weights[i]!);
      add(this.outputs, row, this.#output.weights[i]!);
    }
    this.#output.clear();
    for (const [row, weight] of this.outputs) assert(weight > 0, `multiplicity ${weight} of ${row}`);
    const lines = [...delta].map(([row, weight]) => `${signed(weight)} ${(JSON.parse(row) as Row).map((value) => value ?? '∅').join(' ')}`);
    const failures = [...errors].map(([error, weight]) => `${signed(weight)} error ${error}`);
    return [...lines, ...failures].sort((a, b) => (a.slice(3) < b.slice(3) ? -1 : a.slice(3) > b.slice(3) ? 1 : a < b ? 1 : -1));
  }
}

function signed(weight: number): string {
  return weight > 0 ? `+${weight}` : `${weight}`;
}

function add(collection: Map<string, number>, key: string, weight: number): void {
  const sum = (collection.get(key) ?? 0) + weight;
  if (sum === 0) collection.delete(key);
  else collection.set(key, sum);
}
