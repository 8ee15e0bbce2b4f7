/** Small things that the clients of the control planes share when they plan: a step with its defaults, numbers that only rise, booleans in one spelling. */
import type { ApiStep, ControlParameter, HandStep } from '../model.ts';

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

/**
 * Whether a capacity that SQL has found too small is to be raised in the control plane. A larger number stays; a vendor's formula (`GREATEST({DBInstanceVCPU*2},8)`) has come out
 * too small on this machine, and gives way to a number.
 */
export function tooLittle(present: string | undefined, least: string): boolean {
  if (present === undefined || present.trim() === '') return true;
  const number = Number(present);
  return !Number.isFinite(number) || number < Number(least);
}

/** What has to be raised, among the parameters that this host has and lets one change. */
export function toRaise(
  parameters: Readonly<Record<string, ControlParameter>>,
  wanted: Readonly<Record<string, string>>,
): [string, string][] {
  return Object.entries(wanted).filter(
    ([name, least]) => parameters[name]?.modifiable === true && tooLittle(parameters[name].value, least),
  );
}

/** Our mark on what a vendor lets one describe: only what bears it is ever taken back. */
export const MARK = 'millrace';
