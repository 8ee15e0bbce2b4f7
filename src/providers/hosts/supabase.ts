/** Supabase: wal_level is logical already; only the direct host streams, and it has IPv6 only without the add-on. */
import type { Provider } from '../model.ts';
import { requirements } from './guide.ts';

export const supabase: Provider = {
  id: 'supabase',
  name: 'Supabase',
  link: 'https://supabase.com/docs/guides/database/replication',
  requirements: requirements(),
  switch: undefined,
  replicationRight: { by: 'attribute' },
  mends: {
    logical_decoding: { console: 'It is on by default: ask Supabase’s support why wal_level is not logical.' },
    direct_host: {
      console:
        'Project → Connect → Direct connection: db.<ref>.supabase.co:5432, not *.pooler.supabase.com. It has IPv6 only, unless the IPv4 add-on is bought.',
      cost: 'The IPv4 add-on costs money; IPv6 does not.',
      link: 'https://supabase.com/docs/guides/database/connecting-to-postgres',
    },
    parameter(need) {
      const value = need.name === 'max_slot_wal_keep_size' ? `"${need.value}"` : need.value;
      return {
        cli: `curl -X PUT -H "Authorization: Bearer $SUPABASE_ACCESS_TOKEN" -H "Content-Type: application/json" -d '{"${need.name}": ${value}}' https://api.supabase.com/v1/projects/<ref>/config/database/postgres   # or: supabase postgres-config update --config ${need.name}=${need.value}`,
        cost: 'The database may restart.',
        link: 'https://supabase.com/docs/guides/database/custom-postgres-config',
      };
    },
    address: (need) => ({
      console: `Project → Settings → Database → Network restrictions: add ${need.cidr ?? 'the address of this machine'}. From a machine without IPv6 the direct host does not answer.`,
      cost: 'No restart.',
      link: 'https://supabase.com/docs/guides/platform/network-restrictions',
    }),
  },
  traps: [
    {
      about: 'C18',
      says: 'max_slot_wal_keep_size is small by default (a few GB at most): a reader that is away for long loses its slot.',
      source: 'reported',
    },
    { about: 'C19', says: 'There are no failover slots.', source: 'reported' },
  ],
};
