/** SET, RESET, DISCARD, and what is accepted without effect because drivers send it. */
import { objectNamed } from '../object-named.ts';
import type { StatementOf } from '../../sql/statements/statement.ts';
import type { Coordinator } from '../coordinator.ts';
import { done } from '../results/literal-result.ts';
import { noRows, type StatementKind } from './statement.ts';

/** SET to a view's name, it puts a wrong row there, so that a test can see the audit find it. Only with MILLRACE_TEST_FAULTS=1; else a custom setting like any other. */
const PLANT = 'millrace_test.plant_wrong_row';

export const set: StatementKind<StatementOf<'set'>> = {
  prepare: noRows,
  async execute({ name, value, local }, { coordinator, settings }) {
    if (name === PLANT && process.env['MILLRACE_TEST_FAULTS'] === '1') await plantWrongRow(coordinator, value ?? '');
    return done('SET', settings.set(name, value, local ? 'local' : 'session'));
  },
};

export const reset: StatementKind<StatementOf<'reset'>> = {
  prepare: noRows,
  execute: ({ name }, { settings }) => done('RESET', name === undefined ? settings.resetAll() : settings.set(name, undefined, 'session')),
};

export const discard: StatementKind<StatementOf<'discard'>> = {
  prepare: noRows,
  execute(_, { prepared, cursors, settings }) {
    prepared.drop(undefined);
    cursors.close(undefined);
    return { ...done('DISCARD ALL', settings.resetAll()), deallocates: {} };
  },
};

export const ignored: StatementKind<StatementOf<'ignored'>> = { prepare: noRows, execute: ({ tag }) => done(tag) };

async function plantWrongRow({ catalog, engine }: Coordinator, view: string): Promise<void> {
  const object = objectNamed(catalog, ['materializedView'], { name: view }, ['public']);
  await engine.rpc.call('plantWrongRow', { object: object.id });
}
