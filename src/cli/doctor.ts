/** `millrace doctor <postgres-url>`: whether this database can be streamed from, and what mends it. Exit 0 ready, 1 not, 2 cannot tell. */
import { MillraceError, reasonOf } from '../base/errors.ts';
import type { CloudApi } from '../providers/model.ts';
import { doctor as diagnoseDatabase } from '../providers/doctor.ts';
import { doctorJson, doctorText } from '../providers/report.ts';
import { coloured, plain } from '../providers/text.ts';
import { parseConnectionString } from '../upstream/connection/parameters.ts';
import { fitted } from './exit.ts';
import { cloudOf, consumerOf, providerOf, tablesOf } from './provider-options.ts';

export interface DoctorFlags {
  readonly provider?: string;
  readonly cloud?: string;
  readonly publication?: string;
  readonly tables?: string;
  readonly for?: string;
  readonly json?: boolean;
}

const EXIT_CODES = { ready: 0, not: 1, unknown: 2 } as const;

export async function doctor(url: string, flags: DoctorFlags): Promise<number> {
  let cloud: CloudApi | undefined;
  try {
    const parameters = parseConnectionString(url, process.env);
    const [provider, tables, consumer] = [providerOf(flags.provider), tablesOf(flags.tables), consumerOf(flags.for)];
    cloud = await cloudOf(flags.cloud);
    const diagnosis = await diagnoseDatabase(parameters, { provider, publication: flags.publication, tables, cloud, consumer });
    if (flags.json === true) process.stdout.write(`${JSON.stringify(doctorJson(diagnosis))}\n`);
    else
      process.stdout.write(
        `${doctorText(diagnosis, process.stdout.isTTY && process.env['NO_COLOR'] === undefined ? coloured : plain).join('\n')}\n`,
      );
    return EXIT_CODES[diagnosis.verdict];
  } catch (error) {
    // Whatever kept us from looking: the database may be fine.
    const message = reasonOf(error);
    const code = error instanceof MillraceError ? ` (${error.code})` : '';
    const hint = error instanceof MillraceError && error.hint !== undefined ? `  to mend it: ${error.hint}\n` : '';
    if (flags.json === true)
      process.stdout.write(`${JSON.stringify({ provider: flags.provider ?? null, verdict: 'unknown', findings: [], error: message })}\n`);
    else process.stderr.write(fitted(`millrace doctor could not look: ${message}${code}\n${hint}`));
    return EXIT_CODES.unknown;
  } finally {
    await cloud?.close?.();
  }
}
