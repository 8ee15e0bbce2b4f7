/**
 * How the aggregates of a sequence read it: the one table, by name. Pure over the state. Called by `calls.ts`.
 * Cost: the whole group, or (any_value, percentile_…) the places asked for.
 */
import { fail } from '../../../../values/failure.ts';
import { formatFloat8 } from '../../../../values/float.ts';
import type { RowSpace } from '../../../../values/space.ts';
import { writeText } from '../../../../values/text.ts';
import type { AGGREGATES, AggregateName } from '../../../../plan/aggregates.ts';
import { isManifold } from '../../../../plan/facts/type.ts';
import type { AggregateCall } from '../../../../plan/plan.ts';
import { type Result, setNull } from './accumulator.ts';
import { copySlot } from './slot.ts';
import { ofArray, ofJson, ofKey, ofString, openingOfString, Parts } from './sequence-text.ts';
import type { Sequences } from './sequence.ts';

export type SequenceName = { [Name in AggregateName]: (typeof AGGREGATES)[Name]['over'] extends 'sequence' ? Name : never }[AggregateName];

/** Of one call. */
type Read = (sequences: Sequences, call: AggregateCall) => Result;

/** The text over all rows, in order; `part` is told whether it is the first. */
type Part = (row: number, parts: Parts) => void;

const READS: Readonly<Record<SequenceName, Read>> = {
  string_agg(sequences, call) {
    const [value, separator] = sequences.shown.map(ofString);
    const { rows } = sequences;
    const part: Part = (row, parts) => parts.add(value!(rows, row)!);
    const between: Part = (row, parts) => parts.add(separator!(rows, row) ?? '');
    return text(sequences, call, part, between, openingOfString(sequences.shown[0]!), '');
  },

  array_agg(sequences, call) {
    const { element, between } = ofArray(sequences.shown[0]!);
    return text(
      sequences,
      call,
      (row, parts) => parts.add(element(sequences.rows, row)!),
      (_row, parts) => parts.add(between),
      '{',
      '}',
    );
  },

  json_agg: jsonArray,
  jsonb_agg: jsonArray,

  json_object_agg(sequences, call) {
    const key = ofKey(sequences.shown[0]!);
    const value = ofJson(sequences.shown[1]!, false);
    const { rows } = sequences;
    const part: Part = (row, parts) => {
      const name = key(rows, row) ?? fail('22004', 'null value not allowed for object key');
      parts.add(`${JSON.stringify(name)} : ${value(rows, row)}`);
    };
    return text(sequences, call, part, (_row, parts) => parts.add(', '), '{ ', ' }');
  },

  jsonb_object_agg: jsonbObject,

  any_value: (sequences) => atPlace(sequences, () => 0),

  percentile_disc(sequences, call) {
    return atFraction(call, (fraction) => atPlace(sequences, (count) => Math.max(0, Math.ceil(fraction * count) - 1)));
  },

  percentile_cont(sequences, call) {
    const { offset } = sequences.shown[0]!;
    const valueAt = (states: RowSpace, group: number, place: number): number =>
      sequences.rows.doubles[(sequences.rowAt(states, group, place) + offset) >> 1]!;
    return atFraction(call, (fraction) => (states, group, into, row, column) => {
      const count = sequences.count(states, group);
      if (count === 0) return setNull(into, row, column);
      const place = fraction * (count - 1);
      const [below, above] = [Math.floor(place), Math.ceil(place)];
      const low = valueAt(states, group, below);
      into.doubles[(row + column.offset) >> 1] = below === above ? low : low + (place - below) * (valueAt(states, group, above) - low);
    });
  },

  /** Of several most frequent ones the first. */
  mode: (sequences) => (states, group, into, row, column) => {
    const { rows, compareKeys } = sequences;
    let first = 0;
    let seen = 0;
    let best = 0;
    let most = 0;
    sequences.range(states, group, 0, Infinity, (at, copies) => {
      if (seen > 0 && compareKeys(rows, first, rows, at) === 0) seen += copies;
      else {
        first = at;
        seen = copies;
      }
      if (seen > most) {
        most = seen;
        best = first;
      }
    });
    if (most === 0) setNull(into, row, column);
    else copySlot(rows, best, sequences.shown[0]!, into, row, column);
  },
};

export function readSequence(sequences: Sequences, call: AggregateCall): Result {
  return READS[call.fn as SequenceName](sequences, call);
}

function jsonArray(sequences: Sequences, call: AggregateCall): Result {
  const binary = call.fn === 'jsonb_agg';
  const value = ofJson(sequences.shown[0]!, binary);
  // Postgres begins a line with each array or row.
  const isLines = call.fn === 'json_agg' && isManifold(call.arg!.type);
  const part: Part = (row, parts) => parts.add(value(sequences.rows, row)!);
  const between: Part = (row, parts) => parts.add(isLines && value(sequences.rows, row) !== 'null' ? ', \n ' : ', ');
  return text(sequences, call, part, between, '[', ']');
}

/** The last value of a key counts; keys by length, then bytes. */
function jsonbObject(sequences: Sequences, { fn }: AggregateCall): Result {
  const key = ofKey(sequences.shown[0]!);
  const value = ofJson(sequences.shown[1]!, true);
  const { rows } = sequences;
  return (states, group, into, row, column) => {
    if (sequences.count(states, group) === 0) return setNull(into, row, column);
    const fields = new Map<string, string>();
    sequences.range(states, group, 0, Infinity, (at) => {
      fields.set(key(rows, at) ?? fail('22023', 'field name must not be null'), value(rows, at)!);
    });
    const inOrder = [...fields].map(([name, field]) => ({ name, bytes: Buffer.from(name), field }));
    inOrder.sort((a, b) => a.bytes.length - b.bytes.length || a.bytes.compare(b.bytes));
    const parts = new Parts(fn);
    for (const { name, field } of inOrder) parts.add(`${parts.isEmpty ? '' : ', '}${JSON.stringify(name)}: ${field}`);
    writeText(parts.done('{', '}'), into, row + column.offset);
  };
}

/** The value at a place that depends on how many there are. */
function atPlace(sequences: Sequences, placeOf: (count: number) => number): Result {
  return (states, group, into, row, column) => {
    const count = sequences.count(states, group);
    if (count === 0) setNull(into, row, column);
    else copySlot(sequences.rows, sequences.rowAt(states, group, placeOf(count)), sequences.shown[0]!, into, row, column);
  };
}

function text(sequences: Sequences, { fn, distinct }: AggregateCall, part: Part, between: Part, opening: string, closing: string): Result {
  return (states, group, into, row, column) => {
    if (sequences.count(states, group) === 0) return setNull(into, row, column);
    const parts = new Parts(fn);
    let last = -1;
    sequences.range(states, group, 0, Infinity, (at, copies) => {
      if (distinct && last >= 0 && sequences.compareKeys(sequences.rows, last, sequences.rows, at) === 0) return;
      for (let copy = distinct ? 1 : copies; copy > 0; copy--) {
        if (last >= 0) between(at, parts);
        part(at, parts);
        last = at;
      }
    });
    writeText(parts.done(opening, closing), into, row + column.offset);
  };
}

/** The fraction is a constant; NULL answers NULL, and one that is none is an error, whatever the rows are. */
function atFraction({ more }: AggregateCall, result: (fraction: number) => Result): Result {
  const [fraction] = more ?? [];
  const written = fraction?.kind === 'constant' ? fraction.text : null;
  if (written === null) return (_states, _group, into, row, column) => setNull(into, row, column);
  const value = Number(written);
  if (value >= 0 && value <= 1) return result(value);
  return () => fail('22003', `percentile value ${formatFloat8(value)} is not between 0 and 1`);
}
