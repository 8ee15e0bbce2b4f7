/**
 * `millrace`: runs one command. An error that reaches this file is printed with what mends it (I-8). Started by `bin/millrace.js`.
 */
import { MillraceError } from '../base/errors.ts';
import { program } from './program.ts';

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = 1;
  if (error instanceof MillraceError) {
    process.stderr.write(`millrace: ${error.message} (${error.code})\n`);
    if (error.detail !== undefined) process.stderr.write(`  ${error.detail}\n`);
    if (error.hint !== undefined) process.stderr.write(`  to mend it: ${error.hint}\n`);
  } else process.stderr.write(`millrace: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
}
