/** Neon: one switch for the project, irreversible; roles made by SQL cannot replicate; only the unpooled host streams. */
import type { Provider } from '../model.ts';
import { requirements } from './guide.ts';

export const neon: Provider = {
  id: 'neon',
  name: 'Neon',
  link: 'https://neon.com/docs/guides/logical-replication-neon',
  requirements: requirements(),
  switch: { parameter: 'wal_level', on: 'logical', restarts: true },
  replicationRight: {
    by: 'fixed',
    says: 'Roles made in the Neon console, CLI or API may replicate; roles made by SQL may not: neon roles create --name <role>.',
  },
  mends: {
    logical_decoding: {
      cli: `curl -X PATCH -H "Authorization: Bearer $NEON_API_KEY" -H "Content-Type: application/json" -d '{"project":{"settings":{"enable_logical_replication":true}}}' https://console.neon.tech/api/v2/projects/<project>`,
      console: 'Project → Settings → Logical Replication → Enable.',
      terraform: `resource "neon_project" "…" {\n  enable_logical_replication = "yes"\n}`,
      cost: 'IRREVERSIBLE, and every compute of the project is suspended at once. While somebody streams, the compute never scales to zero.',
    },
    direct_host: (_need, facts) => ({
      console: `Use the host without "-pooler": ${facts.host.replace('-pooler', '')}`,
      link: 'https://neon.com/docs/connect/connection-pooling',
    }),
    parameter: { console: 'Neon fixes max_replication_slots and max_wal_senders at 10: drop slots that nobody reads.' },
    address: (need) => ({
      console: `Project → Settings → Network Security → IP Allow: add ${need.cidr ?? 'the address of this machine'}.`,
      cost: 'No restart.',
      link: 'https://neon.com/docs/introduction/ip-allow',
    }),
  },
  traps: [
    { about: 'C18', says: 'A slot that is idle for about 40 hours is removed.', source: 'vendor' },
    { about: 'C08', says: 'A connected reader keeps the compute awake: it no longer scales to zero, and is billed.', source: 'vendor' },
  ],
};
