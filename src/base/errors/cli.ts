/** Errors of the rooms: cli and demo. */
import { defineErrors, of } from './define.ts';

type Place = { readonly host: string; readonly port: number };

export const cliErrors = defineErrors({
  MILLRACE_UNREACHABLE: of<Place & { said: string }>({
    sqlstate: '08001',
    says: ({ host, port }) => `could not connect to Millrace at ${host}:${port}`,
    because: 'Nobody listens there, or who listens does not answer as Millrace does.',
    detail: ({ said }) => said,
    mend: ({ host, port }) => `start it (millrace serve --listen ${host}:${port}), or correct the URL`,
  }),
  CLIENT_PASSWORD_MISSING: {
    sqlstate: '28000',
    says: ({ user, host, port }: Place & { user: string }) => `Millrace at ${host}:${port} asks for the password of user "${user}"`,
    because:
      'Unless it was started with --auth trust, Millrace lets in who knows its password: that which its first start has printed, or MILLRACE_PASSWORD.',
    mend: () => 'set PGPASSWORD, or write it into the URL: postgres://millrace:<password>@127.0.0.1:6875/millrace',
  },
  CLIENT_PASSWORD_REFUSED: {
    sqlstate: '28P01',
    says: ({ user, host, port }: Place & { user: string }) => `Millrace at ${host}:${port} refuses the password of user "${user}"`,
    because: 'The password is that which the first start of `millrace serve` has printed, unless MILLRACE_PASSWORD has set another.',
    mend: () =>
      'give the right one in PGPASSWORD or in the URL; if it is lost, start `millrace serve` once with MILLRACE_PASSWORD=<a new one>',
  },
  SUBSCRIPTION_ENDED: of<{ reason: string; code: string; hint: string }>({
    sqlstate: '08006',
    says: ({ reason }) => `the subscription ended: ${reason}`,
    because: 'The server refused the query, ended the subscription with this reason, or is gone.',
    detail: ({ code }) => (code === '' ? undefined : `SQLSTATE ${code}`),
    mend: ({ hint }) => (hint === '' ? 'run the command again once the server is back: it begins with a snapshot' : hint),
  }),
  INIT_FILE_UNUSABLE: {
    sqlstate: '58030',
    says: ({ file, reason }: { file: string; reason: string }) => `the file ${file} cannot be run: ${reason}`,
    because: 'The statements of --init run at every start, before the server says that it is ready.',
    mend: () => 'millrace serve --init <a file of SQL statements that can be read>',
  },
  DATA_DIRECTORY_UNUSABLE: {
    sqlstate: '58030',
    says: ({ directory, reason }: { directory: string; reason: string }) => `"${directory}" cannot be the data directory: ${reason}`,
    because: 'Millrace keeps its log and its rows in a directory of its own, which it must be able to make and to write.',
    mend: () => 'millrace serve --data <a new or empty directory that this user may write>',
  },
  DEMO_RUNNING: {
    sqlstate: '55006',
    says: ({ database }: { database: string }) => `another demo is running in database "${database}"`,
    because: 'A demo makes a schema, a publication and a slot of its own; two would share them.',
    mend: () => 'end the other one with Ctrl-C, or give another database: millrace demo --postgres URL',
  },
  DEMO_NAME_TAKEN: of<{ kind: 'schema' | 'publication'; name: string; database: string }>({
    sqlstate: '42710',
    says: ({ kind, name, database }) => `${kind} "${name}" is in database "${database}" already, and was not made by the demo`,
    because: 'The demo works in a schema and a publication of that name, and touches nothing that was there before.',
    mend: ({ kind, name }) =>
      `ALTER ${kind.toUpperCase()} ${name} RENAME TO ${name}_kept;   (or give another database: millrace demo --postgres URL)`,
  }),
  DEMO_LEFT_BEHIND: of<{ database: string; reason: string }>({
    sqlstate: '58000',
    says: ({ database }) => `what the demo made in database "${database}" could not be taken away`,
    because: 'At its end the demo drops its slot, publication and schema; the server refused, or was gone.',
    detail: ({ reason }) => reason,
    mend: () => 'run the same demo again: it takes away what an earlier one left',
  }),
});
