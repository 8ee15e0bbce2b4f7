/** The walk's generator is pure and draws every form of DDL; differences between answers are seen, as multisets; a sum of a subscription is its rows. */
import { expect, test } from 'vitest';
import { randomFrom } from '../../src/demo/workload.ts';
import { differenceOf } from '../harness/roads.ts';
import { Dice } from '../property/random-schema.ts';
import { FORM_NAMES } from './ddl.ts';
import { firstModel, schemaOf, type Model } from './model.ts';
import { drawBeginning, drawSteps, filling, type Step } from './steps.ts';

function walk(seed: number, steps: number): Step[] {
  const dice = new Dice(randomFrom(seed));
  let model: Model = firstModel(dice);
  const taken: Step[] = [{ do: 'upstream', what: 'schema', tables: [], sql: [...schemaOf(model), ...filling(dice, model)] }];
  for (const { step, after } of drawBeginning(dice, model)) {
    taken.push(step);
    model = after;
  }
  while (taken.length < steps)
    for (const { step, after } of drawSteps(dice, model)) {
      taken.push(step);
      model = after;
    }
  return taken;
}

test('one seed, one life; another seed, another', () => {
  expect(walk(7, 200)).toEqual(walk(7, 200));
  expect(walk(7, 200)).not.toEqual(walk(8, 200));
});

test('a life is plain data: kept in a file, it is the same life', () => {
  const life = walk(3, 200);
  expect(JSON.parse(JSON.stringify(life))).toEqual(life);
});

test('every form of DDL is drawn, and every kind of step', () => {
  const steps = Array.from({ length: 40 }, (_, seed) => walk(seed, 100)).flat();
  const forms = new Set(steps.flatMap((step) => (step.do === 'upstream' ? [step.what] : [])));
  expect(FORM_NAMES.filter((name) => !forms.has(name))).toEqual([]);
  expect([...new Set(steps.map((step) => step.do))].toSorted()).toEqual(
    ['cut', 'drop view', 'restart', 'restart upstream', 'settle', 'subscribe', 'upstream', 'view'].toSorted(),
  );
});

test.each([
  [['a', 'b'], ['b', 'a'], undefined],
  [['a', 'a'], ['a'], { onlyUpstream: ['a'], onlyMillrace: [] }],
  [[], ['x', 'x'], { onlyUpstream: [], onlyMillrace: ['x', 'x'] }],
])('answers %j and %j', (upstream, millrace, difference) => expect(differenceOf(upstream, millrace)).toEqual(difference));
