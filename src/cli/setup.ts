/**
 * `millrace setup <postgres-url>`: makes a database ready to be streamed from, as far as it may. Without `--yes` it shows the plan and changes nothing.
 * Exit 0 done (or planned, or nothing to do), 1 not, 2 usage or SDK absent.
 */
import { MillraceError, millraceError, reasonOf } from '../base/errors.ts';
import { cidr as cidrOf } from '../providers/checks/reach.ts';
import { PUBLICATION_DEFAULT } from '../providers/doctor.ts';
import { emit, EMITS } from '../providers/emit.ts';
import type { CloudApi } from '../providers/model.ts';
import { endText, planText, setupJson, stepLine } from '../providers/plan-report.ts';
import { setup as setUp, type SetupOptions } from '../providers/setup.ts';
import { coloured, plain } from '../providers/text.ts';
import { parseConnectionString } from '../upstream/connection/parameters.ts';
import { cloudOf, consumerOf, providerOf, tablesOf } from './provider-options.ts';
import { fitted } from './exit.ts';

export interface SetupFlags {
  readonly tables?: string;
  readonly allTables?: boolean;
  readonly publication?: string;
  readonly provider?: string;
  readonly cloud?: string;
  readonly for?: string;
  readonly role?: string;
  readonly initFile?: string;
  readonly allow?: string;
  readonly plan?: boolean;
  readonly yes?: boolean;
  readonly yesRestart?: boolean;
  readonly undo?: boolean;
  readonly closeFirewall?: boolean;
  readonly emit?: string;
  readonly json?: boolean;
}

export async function setup(url: string, flags: SetupFlags): Promise<number> {
  const style = process.stdout.isTTY && process.env['NO_COLOR'] === undefined && flags.json !== true ? coloured : plain;
  const human = flags.json !== true && flags.emit === undefined;
  const say = (lines: readonly string[] | string): void =>
    void (human && process.stdout.write(`${typeof lines === 'string' ? lines : lines.join('\n')}\n`));
  let cloud: CloudApi | undefined;
  let options: SetupOptions;
  let parameters;
  try {
    parameters = parseConnectionString(url, process.env);
    const emitting = flags.emit === undefined ? undefined : EMITS.find((kind) => kind === flags.emit);
    if (flags.emit !== undefined && emitting === undefined)
      throw millraceError('SETUP_OPTION_INVALID', { option: '--emit', value: flags.emit, allowed: EMITS.join(', ') });
    const tables = tablesOf(flags.tables);
    if (flags.undo !== true && (tables === undefined) === (flags.allTables !== true))
      throw millraceError('SETUP_OPTION_INVALID', {
        option: '--tables',
        value: flags.tables ?? '',
        allowed: 'either --tables a,b or --all-tables',
      });
    const provider = providerOf(flags.provider);
    cloud = await cloudOf(flags.cloud);
    const password = process.env['MILLRACE_ROLE_PASSWORD'];
    options = {
      provider,
      cloud,
      password: password === '' ? undefined : password,
      consumer: consumerOf(flags.for),
      publication: flags.publication ?? PUBLICATION_DEFAULT,
      tables: tables ?? 'all',
      role: flags.role ?? 'millrace',
      initFile: flags.initFile ?? 'millrace-init.sql',
      allow: allowed(flags.allow),
      closeFirewall: flags.closeFirewall === true,
      undo: flags.undo === true,
      yes: flags.yes === true && flags.plan !== true && emitting === undefined,
      yesRestart: flags.yesRestart === true,
      onPlan: (plan, diagnosis, round) => say(planText(plan, diagnosis, round, style)),
      onStep: (step, state, line) => {
        // What is about to begin is said only once it waits for something.
        if (state !== 'begins' || line !== undefined) say(stepLine(step, state, line, style));
      },
    };
    if (emitting !== undefined) {
      const result = await setUp(parameters, options);
      process.stdout.write(emit(result.plan, emitting));
      return result.refusals.length > 0 ? 1 : 0;
    }
  } catch (error) {
    await cloud?.close?.();
    if (!(error instanceof MillraceError)) throw error;
    if (flags.json === true) process.stdout.write(`${JSON.stringify({ plan: [], applied: [], verdict: 'not', error: error.message })}\n`);
    process.stderr.write(fitted(`millrace setup: ${error.message}\n${error.hint === undefined ? '' : `  ${error.hint}\n`}`));
    return 2;
  }
  try {
    const result = await setUp(parameters, options);
    if (flags.json === true) process.stdout.write(`${JSON.stringify(setupJson(result))}\n`);
    else say(['', ...endText(result, style)]);
    return result.verdict === 'not' ? 1 : 0;
  } catch (error) {
    if (flags.json === true) process.stdout.write(`${JSON.stringify({ plan: [], applied: [], verdict: 'not', error: reasonOf(error) })}\n`);
    throw error;
  } finally {
    await cloud?.close?.();
  }
}

/** An address alone means just that one. */
function allowed(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => {
      if (!/^[0-9a-fA-F.:]+(?:\/\d{1,3})?$/.test(part))
        throw millraceError('SETUP_OPTION_INVALID', { option: '--allow', value: part, allowed: 'an address or a range: 203.0.113.7/32' });
      return part.includes('/') ? part : cidrOf(part);
    });
}
