/** `npm run check`: format, lint, types and the tidy test, side by side; for every save, under 10 s. */
import { checks, report, run, type Check } from './checks.ts';

const tidy: Check = { name: 'tidy', command: ['vitest', 'run', 'test/tidy.test.ts', 'test/errors-doc.test.ts', 'test/cli-doc.test.ts'] };

const outcomes = await Promise.all(
  [...checks, tidy].map(async (check) => {
    const outcome = await run(check.command);
    report(check.name, outcome);
    return outcome;
  }),
);
process.exitCode = outcomes.every((outcome) => outcome.passed) ? 0 : 1;
