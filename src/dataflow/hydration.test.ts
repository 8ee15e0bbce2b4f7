/**
 * The law of hydration in slices: whatever happens between two turns, the views beside are exact after every step, and the new view is from its end on. Random plans,
 * tables that are loaded row by row while they change, views on views, self joins, hydrations given up and begun again; with the validator on.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Dataflow } from './dataflow.ts';
import { piecesOf } from './graph/pieces.ts';
import type { Hydration } from './hydration.ts';
import type { Expression } from '../plan/expression.ts';
import type { Plan } from '../plan/plan.ts';
import { naive } from './testing/naive.ts';
import { change, Source, TABLES, WHOLE_TABLES, type Change } from './testing/random-changes.ts';
import { call, Choices, join, JOIN_KINDS, joinedColumns, randomPlan, type Relation } from './testing/random-plan.ts';
import { bagOf, bagOfRows, batch, bool, columns, int4, sorted, state, text, type Row } from './testing/rows.ts';

const evaluator = {
  evaluate: (): never => {
    throw new Error('nothing here needs Postgres');
  },
};

interface View extends Relation {
  readonly plan: Plan;
}

/** As the engine drives it: a turn a row, a change, a piece. */
function* bringIn(flow: Dataflow, source: Source, view: View, rowsMax: number): Generator<Hydration, void> {
  const hydration = flow.begin(
    view.object,
    view.plan,
    piecesOf(rowsMax, { movedRowsMax: rowsMax === 2 ? Infinity : 0, flushBytes: rowsMax === 3 ? 2 << 20 : 0 }),
  );
  yield hydration;
  for (const load of hydration.loads) {
    const changes = source.log.get(load.object)!;
    let position = changes.length;
    const asOfNow = source.rows.get(load.object)!.slice();
    for (const row of asOfNow) {
      load.rows([batch([row])]);
      yield hydration;
    }
    while (position < changes.length) {
      for (let more = 0; more < 3 && position < changes.length; more++) changes[position++]!(load);
      if (position < changes.length) yield hydration;
    }
    load.join();
  }
  while (hydration.advance()) yield hydration;
  hydration.finish();
}

/** Half of them join plain scans, where arrangements and their indexes are shared, often one with itself. */
function planOf(choices: Choices, relations: readonly Relation[]): Plan {
  if (choices.below(2) === 0) return randomPlan(choices, relations, 3);
  const scan = (): Plan => randomPlan(choices, relations, 0);
  const left = scan();
  return join(choices, left, choices.below(2) === 0 ? left : scan());
}

const plans = fc.array(fc.array(fc.nat({ max: 1000 }), { minLength: 40, maxLength: 120 }), { minLength: 1, maxLength: 4 });
const RUNS = Number(process.env['RUNS'] ?? 100);

test('views come in a piece at a time while their tables change', () => {
  fc.assert(
    fc.property(
      plans,
      fc.array(change, { maxLength: 30 }),
      fc.array(
        fc.record({ changes: fc.array(change, { maxLength: 6 }), turns: fc.constantFrom(0, 1, 2, 5, 30), giveUp: fc.nat({ max: 15 }) }),
        {
          minLength: 1,
          maxLength: 25,
        },
      ),
      fc.constantFrom(1, 1, 2, 3, 1000),
      fc.boolean(),
      (planChoices, first, steps, rowsMax, wide) => {
        const flow = new Dataflow(evaluator, { validate: true, pieceRowsMax: rowsMax });
        const source = new Source(flow);
        if (wide) flow.announce(WHOLE_TABLES);
        for (const one of first) source.apply(one);
        flow.step();
        const views: View[] = [];
        for (const [i, list] of planChoices.entries()) {
          const plan = planOf(new Choices(list), [...TABLES, ...views]);
          views.push({ object: `v${i}`, plan, columns: plan.columns });
        }
        const current = (object: string): readonly Row[] => {
          const view = views.find((one) => one.object === object);
          return view === undefined ? source.rows.get(object)! : naive(view.plan, current);
        };
        const check = (): void => {
          for (const view of views.slice(0, installed)) {
            expect(flow.fault(view.object)).toBeNull();
            expect(sorted(bagOf(flow.output(view.object))), view.object).toEqual(sorted(bagOfRows(current(view.object))));
          }
        };
        let installed = 0;
        let turns = bringIn(flow, source, views[0]!, rowsMax);
        const turn = (): Hydration | undefined => {
          const next = turns.next();
          if (next.done !== true) return next.value;
          installed++;
          check();
          if (installed < views.length) turns = bringIn(flow, source, views[installed]!, rowsMax);
          return undefined;
        };
        for (const step of steps) {
          let hydration: Hydration | undefined;
          for (let i = 0; i < step.turns && installed < views.length; i++) hydration = turn();
          if (hydration !== undefined && step.giveUp === 0) {
            hydration.abandon();
            turns = bringIn(flow, source, views[installed]!, rowsMax);
          }
          for (const one of step.changes) source.apply(one);
          flow.step();
          for (const { object } of TABLES) expect(flow.fault(object)).toBeNull();
          check();
          const asked = views[installed];
          if (asked === undefined) continue;
          const { rows } = flow.evaluate(asked.plan, (object) => [batch(source.rows.get(object)!)]);
          expect(sorted(bagOf(rows)), 'asked once').toEqual(sorted(bagOfRows(naive(asked.plan, current))));
        }
        while (installed < views.length) turn();
        for (const step of steps) {
          for (const one of step.changes) source.apply(one);
          flow.step();
          check();
        }
        for (const view of views.toReversed()) flow.uninstall(view.object);
        expect(flow.arrangements()).toEqual([]);
      },
    ),
    { numRuns: RUNS },
  );
});

test.each(JOIN_KINDS)('a join (%s) of a table with itself comes in while its rows change keys', (kind) => {
  const scan: Plan = { op: 'scan', object: 'm', pick: [0, 1], columns: columns(int4, text) };
  const key: Expression = { kind: 'column', index: 0, type: int4 };
  const shown = joinedColumns(kind, scan.columns, scan.columns);
  const on = [call('texteq', 67, bool, { kind: 'column', index: 1, type: text }, { kind: 'column', index: 3, type: text })];
  fc.assert(
    fc.property(
      fc.array(change, { minLength: 5, maxLength: 20 }),
      fc.array(fc.tuple(fc.array(change, { maxLength: 4 }), fc.constantFrom(0, 1, 1, 2)), { minLength: 4, maxLength: 25 }),
      fc.constantFrom([], on),
      (first, steps, conditions) => {
        const flow = new Dataflow(evaluator, { validate: true });
        const source = new Source(flow);
        const plan: Plan = {
          op: 'join',
          kind,
          left: scan,
          right: scan,
          leftKeys: [key],
          rightKeys: [key],
          on: conditions,
          columns: shown,
        };
        const apply = (changes: readonly Change[]): void => {
          for (const one of changes) source.apply({ ...one, table: 2, kind: one.kind === 'truncate' ? 'put' : one.kind });
          flow.step();
        };
        apply(first);
        // Known already: its rows are arranged, so that the turns are the graph's own.
        flow.install('all', scan, (object) => [batch(source.rows.get(object)!)]);
        const turns = bringIn(flow, source, { object: 'v', plan, columns: shown }, 1);
        for (const [changes, count] of steps) {
          for (let i = 0; i < count; i++) turns.next();
          apply(changes);
        }
        while (turns.next().done !== true);
        for (const [changes] of steps) {
          expect(flow.fault('v')).toBeNull();
          expect(sorted(bagOf(flow.output('v')))).toEqual(sorted(bagOfRows(naive(plan, (object) => source.rows.get(object)!))));
          apply(changes);
        }
      },
    ),
    { numRuns: RUNS },
  );
});

test('errors are data there, too: those of a view that came in piece by piece are those of the same view made at once', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 1000 }), { minLength: 40, maxLength: 120 }),
      fc.array(change, { maxLength: 20 }),
      fc.array(fc.tuple(fc.array(change, { maxLength: 5 }), fc.constantFrom(0, 1, 2, 5)), { minLength: 1, maxLength: 20 }),
      (list, first, steps) => {
        const flow = new Dataflow(evaluator, { validate: true });
        const source = new Source(flow);
        for (const one of first) source.apply(one);
        flow.step();
        const plan = randomPlan(new Choices(list, true), TABLES, 3);
        const turns = bringIn(flow, source, { object: 'v', plan, columns: plan.columns }, 1);
        for (const [changes, count] of steps) {
          for (let i = 0; i < count; i++) turns.next();
          for (const one of changes) source.apply(one);
          flow.step();
        }
        while (turns.next().done !== true);
        flow.install('fresh', plan, (object) => [batch(source.rows.get(object)!)]);
        expect(state(flow, 'v')).toEqual(state(flow, 'fresh'));
      },
    ),
    { numRuns: RUNS },
  );
});
