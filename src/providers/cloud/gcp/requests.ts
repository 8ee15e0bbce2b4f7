/** A step's call to the part of the settings that it changes. A PATCH replaces a list whole, so what is there stays in it. Pure. */
import { cidr, covers, parseRange } from '../address.ts';
import { MARK, tooLittle } from '../steps.ts';
import type { Settings } from './calls.ts';

type SettingsCall =
  | { readonly kind: 'flags'; readonly values: Readonly<Record<string, string>> }
  | { readonly kind: 'networks'; readonly addresses: readonly string[] }
  | { readonly kind: 'networks-remove'; readonly address: string };

export type Call = SettingsCall | { readonly kind: 'restart'; readonly awaits: readonly (string | undefined)[] };

/** The part of the settings to write, whole; undefined: nothing is missing. */
export function changed(call: SettingsCall, settings: Settings): object | undefined {
  switch (call.kind) {
    case 'flags': {
      const present = settings.databaseFlags ?? [];
      const missing = Object.entries(call.values).filter(([name, value]) => {
        const now = present.find((flag) => flag.name === name)?.value;
        return /^\d+$/.test(value) ? tooLittle(now, value) : now !== value;
      });
      if (missing.length === 0) return undefined;
      const names = new Set(missing.map(([name]) => name));
      return {
        databaseFlags: [...present.filter(({ name }) => !names.has(name ?? '')), ...missing.map(([name, value]) => ({ name, value }))],
      };
    }
    case 'networks': {
      const present = settings.ipConfiguration?.authorizedNetworks ?? [];
      const missing = call.addresses.filter((address) => !present.some(({ value }) => covers(value ?? '', address)));
      if (missing.length === 0) return undefined;
      return {
        ipConfiguration: {
          authorizedNetworks: [
            ...present,
            ...missing.map((address) => ({ kind: 'sql#aclEntry', name: MARK, value: cidr(parseRange(address)!) })),
          ],
        },
      };
    }
    case 'networks-remove': {
      const present = settings.ipConfiguration?.authorizedNetworks ?? [];
      const kept = present.filter(({ name, value }) => name !== MARK || value !== call.address);
      return kept.length === present.length ? undefined : { ipConfiguration: { authorizedNetworks: kept } };
    }
  }
}
