/** psql: its meta commands, whose queries on the system catalog are the hardest that a tool asks; COPY to a file. Prints one line of JSON a check, as all clients do. */
import { spawnSync } from 'node:child_process';

const port = process.env['MILLRACE_PORT'] ?? '';

interface Wanted {
  readonly command: string;
  /** Each is found in what psql writes. */
  readonly shows: readonly RegExp[];
}

const WANTED: readonly Wanted[] = [
  { command: '\\d', shows: [/\bkinds\s+\| table/, /\beven\s+\| view/, /\bsums\s+\| materialized view/] },
  { command: '\\d+ kinds', shows: [/a_price\s+\| numeric\(10,2\)/, /in euros/, /"kinds_pkey" PRIMARY KEY, btree \(id\)/] },
  { command: '\\d+ even', shows: [/View definition:/, /% 2\) = 0/] },
  { command: '\\d+ sums', shows: [/Materialized view "public\.sums"/, /"sums_digit" btree \(digit\)/] },
  { command: '\\d sums_digit', shows: [/Index "public\.sums_digit"/] },
  { command: '\\dt', shows: [/changing/, /kinds/, /numbers/] },
  { command: '\\dt+', shows: [/one column a type/] },
  { command: '\\dv+', shows: [/even/] },
  { command: '\\dm', shows: [/sums/] },
  { command: '\\di', shows: [/sums_digit/] },
  { command: '\\dn', shows: [/public/, /millrace/] },
  { command: '\\dn+', shows: [/public/] },
  { command: '\\df', shows: [/List of functions/] },
  { command: '\\df pg_catalog.lower', shows: [/lower/] },
  { command: '\\dT', shows: [/mood/, /pair/] },
  { command: '\\dT+ mood', shows: [/happy/] },
  { command: '\\dD', shows: [/cents/] },
  { command: '\\dd', shows: [/./] },
  { command: '\\dp', shows: [/Access privileges/] },
  { command: '\\du', shows: [/millrace/] },
  { command: '\\dx', shows: [/List of installed extensions/] },
  { command: '\\sv even', shows: [/CREATE OR REPLACE VIEW public\.even/] },
  { command: '\\conninfo', shows: [/database "millrace"/] },
  { command: '\\encoding', shows: [/UTF8/] },
  { command: '\\copy (SELECT n, word FROM numbers WHERE n < 3 ORDER BY n) TO STDOUT', shows: [/^1\tword 1\n2\tword 2\n$/] },
  { command: '\\copy sums TO STDOUT', shows: [/^\d\t250\t/m] },
  { command: 'SELECT word FROM numbers WHERE n = 1 \\gdesc', shows: [/word\s+\| text/] },
  { command: 'SELECT n FROM numbers WHERE n = 1 \\gset\nSELECT :n + 1', shows: [/2/] },
  { command: '\\set FETCH_COUNT 100\nSELECT n FROM numbers ORDER BY n', shows: [/2500/] },
  { command: 'SELECT * FROM nowhere', shows: [/ERROR: {2}42P01: relation "nowhere" does not exist/] },
];

for (const { command, shows } of WANTED) {
  const { stdout, stderr, error } = spawnSync(
    'psql',
    ['-X', '-h', '127.0.0.1', '-p', port, '-U', 'millrace', '-d', 'millrace', '-v', 'VERBOSITY=verbose'],
    {
      input: `${command}${command.startsWith('\\') && !command.includes('\n') ? '' : ';'}\n`.replace('\\gdesc;', '\\gdesc'),
      encoding: 'utf8',
      timeout: 30_000,
    },
  );
  const said = `${stdout}${stderr}`;
  const missing = shows.filter((pattern) => !pattern.test(said));
  const failed = error !== undefined || missing.length > 0 || (/ERROR/.test(stderr) && !command.includes('nowhere'));
  process.stdout.write(
    `${JSON.stringify({ name: command, error: failed ? `${error?.message ?? ''}${missing.map((pattern) => `not there: ${pattern}\n`).join('')}${said}` : null })}\n`,
  );
}
