/** `npm run check`: format, lint, types and the tidy test, side by side, then what is to be looked at by people; for every save, under 10 s. */
import { checks, report, run, type Check } from './checks.ts';
import { importsAcrossThreads, LINES_OF_FUNCTION_MAX, longFunctions, namesOnlyTestsUse } from './house.ts';

const tidy: Check = { name: 'tidy', command: ['vitest', 'run', 'test/tidy.test.ts', 'test/errors-doc.test.ts', 'test/cli-doc.test.ts'] };

const outcomes = await Promise.all(
  [...checks, tidy].map(async (check) => {
    const outcome = await run(check.command);
    report(check.name, outcome);
    return outcome;
  }),
);

list(
  'names that only tests use',
  namesOnlyTestsUse().map(({ path, line, name }) => `${path}:${line} ${name}`),
);
list('imports across threads', importsAcrossThreads());
list(
  `functions of more than ${LINES_OF_FUNCTION_MAX} lines`,
  longFunctions().map(({ path, line, lines, reason }) => `${path}:${line} ${lines} lines: ${reason ?? 'no reason given'}`),
);

function list(what: string, entries: readonly string[]): void {
  console.log(`${what}: ${entries.length === 0 ? 'none' : entries.length}`);
  for (const entry of entries) console.log(`  ${entry}`);
}

process.exitCode = outcomes.every((outcome) => outcome.passed) ? 0 : 1;
