/**
 * What each aggregate is: the one table. Binding, judging and running ask it; what a group keeps for one is a function of the same name in
 * `dataflow/operators/aggregate/functions`, whose table the types hold complete. All are retractable: rows leave as they came, exactly and in any order.
 */
export const AGGREGATES = {
  count: { over: 'anything', distinctMatters: true },
  sum: { over: 'amounts', distinctMatters: true },
  avg: { over: 'amounts', distinctMatters: true },
  min: { over: 'order', distinctMatters: false },
  max: { over: 'order', distinctMatters: false },
  bool_and: { over: 'anything', distinctMatters: false },
  bool_or: { over: 'anything', distinctMatters: false },
  bit_and: { over: 'bits', distinctMatters: false },
  bit_or: { over: 'bits', distinctMatters: false },
  bit_xor: { over: 'bits', distinctMatters: true },
  var_samp: { over: 'amounts', distinctMatters: true },
  var_pop: { over: 'amounts', distinctMatters: true },
  stddev_samp: { over: 'amounts', distinctMatters: true },
  stddev_pop: { over: 'amounts', distinctMatters: true },
  string_agg: { over: 'sequence', distinctMatters: true },
  array_agg: { over: 'sequence', distinctMatters: true },
  json_agg: { over: 'sequence', distinctMatters: true },
  jsonb_agg: { over: 'sequence', distinctMatters: true },
  json_object_agg: { over: 'sequence', distinctMatters: true },
  jsonb_object_agg: { over: 'sequence', distinctMatters: true },
  any_value: { over: 'sequence', distinctMatters: false },
  percentile_cont: { over: 'sequence', distinctMatters: false },
  percentile_disc: { over: 'sequence', distinctMatters: false },
  mode: { over: 'sequence', distinctMatters: false },
} as const satisfies Readonly<Record<string, AggregateFacts>>;

interface AggregateFacts {
  /** What it asks of its arguments: `amounts` are added up (in float8 the order of adding shows), `order` compares them, `bits` are whole numbers, a `sequence` has a place for each row. */
  readonly over: 'anything' | 'amounts' | 'order' | 'bits' | 'sequence';
  /** Whether DISTINCT changes its answer. */
  readonly distinctMatters: boolean;
}

export type AggregateName = keyof typeof AGGREGATES;

/** By its name in pg_proc; undefined: not one of these. */
export function aggregateNamed(name: string): AggregateName | undefined {
  const alias = ALIASES[name];
  if (alias !== undefined) return alias;
  return Object.hasOwn(AGGREGATES, name) ? (name as AggregateName) : undefined;
}

const ALIASES: Readonly<Record<string, AggregateName>> = { every: 'bool_and', variance: 'var_samp', stddev: 'stddev_samp' };
