/** What the control planes share when they plan: a step with its defaults, what has to be raised, and how a plan, typed by its own cloud, is handed out to those who know no cloud. */
import type {
  ApiStep,
  CheckId,
  CloudWanted,
  Control,
  ControlFacts,
  ControlParameter,
  HandStep,
  Progress,
  StepCommon,
  StepState,
} from '../model.ts';
import { DEFAULTS, type Draft } from '../steps.ts';

/** A step as the pure plan of a cloud makes it: plain data without secrets. Only the client of that cloud understands the call. */
export interface CallStep<Call> extends StepCommon {
  readonly via: 'api';
  readonly call: Call;
}
export type CloudStep<Call> = CallStep<Call> | HandStep;

/** Carries out what was planned: re-reads before it writes, does not do twice what is done, and waits within limits. */
export interface Carrier<Call> {
  state(step: CallStep<Call>, signal?: AbortSignal): Promise<StepState>;
  apply(step: CallStep<Call>, progress: Progress, signal?: AbortSignal): Promise<void>;
}

export interface Planner<Call> {
  plan(wanted: CloudWanted): readonly CloudStep<Call>[];
  planUndo(): readonly CloudStep<Call>[];
}

/** Facts and plans of one cloud, without its types: each step brings along who carries it out. Nothing is planned for what can never replicate. */
export function controlOf<Call>(facts: ControlFacts, planner: Planner<Call>, carrier: Carrier<Call>): Control {
  const handOut = (steps: readonly CloudStep<Call>[]): (ApiStep | HandStep)[] =>
    steps.map((step) => {
      if (step.via === 'hand') return step;
      const { call: _call, ...shown } = step;
      return {
        ...shown,
        state: (signal) => carrier.state(step, signal),
        apply: (progress, signal) => carrier.apply(step, progress, signal),
      };
    });
  return {
    ...facts,
    plan: (wanted) => (facts.refused === undefined ? handOut(planner.plan(wanted)) : []),
    planUndo: () => handOut(planner.planUndo()),
  };
}

export function apiStep<Call>(draft: Draft<CallStep<Call>>): CallStep<Call> {
  return { ...DEFAULTS, ...draft, via: 'api' };
}

/** The checks that find these parameters too low; `logical` is the one that turns logical decoding on here. */
export function provesOf(names: readonly string[], logical: string): CheckId[] {
  const proof = { [logical]: 'C08', max_replication_slots: 'C11', max_wal_senders: 'C12' } as const;
  return Object.entries(proof).flatMap(([name, check]) => (names.includes(name) ? [check] : []));
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
