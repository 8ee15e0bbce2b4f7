/** A step from what is particular to it. Pure; used by whatever plans: `sql-steps`, `publication-steps`, `plan`, `undo`, and the clouds. */
import type { HandStep, SqlStep, StepCommon } from './model.ts';

export const DEFAULTS = { proves: [], restarts: false, reversible: true, affects: [], texts: {} } as const;

export type Draft<Step extends StepCommon> = Omit<Step, keyof typeof DEFAULTS | 'via'> & Partial<Pick<Step, keyof typeof DEFAULTS>>;
export type SqlDraft = Omit<Draft<SqlStep>, 'request' | 'texts'>;

export function sqlStep(draft: SqlDraft): SqlStep {
  const request = draft.statements.join('\n');
  return { ...DEFAULTS, ...draft, via: 'sql', request, texts: { sql: request } };
}

export function handStep(draft: Draft<HandStep>): HandStep {
  return { ...DEFAULTS, ...draft, via: 'hand' };
}

/** A statement that is for somebody else to run. */
export function sqlByHand(draft: Omit<Draft<HandStep>, 'texts'>): HandStep {
  return handStep({ ...draft, texts: { sql: draft.request } });
}
