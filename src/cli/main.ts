/**
 * `millrace`: runs one command. An error that reaches this file is printed with what mends it (I-8). Started by `bin/millrace.js`.
 */
import { CommanderError } from 'commander';
import { isUsageError, told, USAGE } from './exit.ts';
import { program } from './program.ts';

// Whoever reads us may have enough (`| head`): that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : USAGE;
  else {
    process.exitCode = isUsageError(error) ? USAGE : 1;
    process.stderr.write(told(error));
  }
}
