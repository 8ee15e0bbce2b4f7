/** C08 and C09: whether the log holds what logical decoding needs. Probe (b) decides: from Postgres 19 on `wal_level = replica` may do, and a provider's switch explains. */
import type { Observation } from '../model.ts';
import { finding, type Subject } from './check.ts';

export function* decoding({ observed, provider }: Subject): Generator<Observation> {
  const facts = observed.server;
  const { slot } = observed.probes;
  const control = provider.switch === undefined ? undefined : observed.control?.parameters[provider.switch.parameter];
  if (facts === undefined) {
    if (control !== undefined && provider.switch !== undefined && control.value !== provider.switch.on)
      yield tooLow(`${provider.switch.parameter} is ${control.value ?? 'not set'} (as its control plane says)`);
    return;
  }
  const refused = slot.outcome === 'failed' && slot.failure.code === 'WAL_LEVEL_TOO_LOW';
  // Without an answer of the probe (no right to replicate yet) the setting has to do.
  const low = refused || (slot.outcome !== 'passed' && facts.walLevel !== 'logical' && facts.versionNum < 190_000);
  if (!low) return;

  const own = provider.switch === undefined ? undefined : facts.settings[provider.switch.parameter];
  const shown =
    own === undefined || provider.switch?.parameter === 'wal_level'
      ? `wal_level is ${facts.walLevel}`
      : `wal_level is ${facts.walLevel} (${provider.switch!.parameter} is ${own.value})`;
  const pendingSql = facts.settings['wal_level']?.pendingRestart === true || own?.pendingRestart === true;
  const pendingControl = control !== undefined && provider.switch !== undefined && control.value === provider.switch.on;
  if (pendingSql || pendingControl) {
    yield finding('error', 'C09', 'pending_restart', {
      seen: `${shown}; logical decoding is configured and waits for a restart`,
      why: 'The setting takes effect at the next start of the server, and no maintenance window does that by itself.',
      need: { kind: 'restart', parameter: provider.switch?.parameter ?? 'wal_level' },
    });
  } else yield tooLow(shown);
}

function tooLow(seen: string): Observation {
  return finding('error', 'C08', 'wal_level_too_low', {
    seen,
    why: 'Only at wal_level = logical does the log hold what is needed to decode row changes.',
    need: { kind: 'logical_decoding' },
  });
}
