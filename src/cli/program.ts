/**
 * The commands of `millrace`: names, arguments, options (a contract), one file each, loaded only when asked for. A command returns its exit code.
 * Called by `main.ts`; `npm run docs` makes docs/reference/cli.md of it.
 */
import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import type { DemoFlags } from './demo.ts';
import type { DoctorFlags } from './doctor.ts';
import type { ServeFlags } from './serve.ts';
import type { SetupFlags } from './setup.ts';

interface JsonOption {
  readonly json?: boolean;
}

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };

/** What a terminal shows without breaking words. */
const HELP_COLUMNS = 80;

export const program = new Command('millrace')
  .description('Live SQL views over the Postgres you already have, kept exactly right from its own change stream.')
  .version(version)
  .configureHelp({ helpWidth: Math.min(HELP_COLUMNS, process.stdout.isTTY ? process.stdout.columns : HELP_COLUMNS) })
  .showHelpAfterError('(--help says what it takes)')
  // A wrong command line is 2 everywhere: 1 means "not ready", "not done", "different".
  .exitOverride();

program
  .command('demo')
  .description(
    'a live shop on an embedded Postgres, views on it, a crash, an audit. Exit 0 everything equal, 1 not, 2 usage, 130 interrupted',
  )
  .option('--for <time>', 'how long: 20s, 2m (without a terminal: 20s)')
  .option('--rate <n>', 'transactions a second', '200')
  .option('--postgres <url>', 'on a Postgres of yours instead (wal_level = logical), in a schema millrace_demo that goes at the end')
  .option('--hosted <provider>', 'first doctor and setup on an imitated rds, aurora, cloudsql, azure or digitalocean (from a checkout)')
  .option('--json', 'the last line is one object')
  .action(async (options: DemoFlags) => exit((await import('./demo.ts')).demo(options)));

program
  .command('doctor')
  .description('whether a Postgres can be streamed from, and what mends it: exit 0 ready, 1 not, 2 cannot tell')
  .argument('<postgres-url>', 'postgres://user:password@host:5432/database')
  .option('--provider <name>', 'rds, aurora, cloudsql, azure, digitalocean, …: when it is not recognised')
  .option('--cloud <resource>', 'ask its control plane, too: aws:ID, gcp:PROJECT:ID, azure:ID, do:ID')
  .option('--publication <name>', 'the publication to stream (looked for when named; else mz_source)')
  .option('--tables <names>', 'the tables to stream: orders,shop.items (else those of the publication, or all)')
  .option('--for <consumer>', 'millrace, materialize or debezium: who will read the stream', 'millrace')
  .option('--json', 'the last line is one object')
  .action(async (url: string, options: DoctorFlags) => exit((await import('./doctor.ts')).doctor(url, options)));

program
  .command('setup')
  .description('make a Postgres ready to be streamed from: plan, apply, prove; changes nothing without --yes. Exit 0 done, 1 not, 2 usage')
  .argument('<postgres-url>', 'as an administrator: postgres://user:password@host:5432/database')
  .option('--tables <names>', 'the tables to stream: orders,shop.items')
  .option('--all-tables', 'every table, and every one that will be made')
  .option('--publication <name>', 'what to call the publication', 'mz_source')
  .option('--provider <name>', 'rds, aurora, cloudsql, azure, digitalocean, …: when it is not recognised')
  .option('--cloud <resource>', 'let it use the control plane: aws:ID, gcp:PROJECT:ID, azure:ID, do:ID')
  .option('--for <consumer>', 'millrace, materialize or debezium: who will read the stream', 'millrace')
  .option('--role <name>', 'the role that will read the stream; made when it is not there', 'millrace')
  .option('--init-file <file>', "where the statements with the new role's password go (mode 0600)", 'millrace-init.sql')
  .option('--allow <cidr>', 'addresses to let in at the firewall')
  .option('--plan', 'show the plan only (as without --yes)')
  .option('--yes', 'do what the plan says')
  .option('--yes-restart', 'restart the database where the plan says so')
  .option('--undo', 'take back what setup made')
  .option('--close-firewall', 'DigitalOcean: an empty list of trusted sources may be closed to all others')
  .option('--emit <kind>', 'write the plan as sql, terraform or cli instead')
  .option('--json', 'the last line is one object')
  .action(async (url: string, options: SetupFlags) => exit((await import('./setup.ts')).setup(url, options)));

program
  .command('serve')
  .description('serve live views to Postgres clients, until told to stop')
  .option('--data <directory>', 'where everything is kept', 'millrace-data')
  .option('--listen <address>', 'for Postgres clients', '127.0.0.1:6875')
  // Part of the contract, and nothing listens there yet: not offered, and refused unless off.
  .addOption(new Option('--http <address>').default('off').hideHelp())
  .option('--init <file>', 'SQL statements to run at the start')
  .option('--auth <kind>', 'password (made at the first start), or trust (loopback only)', 'password')
  .action(async (options: ServeFlags) => exit((await import('./serve.ts')).serve(options, version)));

program
  .command('subscribe')
  .description("print every change of a query's result as it happens, until Ctrl-C")
  .argument('<millrace-url>', 'postgres://millrace:PASSWORD@127.0.0.1:6875/millrace, or the password in PGPASSWORD')
  .argument('<query>', 'the name of a view, or a SELECT')
  .option('--json', 'one object a line')
  .action(async (url: string, query: string, options: JsonOption) => exit((await import('./subscribe.ts')).subscribe(url, query, options)));

program
  .command('audit')
  .description('compare each view with the upstream at one exact LSN: exit 0 equal, 1 different, 2 could not run')
  .argument('<millrace-url>', 'postgres://millrace:PASSWORD@127.0.0.1:6875/millrace, or the password in PGPASSWORD')
  .argument('[view...]', 'all views when none is named')
  .option('--json', 'the last line is one object')
  .action(async (url: string, views: string[], options: JsonOption) => exit((await import('./audit.ts')).audit(url, views, options)));

async function exit(code: Promise<number>): Promise<void> {
  process.exitCode = await code;
}
