/**
 * The room's law: after every step every view equals its plan computed from scratch over the rows as they are. Random plans, views on views, random
 * transactions, views that come and go; with the validator on.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Dataflow } from './dataflow.ts';
import type { Plan } from '../plan/plan.ts';
import { objectsRead } from '../plan/scans.ts';
import { Listener } from './graph/observer.ts';
import { naive } from './testing/naive.ts';
import { change, Source, TABLES, WHOLE_TABLES } from './testing/random-changes.ts';
import { Choices, randomPlan, type Relation } from './testing/random-plan.ts';
import { add, bagOf, bagOfBlock, bagOfRows, batch, sorted, state, type Bag, type Row } from './testing/rows.ts';

const evaluator = {
  evaluate: (): never => {
    throw new Error('nothing here needs Postgres');
  },
};

interface View extends Relation {
  readonly plan: Plan;
}

test('every view equals its plan over the rows as they are, after every step, whenever it was installed', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.nat({ max: 1000 }), { minLength: 40, maxLength: 120 }), { minLength: 1, maxLength: 4 }),
      fc.array(fc.array(change, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 10 }),
      fc.array(fc.nat({ max: 9 }), { minLength: 4, maxLength: 4 }),
      fc.constantFrom(1, 2, 3, 1000),
      fc.boolean(),
      (planChoices, steps, installAt, pieceRowsMax, wide) => {
        const flow = new Dataflow(evaluator, { validate: true, pieceRowsMax });
        const source = new Source(flow);
        if (wide) flow.announce(WHOLE_TABLES);
        const views: View[] = [];
        for (const [i, list] of planChoices.entries()) {
          const plan = randomPlan(new Choices(list), [...TABLES, ...views], 3);
          views.push({ object: `v${i}`, plan, columns: plan.columns });
        }
        const current = (object: string): readonly Row[] => {
          const view = views.find((one) => one.object === object);
          return view === undefined ? source.rows.get(object)! : naive(view.plan, current);
        };
        const hydrate = (object: string): Iterable<ReturnType<typeof batch>> => [batch(source.rows.get(object)!)];
        let installed = 0;
        const listened = new Map<string, { bag: Bag; listener: Listener }>();
        for (const [number, changes] of steps.entries()) {
          while (installed < views.length && installAt[installed]! % steps.length <= number) {
            const view = views[installed++]!;
            flow.install(view.object, view.plan, hydrate);
            expect(sorted(bagOf(flow.output(view.object))), `${view.object} hydrated`).toEqual(sorted(bagOfRows(current(view.object))));
            listened.set(view.object, {
              bag: bagOf(flow.output(view.object)),
              listener: new Listener(flow.output(view.object).layout, flow.observers(view.object)),
            });
          }
          for (const one of changes) source.apply(one);
          flow.step();
          for (const { object } of TABLES) expect(flow.fault(object)).toBeNull();
          for (const { plan } of number === steps.length - 1 ? views.slice(0, installed + 1) : []) {
            if (plan === views[installed]?.plan && objectsRead(plan).some((object) => object.startsWith('v') && !flow.has(object)))
              continue;
            expect(sorted(bagOf(flow.evaluate(plan, hydrate).rows)), 'asked once').toEqual(sorted(bagOfRows(naive(plan, current))));
          }
          for (const view of views.slice(0, installed)) {
            expect(flow.fault(view.object)).toBeNull();
            const expected = sorted(bagOfRows(current(view.object)));
            expect(sorted(bagOf(flow.output(view.object))), view.object).toEqual(expected);
            const { bag, listener } = listened.get(view.object)!;
            for (const [row, weight] of bagOfBlock(listener.delta())) add(bag, JSON.parse(row) as Row, weight);
            listener.clear();
            expect(sorted(bag), `what a listener of ${view.object} knows`).toEqual(expected);
          }
        }
        for (const view of views.slice(0, installed).reverse()) flow.uninstall(view.object);
        expect(flow.arrangements()).toEqual([]);
      },
    ),
    { numRuns: Number(process.env['RUNS'] ?? 100) },
  );
});

test('errors are data: those of a view kept up to date are those of the same view made anew, and go with their rows', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 1000 }), { minLength: 40, maxLength: 120 }),
      fc.array(fc.array(change, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 8 }),
      (list, steps) => {
        const flow = new Dataflow(evaluator, { validate: true });
        const source = new Source(flow);
        flow.announce(WHOLE_TABLES);
        const plan = randomPlan(new Choices(list, true), TABLES, 3);
        const hydrate = (object: string): Iterable<ReturnType<typeof batch>> => [batch(source.rows.get(object)!)];
        flow.install('v', plan, hydrate);
        const empty = state(flow, 'v');
        for (const changes of steps) {
          for (const one of changes) source.apply(one);
          flow.step();
          expect(flow.fault('v')).toBeNull();
          flow.install('fresh', plan, hydrate);
          expect(state(flow, 'v')).toEqual(state(flow, 'fresh'));
          flow.uninstall('fresh');
        }
        for (const { object } of TABLES) flow.truncate(object);
        flow.step();
        expect(state(flow, 'v')).toEqual(empty);
      },
    ),
    { numRuns: Number(process.env['RUNS'] ?? 100) },
  );
});
