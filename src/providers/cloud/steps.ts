/** Small things that the clients of the control planes share when they plan: a step with its defaults, numbers that only rise, booleans in one spelling. */
import type { ApiStep, HandStep } from '../model.ts';

type Defaults = 'proves' | 'restarts' | 'reversible' | 'affects' | 'texts' | 'via';

export function apiStep(step: Omit<ApiStep, Defaults> & Partial<Pick<ApiStep, Exclude<Defaults, 'via'>>>): ApiStep {
  return { via: 'api', proves: [], restarts: false, reversible: true, affects: [], texts: {}, ...step };
}

export function handStep(step: Omit<HandStep, Defaults> & Partial<Pick<HandStep, Exclude<Defaults, 'via'>>>): HandStep {
  return { via: 'hand', proves: [], restarts: false, reversible: true, affects: [], texts: {}, ...step };
}

/** `1`, `true`, `ON` → `on`; the rest as it is. */
export function spelled(value: string | undefined, isBoolean: boolean): string | undefined {
  if (value === undefined || !isBoolean) return value;
  if (/^(1|on|true|yes)$/i.test(value)) return 'on';
  return /^(0|off|false|no)$/i.test(value) ? 'off' : value;
}

/** Whether a capacity has to be raised: an expression or a formula of the vendor counts as too little only when it is a number that is. */
export function tooLittle(present: string | undefined, least: string): boolean {
  if (present === undefined) return true;
  const number = Number(present);
  return Number.isFinite(number) && number < Number(least);
}

/** Our mark on what a vendor lets one describe: only what bears it is ever taken back. */
export const MARK = 'millrace';
