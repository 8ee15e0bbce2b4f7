/**
 * The aggregates of a plan node → what is kept for them. Several aggregates over one argument share what they can (sum and avg, min and max).
 * FILTER goes into the argument: `CASE WHEN filter THEN argument END`, because these aggregates skip NULLs, and because an argument that fails must not be
 * evaluated where the filter is not true. Those that do not skip them are sequences, which are told what counts (`sequence.ts`). Called by `aggregate.ts` when a view is made.
 */
import { assert, AssertionError } from '../../../../base/assert.ts';
import { baseOid } from '../../../../values/codec.ts';
import type { ColumnLayout, RowLayout } from '../../../../values/layout.ts';
import type { PgType } from '../../../../values/type.ts';
import type { WordPool } from '../../../arrangement/ordered-pool.ts';
import { AGGREGATES, type AggregateName } from '../../../../plan/aggregates.ts';
import type { Expression } from '../../../../plan/expression.ts';
import type { AggregateCall } from '../../../../plan/plan.ts';
import type { Accumulator, Result } from './accumulator.ts';
import { Bits, bitsOf } from './bits.ts';
import { allOrAny, Booleans } from './booleans.ts';
import { Count, countResult } from './count.ts';
import { type Deviation, deviationOfFloat, deviationOfNumeric } from './deviations.ts';
import { DistinctValues } from './distinct-values.ts';
import { Extremes, extreme } from './extremes.ts';
import { averageOfFloat, FloatSum, sumOfFloat } from './float-sum.ts';
import { averageOfInterval, IntervalSum, sumOfInterval } from './interval-sum.ts';
import { averageOfNumeric, NumericSum, sumOfNumeric } from './numeric-sum.ts';
import { DOUBLE, SINGLE } from './rounding.ts';
import { BOOL, onlyWhere, type Projection, TRUE } from './projection.ts';
import { readSequence, type SequenceName } from './sequence-results.ts';
import { placeSequence } from './sequence-places.ts';
import { type SequencePlaces, Sequences } from './sequence.ts';
import { averageOfWhole, sumAsInt8, sumAsNumeric, WholeSum } from './whole-sum.ts';

const NUMERIC: PgType = { oid: 1700, name: 'numeric', kind: 'base', storage: 'numeric', typmod: -1 };
/** smallint, integer, bigint: the cast. */
const TO_NUMERIC: ReadonlyMap<number, number> = new Map([
  [21, 1782],
  [23, 1740],
  [20, 1781],
]);
const INT8 = 20;
const FLOAT4 = 700;

/** A call with the places of its argument in the projection; none for count(*). Of a sequence there are several. */
export interface PlacedCall {
  readonly call: AggregateCall;
  readonly argument?: { readonly shown: number; readonly canonical: number };
  readonly sequence?: SequencePlaces;
}

export function placeCall(call: AggregateCall, projection: Projection): PlacedCall {
  if (AGGREGATES[call.fn].over === 'sequence') return { call, sequence: placeSequence(call, projection) };
  const argument = argumentOf(call);
  if (argument === undefined) return { call };
  const shown = projection.add(argument);
  return { call, argument: { shown, canonical: isDistinct(call) ? projection.addCanonical(argument) : shown } };
}

function isDistinct({ distinct, fn }: AggregateCall): boolean {
  return distinct && AGGREGATES[fn].distinctMatters;
}

function argumentOf(call: AggregateCall): Expression | undefined {
  let argument = call.arg;
  const toNumeric = isDeviation(call.fn) && argument !== undefined ? TO_NUMERIC.get(baseOid(argument.type)) : undefined;
  if (argument !== undefined && toNumeric !== undefined) {
    argument = { kind: 'call', proc: toNumeric, procName: 'pg_catalog.numeric', args: [argument], strict: true, type: NUMERIC };
  }
  // Counting needs no copy of a text, only whether there is one.
  if (call.fn === 'count' && !call.distinct && argument?.type.storage === 'text') {
    argument = onlyWhere({ kind: 'isNull', arg: argument, negated: true, type: BOOL }, TRUE);
  }
  if (call.filter === undefined) return argument;
  return onlyWhere(call.filter, argument ?? TRUE);
}

/** What a group keeps, and how each aggregate reads it. */
export interface Kept {
  readonly accumulators: readonly Accumulator[];
  /** One a call, in order. */
  readonly results: readonly Result[];
  /** Words of the header that are taken, from its start. */
  readonly headerWords: number;
}

interface Kind {
  readonly words: number;
  readonly name: string;
}

interface Shared<A> {
  readonly at: number;
  readonly accumulator: A;
}

/** What an aggregate keeps of an argument of this type, and how it reads that; `share` gives the accumulator that aggregates over one argument have in common. */
type Keep = (
  call: AggregateCall,
  type: PgType,
  pool: WordPool,
  share: <A extends Accumulator>(kind: Kind, make: (argument: ColumnLayout, at: number) => A) => Shared<A>,
) => Result;

const booleans: Keep = ({ fn }, _type, _pool, share) =>
  allOrAny(fn === 'bool_and' ? fn : 'bool_or', share(Booleans, (argument, at) => new Booleans(argument, at)).at);

const extremes: Keep = ({ fn, collation }, _type, pool, share) =>
  extreme(share(Extremes, (argument, at) => new Extremes(argument, at, pool, collation)).accumulator, fn === 'min' ? fn : 'max');

const sumOrAverage: Keep = ({ fn }, type, pool, share) => {
  const sum = fn === 'sum';
  switch (type.storage) {
    case 'int32':
    case 'int64': {
      const { at } = share(WholeSum, (argument, place) => new WholeSum(argument, place));
      if (!sum) return averageOfWhole(at);
      return baseOid(type) === INT8 ? sumAsNumeric(at) : sumAsInt8(at);
    }
    case 'numeric': {
      const { accumulator } = share(NumericSum, (argument, at) => new NumericSum(argument, at, pool));
      return sum ? sumOfNumeric(accumulator) : averageOfNumeric(accumulator);
    }
    case 'float64': {
      const { accumulator, at } = share(FloatSum, (argument, place) => new FloatSum(argument, place, pool));
      return sum ? sumOfFloat(accumulator, at, baseOid(type) === FLOAT4 ? SINGLE : DOUBLE) : averageOfFloat(accumulator, at);
    }
    case 'interval': {
      const { at } = share(IntervalSum, (argument, place) => new IntervalSum(argument, place));
      return sum ? sumOfInterval(at) : averageOfInterval(at);
    }
    case 'bool':
    case 'uuid':
    case 'text':
      throw new AssertionError(`${fn} of ${type.name}`);
  }
};

const bits: Keep = ({ fn }, type, _pool, share) =>
  bitsOf(
    fn as 'bit_and' | 'bit_or' | 'bit_xor',
    share(type.storage === 'int64' ? Bits.wide : Bits.narrow, (argument, at) => new Bits(argument, at)).at,
  );

function isDeviation(fn: AggregateName): fn is Deviation {
  return fn.startsWith('var_') || fn.startsWith('stddev_');
}

const deviations: Keep = ({ fn }, type, pool, share) => {
  assert(isDeviation(fn), () => `${fn} is no deviation`);
  if (type.storage === 'float64') {
    const kind = { name: 'FloatSum of squares', words: FloatSum.words };
    return deviationOfFloat(share(kind, (argument, at) => new FloatSum(argument, at, pool, 'all')).accumulator, fn);
  }
  const sums = share(NumericSum, (argument, at) => new NumericSum(argument, at, pool));
  const kind = { name: 'NumericSum of squares', words: NumericSum.words };
  const squares = share(kind, (argument, at) => new NumericSum(argument, at, pool, 'squares'));
  return deviationOfNumeric(sums.accumulator, squares.accumulator, fn);
};

const KEPT: Readonly<Record<Exclude<AggregateName, SequenceName>, Keep>> = {
  count: (_call, _type, _pool, share) => countResult(share(Count, (argument, at) => new Count(argument, at)).at),
  sum: sumOrAverage,
  avg: sumOrAverage,
  min: extremes,
  max: extremes,
  bool_and: booleans,
  bool_or: booleans,
  bit_and: bits,
  bit_or: bits,
  bit_xor: bits,
  var_samp: deviations,
  var_pop: deviations,
  stddev_samp: deviations,
  stddev_pop: deviations,
};

/** `firstWord`: where the accumulators' part of the header begins; `rowCount`: where the group's row count is. */
export function keep(calls: readonly PlacedCall[], layout: RowLayout, pool: WordPool, firstWord: number, rowCount: number): Kept {
  const made = new Map<string, { at: number; accumulator: Accumulator }>();
  const accumulators: Accumulator[] = [];
  let headerWords = firstWord;

  function shared<A extends Accumulator>(placed: PlacedCall, kind: Kind, make: (argument: ColumnLayout, at: number) => A): Shared<A> {
    const { shown, canonical } = placed.argument!;
    const distinct = isDistinct(placed.call);
    const key = JSON.stringify([kind.name, shown, distinct, kind === Extremes ? placed.call.collation : undefined]);
    const known = made.get(key);
    if (known !== undefined) return known as { at: number; accumulator: A };
    const at = headerWords;
    headerWords += kind.words;
    const values = distinct ? new DistinctValues(layout, shown, canonical) : undefined;
    const accumulator = make(values?.argument ?? layout.columns[shown]!, at);
    accumulators.push(values?.feed(accumulator) ?? accumulator);
    made.set(key, { at, accumulator });
    return { at, accumulator };
  }

  /** Sequences over the same arguments in the same order are one. */
  function sequence(places: SequencePlaces): Sequences {
    const key = JSON.stringify(places);
    const known = made.get(key);
    if (known !== undefined) return known.accumulator as Sequences;
    const at = headerWords;
    headerWords += Sequences.words;
    const accumulator = new Sequences(layout, places, at, pool);
    accumulators.push(accumulator);
    made.set(key, { at, accumulator });
    return accumulator;
  }

  const results = calls.map((placed): Result => {
    const { call } = placed;
    if (placed.sequence !== undefined) return readSequence(sequence(placed.sequence), call);
    if (placed.argument === undefined) {
      assert(call.fn === 'count', () => `${call.fn} without an argument`);
      return countResult(rowCount);
    }
    const shown = layout.columns[placed.argument.shown]!;
    return KEPT[call.fn as keyof typeof KEPT](call, shown.type, pool, (kind, make) => shared(placed, kind, make));
  });
  return { accumulators, results, headerWords };
}
