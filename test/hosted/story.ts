/**
 * The set-up path to watch, in about a minute: a dressed provider from its factory state, `doctor` (red), `setup` (plan, apply with progress, restart), `doctor` (green), and on into the demo's live
 * views on the same server. `node test/hosted/story.ts rds [--for 20s]`; `millrace demo --hosted rds` runs it from a checkout.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { endText, planText, stepLine } from '../../src/providers/plan-report.ts';
import { doctorText } from '../../src/providers/report.ts';
import { coloured, plain } from '../../src/providers/text.ts';
import { amazonStage } from './amazon.ts';
import { azureStage } from './azure.ts';
import { digitalOceanStage } from './digitalocean.ts';
import { cloudSqlStage } from './google.ts';
import { offerSdks } from './install-sdks.ts';
import { Scene, type Stage } from './scene.ts';

const STAGES: Readonly<Record<string, () => Promise<Stage>>> = {
  rds: () => amazonStage('instance'),
  aurora: () => amazonStage('aurora'),
  cloudsql: cloudSqlStage,
  azure: azureStage,
  digitalocean: digitalOceanStage,
};

/** Exit code of the whole: 0 when doctor is green and every audit equal. `demoArguments` go to the demo that follows. */
export async function hostedStory(name: string, demoArguments: readonly string[], write: (text: string) => void): Promise<number> {
  const stage = STAGES[name];
  if (stage === undefined) {
    write(`--hosted takes one of ${Object.keys(STAGES).join(', ')}\n`);
    return 2;
  }
  if (name !== 'digitalocean' && !(await offerSdks())) return 2;
  const style = process.stdout.isTTY && process.env['NO_COLOR'] === undefined ? coloured : plain;
  const lines = (text: readonly string[]): void => write(`${text.join('\n')}\n`);
  const title = (text: string): void => write(`\n${style.bold(`━━ ${text} ${'━'.repeat(Math.max(0, 74 - text.length))}`)}\n`);
  const scene = await Scene.open(await stage());
  try {
    title('millrace doctor: as the host delivers it');
    lines(doctorText(await scene.doctor(), style));
    title(`millrace setup --cloud ${scene.stage.cloud} --yes --yes-restart`);
    let said = '';
    const result = await scene.setup({
      onPlan: (plan, diagnosis, round) => lines(planText(plan, diagnosis, round, style)),
      onStep: (step, state, line) => {
        const text = stepLine(step, state, line, style);
        // What is still as it was a moment ago is not said again.
        if ((state !== 'begins' || line !== undefined) && text !== said) write(`${text}\n`);
        said = text;
      },
    });
    lines(['', ...endText(result, style)]);
    title('millrace doctor: as the role that will stream');
    const after = await scene.doctor();
    lines(doctorText(after, style));
    if (after.verdict !== 'ready') return 1;

    title('millrace demo: live views on that server');
    await scene.dressed.asAdmin('CREATE DATABASE demo');
    const { user, password } = scene.dressed.admin;
    const url = `postgres://${user}:${password}@${scene.dressed.host}:${scene.dressed.port}/demo?sslmode=require`;
    const demo = spawn(
      process.execPath,
      [fileURLToPath(new URL('../../bin/millrace.js', import.meta.url)), 'demo', '--postgres', url, ...demoArguments],
      { stdio: 'inherit' },
    );
    const [code] = (await once(demo, 'exit')) as [number | null];
    return code ?? 1;
  } finally {
    await scene.close();
  }
}

if (import.meta.main)
  process.exitCode = await hostedStory(process.argv[2] ?? 'rds', process.argv.slice(3), (text) => process.stdout.write(text));
