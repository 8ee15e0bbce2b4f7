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
} as const satisfies Readonly<Record<string, AggregateFacts>>;

interface AggregateFacts {
  /** What it asks of its argument: `amounts` are added up (in float8 the order of adding shows), `order` compares them. */
  readonly over: 'anything' | 'amounts' | 'order';
  /** Whether DISTINCT changes its answer. */
  readonly distinctMatters: boolean;
}

export type AggregateName = keyof typeof AGGREGATES;

/** By its name in pg_proc; undefined: not one of these. */
export function aggregateNamed(name: string): AggregateName | undefined {
  if (name === 'every') return 'bool_and';
  return Object.hasOwn(AGGREGATES, name) ? (name as AggregateName) : undefined;
}
