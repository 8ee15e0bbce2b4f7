/**
 * The law of giving up: a query or hydration that is ended by a throw at any moment, also in the midst of a join's pairs, leaves nothing behind. All that shares arrangements
 * with it is exact afterwards, and so is the same query asked again. With the validator on.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Dataflow } from './dataflow.ts';
import { piecesOf } from './graph/pieces.ts';
import type { Plan } from '../plan/plan.ts';
import { naive } from './testing/naive.ts';
import { change, Source, TABLES } from './testing/random-changes.ts';
import { Choices, join, randomPlan } from './testing/random-plan.ts';
import { bagOf, bagOfRows, batch, columns, int4, sorted, type Row } from './testing/rows.ts';

const evaluator = {
  evaluate: (): never => {
    throw new Error('nothing here needs Postgres');
  },
};

const RUNS = Number(process.env['RUNS'] ?? 100);

class GivenUp extends Error {}

/** Throws when it is asked for the nth time. */
function givesUpAt(nth: number): () => void {
  let times = 0;
  return () => {
    if (++times === nth) throw new GivenUp();
  };
}

test('what is given up at any moment leaves everything else exact', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.nat({ max: 1000 }), { minLength: 40, maxLength: 120 }), { minLength: 1, maxLength: 3 }),
      fc.array(change, { minLength: 10, maxLength: 40 }),
      fc.array(fc.record({ at: fc.integer({ min: 1, max: 12 }), changes: fc.array(change, { maxLength: 3 }), once: fc.boolean() }), {
        minLength: 1,
        maxLength: 12,
      }),
      fc.constantFrom(1, 2, 1000),
      (planChoices, first, steps, rowsMax) => {
        const flow = new Dataflow(evaluator, { validate: true, pieceRowsMax: rowsMax });
        const source = new Source(flow);
        for (const one of first) source.apply(one);
        flow.step();
        const plans: Plan[] = planChoices.map((list) => {
          const choices = new Choices(list);
          if (choices.below(4) === 0) return randomPlan(choices, TABLES, 3);
          const scan = (): Plan => randomPlan(choices, TABLES, 0);
          return join(choices, join(choices, scan(), scan()), scan());
        });
        const rowsOf = (object: string): readonly Row[] => source.rows.get(object)!;
        const hydrate = (object: string): ReturnType<typeof batch>[] => [batch(source.rows.get(object)!)];
        for (const [i, plan] of plans.entries()) flow.install(`v${i}`, plan, hydrate);
        const check = (): void => {
          for (const [i, plan] of plans.entries()) {
            expect(flow.fault(`v${i}`)).toBeNull();
            expect(sorted(bagOf(flow.output(`v${i}`)))).toEqual(sorted(bagOfRows(naive(plan, rowsOf))));
          }
        };
        for (const [i, { at, changes, once }] of steps.entries()) {
          const plan = plans[i % plans.length]!;
          const interrupt = givesUpAt(at);
          const divided = { flushBytes: at % 2 === 0 ? 0 : 2 << 20, interruptPairs: 1 };
          const before = flow.arrangements();
          try {
            if (once) flow.evaluate(plan, hydrate, { interrupt, bytesMax: Infinity, pieces: divided });
            else {
              const hydration = flow.begin('given up', plan, piecesOf(rowsMax, { ...divided, movedRowsMax: 0, interrupt }));
              try {
                for (const load of hydration.loads) {
                  load.rows(hydrate(load.object));
                  load.join();
                }
                while (hydration.advance());
              } finally {
                hydration.abandon();
              }
            }
          } catch (error) {
            if (!(error instanceof GivenUp)) throw error;
          }
          // Room that was made in rows' headers stays; rows and users do not.
          expect(flow.arrangements().map(({ object, rows }) => [object, rows])).toEqual(before.map(({ object, rows }) => [object, rows]));
          for (const one of changes) source.apply(one);
          flow.step();
          check();
          expect(sorted(bagOf(flow.evaluate(plan, hydrate).rows))).toEqual(sorted(bagOfRows(naive(plan, rowsOf))));
        }
        for (const i of plans.keys()) flow.uninstall(`v${i}`);
        expect(flow.arrangements()).toEqual([]);
      },
    ),
    { numRuns: RUNS },
  );
});

test('given up at each look within a join of many pairs', () => {
  const flow = new Dataflow(evaluator, { validate: true });
  const source = new Source(flow);
  const rows = Array.from({ length: 40 }, (_, i): Row => [String(i), '1', 'x']);
  source.rows.set('a', [...rows]);
  const scan: Plan = { op: 'scan', object: 'a', pick: [0, 1], columns: columns(int4, int4) };
  const key = { kind: 'column', index: 1, type: int4 } as const;
  const pairs = (left: Plan): Plan => ({
    op: 'join',
    kind: 'inner',
    left,
    right: scan,
    leftKeys: [key],
    rightKeys: [key],
    on: [],
    columns: [...left.columns, ...scan.columns],
  });
  const plan = pairs(pairs(scan));
  const hydrate = (object: string): ReturnType<typeof batch>[] => [batch(source.rows.get(object)!)];
  flow.install('v', pairs(scan), hydrate);
  let inPairs = 0;
  for (let at = 1; at < 60; at++) {
    const divided = { flushBytes: at % 2 === 0 ? 0 : 2 << 20, interruptPairs: 64, interrupt: givesUpAt(at) };
    try {
      if (at % 3 === 0) flow.evaluate(plan, hydrate, { interrupt: divided.interrupt, bytesMax: Infinity, pieces: divided });
      else {
        const hydration = flow.begin('given up', plan, piecesOf(1000, divided));
        try {
          while (hydration.advance());
        } finally {
          hydration.abandon();
        }
      }
    } catch (error) {
      if (!(error instanceof GivenUp)) throw error;
      if (/probe\.ts/.test(error.stack ?? '')) inPairs++;
    }
    expect(flow.fault('v')).toBeNull();
    expect(flow.output('v').count).toBe(1600);
  }
  expect(inPairs).toBeGreaterThan(25);
  expect(flow.evaluate(plan, hydrate).rows.count).toBe(64_000);
  flow.uninstall('v');
  expect(flow.arrangements()).toEqual([]);
});
