import { defineErrors, of } from './define.ts';

/** Errors of the room: provider. */
export const providerErrors = defineErrors({
  // ------------------------------------------------------------------------------------------------ doctor and setup
  SETUP_OPTION_INVALID: {
    sqlstate: '22023',
    says: ({ option, value }: { option: string; value: string; allowed: string }) => `invalid value "${value}" for ${option}`,
    because: 'An option that is not understood is never guessed at: setup changes a database.',
    mend: ({ allowed }) => `${allowed}`,
  },
  DEMO_NEEDS_CHECKOUT: {
    sqlstate: '0A000',
    says: ({ option }: { option: string }) => `${option} works from a checkout of the repository only`,
    because: 'The imitated providers and their control planes are test equipment and do not ship with the package.',
    mend: () => 'millrace demo, or in a checkout: npm run demo -- --hosted rds',
  },
  SETUP_STEP_REFUSED: {
    sqlstate: '58000',
    says: ({ step, said }: { step: string; said: string; request: string }) => `the database refused "${step}": ${said}`,
    because:
      'A step is sent as it was shown; what the server says to it decides. What was done before stays, and is skipped in the next run.',
    mend: ({ request }) => `as somebody who may: ${request}`,
  },
  SETUP_STEP_WITHOUT_EFFECT: {
    sqlstate: '58000',
    says: ({ step }: { step: string; request: string }) => `"${step}" was accepted and had no effect`,
    because: 'After every step the state is read again; somebody may have changed it back, or the host ignores the statement.',
    mend: ({ request }) => `look at what it was to do: ${request}`,
  },
  SETUP_FILE_UNUSABLE: {
    sqlstate: '58030',
    says: ({ file, reason }: { file: string; reason: string }) => `the file ${file} cannot be used for the new role's password: ${reason}`,
    because:
      'The password of the new role is kept nowhere but in that file, written before the role is made, so that an interrupted setup can go on.',
    mend: () => '--init-file <a file that can be written>',
  },

  // ------------------------------------------------------------------------------------------------ the clouds' control planes (src/providers/cloud)
  CLOUD_RESOURCE_INVALID: {
    sqlstate: '22023',
    says: ({ resource }: { resource: string; expected: string }) => `"${resource}" does not name a database for --cloud`,
    because: 'One command changes one database, so it has to be named without doubt.',
    mend: ({ expected }) => `Write it as ${expected}.`,
  },
  CLOUD_SDK_MISSING: {
    sqlstate: '58P01',
    says: ({ cloud }: { cloud: string; packages: readonly string[] }) => `the SDK of ${cloud} is not installed`,
    because: 'Only --cloud needs it, and it is larger than Millrace itself, so it does not come with Millrace.',
    mend: ({ packages }) => `npm i ${packages.join(' ')}`,
  },
  CLOUD_CREDENTIALS: {
    sqlstate: '28000',
    says: ({ cloud }: { cloud: string; reason: string; mend: string }) => `no valid credentials for ${cloud}`,
    because: "Millrace has no credentials of its own: it takes those that the cloud's command line takes.",
    detail: ({ reason }) => reason,
    mend: ({ mend }) => mend,
  },
  CLOUD_DENIED: of<{ operation: string; resource: string; reason: string; right: string }>({
    sqlstate: '42501',
    says: ({ operation, resource }) => `not allowed: ${operation} on ${resource}`,
    because: 'The credentials are valid and lack this right.',
    detail: ({ reason }) => reason,
    mend: ({ right }) => `Ask for the right ${right}, or give the printed plan (--plan, --emit cli) to somebody who has it.`,
  }),
  CLOUD_NOT_FOUND: {
    sqlstate: '42704',
    says: ({ resource }: { resource: string; reason: string; mend: string }) => `the control plane knows no ${resource}`,
    because: 'The name, the region, the project or the account is another one.',
    detail: ({ reason }) => reason,
    mend: ({ mend }) => mend,
  },
  CLOUD_UNREACHABLE: of<{ operation: string; tries: number; reason: string }>({
    sqlstate: '08006',
    says: ({ operation, tries }) => `the control plane did not answer ${operation} (${tries} ${tries === 1 ? 'try' : 'tries'})`,
    because: 'A request without an answer may have been carried out; Millrace looks before it sends it again, and gives up after a while.',
    detail: ({ reason }) => reason,
    mend: () => 'Run the same command again: what is done is skipped.',
  }),
  CLOUD_REFUSED: of<{ operation: string; resource: string; reason: string }>({
    sqlstate: '55000',
    says: ({ operation, resource }) => `the control plane refused ${operation} on ${resource}`,
    because: 'Its own words say why; Millrace does not try to get around them.',
    detail: ({ reason }) => reason,
    mend: () => 'Mend what it names, then run the same command again: what is done is skipped.',
  }),
  CLOUD_WAIT_EXPIRED: of<{ what: string; seconds: number; last: string; where: string }>({
    sqlstate: '57014',
    says: ({ what, seconds, last }) => `${what} did not end within ${seconds} s (last seen: ${last})`,
    because: 'Every wait has a limit. What was sent may still take effect.',
    mend: ({ where }) => `Look at ${where}; when it is quiet, run the same command again: what is done is skipped.`,
  }),
  CLOUD_CHANGED_MEANWHILE: {
    sqlstate: '40001',
    says: ({ what }: { what: string; reason: string }) => `${what} is not as it was when the plan was made`,
    because: "Somebody else's change would be undone, or let loose, by going on with the old plan.",
    detail: ({ reason }) => reason,
    mend: () => 'Run the same command again: it plans anew from what is there now.',
  },
});
