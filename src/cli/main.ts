/** `millrace`: runs one command. An error that reaches this file is printed with what mends it (I-8). Started by `bin/millrace.js`. */
import { CommanderError } from 'commander';
import { fitted, isUsageError, told, USAGE } from './exit.ts';
import { program } from './program.ts';

// Whoever reads us may have enough (`| head`), or the terminal is gone: no error. A command that has something to take away hears of it as of a hang-up; a server goes on.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
    if (process.listenerCount('SIGHUP') > 0) process.emit('SIGHUP');
    else if (process.listenerCount('SIGTERM') === 0) process.exit(0);
  });

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : USAGE;
  else {
    process.exitCode = isUsageError(error) ? USAGE : 1;
    process.stderr.write(fitted(told(error)));
  }
}
