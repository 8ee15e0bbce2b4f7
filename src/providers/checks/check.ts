/** A family of checks: what was observed in, what is wrong out. Pure, total, in the order a person would ask. The probe decides; catalogs explain. */
import type { Observed } from '../facts.ts';
import type { CheckId, Observation, Provider, Severity } from '../model.ts';
import type { Recognised } from '../recognise.ts';

export interface Subject {
  readonly observed: Observed;
  readonly recognised: Recognised;
  readonly provider: Provider;
}

export type Check = (subject: Subject) => Iterable<Observation>;

type Particulars = Omit<Observation, 'severity' | 'check' | 'code'>;

/** What a check says: how bad it is, which check found it and by what name; then the particulars. */
export function finding<P extends Particulars>(severity: Severity, check: CheckId, code: string, particulars: P): Observation & P {
  return { check, code, severity, ...particulars };
}

export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 10 ? Math.round(value) : value.toFixed(1)} ${units[unit]!}`;
}

export function durationText(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** As pg_settings prints sizes and times: `64MB`, `-1`, `1min`. Bytes or milliseconds; -1 stays -1. */
export function amount(text: string | undefined, unit: 'bytes' | 'ms'): number | undefined {
  const match = /^(-?\d+)\s*([a-zA-Z]*)$/.exec(text ?? '');
  if (match === null) return undefined;
  const value = Number(match[1]);
  if (value === -1 || value === 0) return value;
  const factor = unit === 'bytes' ? BYTES[match[2] === '' ? 'MB' : match[2]!] : MILLISECONDS[match[2] === '' ? 'ms' : match[2]!];
  return factor === undefined ? undefined : value * factor;
}

const BYTES: Readonly<Record<string, number>> = { B: 1, kB: 1024, MB: 1024 ** 2, GB: 1024 ** 3, TB: 1024 ** 4 };
const MILLISECONDS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 };
