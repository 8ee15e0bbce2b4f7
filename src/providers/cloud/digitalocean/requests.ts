/** A step's call to the firewall that it wants: a PUT replaces the whole list, so what is there stays in it. Pure. */
import { millraceError } from '../../../base/errors.ts';
import { covers } from '../address.ts';
import { MARK } from '../steps.ts';
import type { Rule } from './calls.ts';
import { written } from './plan.ts';

export type Call =
  | { readonly kind: 'config'; readonly values: Readonly<Record<string, number>> }
  | { readonly kind: 'user'; readonly name: string }
  | { readonly kind: 'allow'; readonly addresses: readonly string[]; readonly closes: boolean }
  | { readonly kind: 'disallow'; readonly address: string };

export const OPERATIONS: Readonly<Record<Call['kind'], string>> = {
  config: 'PATCH config',
  user: 'PUT user',
  allow: 'PUT firewall',
  disallow: 'PUT firewall',
};

/** DigitalOcean's own limit. */
const RULES_MAX = 100;

/** The list with ours; undefined: nothing is missing. */
export function withAllowed(resource: string, present: readonly Rule[], call: Call & { kind: 'allow' }): Rule[] | undefined {
  if (present.length === 0 && !call.closes)
    throw millraceError('CLOUD_CHANGED_MEANWHILE', {
      what: 'the firewall',
      reason: 'Its list has become empty, which lets everybody in; a rule of ours would now close the database to all others.',
    });
  const added = missing(present, call.addresses).map((value) => ({ type: 'ip_addr', value, description: MARK }));
  if (present.length + added.length > RULES_MAX)
    throw millraceError('CLOUD_REFUSED', {
      operation: 'the rule',
      resource,
      reason: `There are ${present.length} rules; DigitalOcean takes ${RULES_MAX}.`,
    });
  return added.length === 0 ? undefined : [...present.map(writable), ...added];
}

/** The list without ours. */
export function withoutAllowed(present: readonly Rule[], address: string): Rule[] {
  const kept = present.filter((rule) => !isOurs(rule, address));
  if (kept.length === 0)
    throw millraceError('CLOUD_CHANGED_MEANWHILE', {
      what: 'the firewall',
      reason: 'Ours is the last rule now, and an empty list lets everybody in.',
    });
  return kept.map(writable);
}

function writable({ type, value, description }: Rule): Rule {
  return { type, value, ...(description === undefined ? {} : { description }) };
}

export function missing(rules: readonly Rule[], addresses: readonly string[]): string[] {
  return addresses.filter((address) => !rules.some((rule) => rule.type === 'ip_addr' && covers(rule.value, address))).map(written);
}

export function isOurs(rule: Rule, address: string): boolean {
  return rule.type === 'ip_addr' && rule.value === address && rule.description === MARK;
}
