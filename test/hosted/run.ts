/**
 * `npm run test:hosted [-- rds aurora …] [--json]`: each of the guide's five providers, from its factory state to an audited live view; every requirement broken alone, found, mended and proved;
 * setup interrupted at every step and resumed. The last line of `--json` is the result.
 */
import { auroraBreaks, amazonStage, rdsBreaks, serverlessV1 } from './amazon.ts';
import { azureBreaks, azureStage, singleServer } from './azure.ts';
import type { Break } from './breaks.ts';
import { digitalOceanBreaks, digitalOceanStage } from './digitalocean.ts';
import { cloudSqlBreaks, cloudSqlStage } from './google.ts';
import { offerSdks } from './install-sdks.ts';
import { liveView } from './live-view.ts';
import { installMajors, tryMajor, type MajorResult } from './majors.ts';
import { Scene, type Stage } from './scene.ts';

interface Hosted<S extends Stage = Stage> {
  readonly name: string;
  /** Its client needs the official SDK. */
  readonly sdk: boolean;
  stage(): Promise<S>;
  readonly breaks: readonly Break<S>[];
  /** Lines of the guide that need a stage of their own. */
  readonly apart?: readonly { readonly id: string; run(): Promise<{ found: boolean; refused: boolean }> }[];
}

function hosted<S extends Stage>(one: Hosted<S>): Hosted {
  return one as unknown as Hosted;
}

const PROVIDERS: readonly Hosted[] = [
  hosted({ name: 'rds', sdk: true, stage: () => amazonStage('instance'), breaks: rdsBreaks }),
  hosted({
    name: 'aurora',
    sdk: true,
    stage: () => amazonStage('aurora'),
    breaks: auroraBreaks,
    apart: [{ id: 'AUR1', run: serverlessV1 }],
  }),
  hosted({ name: 'cloudsql', sdk: true, stage: cloudSqlStage, breaks: cloudSqlBreaks }),
  hosted({ name: 'azure', sdk: true, stage: azureStage, breaks: azureBreaks, apart: [{ id: 'Single', run: singleServer }] }),
  hosted({ name: 'digitalocean', sdk: false, stage: digitalOceanStage, breaks: digitalOceanBreaks }),
];

export interface ProviderResult {
  readonly name: string;
  readonly requirements: number;
  readonly found: number;
  readonly mended: number;
  readonly proved: number;
  readonly interrupted: number;
  readonly stuck: number;
  readonly missed: readonly string[];
  /** From the factory state: setup, doctor ready, CREATE SOURCE, a live view, audit equal. */
  readonly live: boolean;
}

const json = process.argv.includes('--json');
const names = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));

function say(line: string): void {
  (json ? process.stderr : process.stdout).write(`${line}\n`);
}

async function story(provider: Hosted): Promise<ProviderResult> {
  const missed: string[] = [];
  const tally = { requirements: 0, found: 0, mended: 0, proved: 0 };
  const scene = await Scene.open(await provider.stage());
  let live = false;
  try {
    const before = await scene.doctor();
    if (before.verdict === 'ready') missed.push('the factory state is not ready, and doctor says that it is');
    const result = await scene.setup();
    if (result.verdict !== 'done')
      missed.push(
        `setup: ${result.applied.map(({ id, state, reason }) => `${id} ${state} ${reason ?? ''}`).join('; ')} · ${(result.after?.findings ?? []).map(({ seen }) => seen).join('; ')}`,
      );
    const ready = await scene.doctor();
    if (ready.provider.id !== provider.name) missed.push(`recognised as ${ready.provider.id}`);
    if (ready.verdict !== 'ready') missed.push(`after setup: ${ready.findings.map(({ seen }) => seen).join('; ')}`);
    else {
      const problem = await liveView(scene);
      live = problem === undefined;
      if (problem !== undefined) missed.push(`live view: ${problem}`);
    }
    say(`  ${provider.name}: from the factory state to ${live ? 'an audited live view' : `FAILED: ${missed.join(' · ')}`}`);

    for (const one of provider.breaks) {
      tally.requirements++;
      const wrong = await breakOne(scene, one, tally).catch(
        (error: unknown) => `threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
      if (wrong !== undefined) missed.push(`${one.id}: ${wrong}`);
      say(
        `  ${provider.name}: ${one.id.padEnd(6)} ${one.what}: ${wrong ?? (one.refused === undefined ? (one.byHand === undefined && one.url === undefined ? 'found, mended, proved' : 'found, told how, proved') : 'found, refused with the way out')}`,
      );
    }
    const undone = await undo(scene);
    if (undone !== undefined) missed.push(`undo: ${undone}`);
    say(`  ${provider.name}: undo: ${undone ?? 'nothing of ours is left in the database'}`);
    for (const one of provider.apart ?? []) {
      tally.requirements++;
      const { found, refused } = await one.run();
      if (found) tally.found++;
      if (refused) {
        tally.mended++;
        tally.proved++;
      }
      if (!found || !refused) missed.push(`${one.id}: found ${String(found)}, refused ${String(refused)}`);
      say(`  ${provider.name}: ${one.id.padEnd(6)} ${found && refused ? 'found, refused with the way out' : 'FAILED'}`);
    }
  } finally {
    await scene.close();
  }
  const { interrupted, stuck, why } = await interruptions(provider);
  missed.push(...why);
  return { name: provider.name, ...tally, interrupted, stuck, missed, live };
}

/** What carries our mark goes; what the control plane cannot safely take back is told. */
async function undo(scene: Scene): Promise<string | undefined> {
  const result = await scene.setup({ undo: true });
  const [left] = await scene.dressed.superuser(
    `SELECT (SELECT count(*)::int FROM pg_publication) AS publications, (SELECT count(*)::int FROM pg_replication_slots WHERE slot_name LIKE 'millrace%') AS slots`,
  );
  const told = result.applied.map(({ id, state, reason }) => `${id} ${state} ${reason ?? ''}`).join('; ');
  if (result.verdict !== 'done') return told;
  return left!['publications'] === 0 && left!['slots'] === 0 ? undefined : `${JSON.stringify(left)} after ${told}`;
}

async function breakOne(scene: Scene, one: Break, tally: { found: number; mended: number; proved: number }): Promise<string | undefined> {
  await one.do(scene);
  const diagnosis = await scene.doctor(one.url?.(scene));
  const finding = diagnosis.findings.find(
    ({ check, requirements }) => check === one.check && (one.id === one.check || requirements.includes(one.id)),
  );
  if (finding === undefined)
    return `not found (${diagnosis.findings.map(({ check, requirements, seen }) => `${check} ${requirements.join(',')} ${seen}`).join('; ') || diagnosis.verdict})`;
  tally.found++;
  if (one.url !== undefined) {
    if (!/sslmode=require/.test(finding.mend.console ?? '')) return `no way told: ${JSON.stringify(finding.mend)}`;
    tally.mended++;
  } else {
    const result = await scene.setup();
    const told = result.applied.map(({ id, state, reason }) => `${id} ${state} ${reason ?? ''}`).join('; ');
    if (one.refused !== undefined) {
      const way = result.refusals[0]?.mend.console;
      await one.refused(scene);
      if (way === undefined || result.applied.length > 0) return `not refused: ${told}`;
      tally.mended++;
    } else if (one.byHand !== undefined) {
      const step = result.plan.find(({ via, proves }) => via === 'hand' && proves.includes(one.check));
      await one.byHand(scene, step?.request ?? '');
      if (step === undefined || step.request === '') return `no way told: ${told}`;
      tally.mended++;
    } else {
      if (result.verdict !== 'done') return `not mended: ${told} · ${(result.after?.findings ?? []).map(({ seen }) => seen).join('; ')}`;
      tally.mended++;
    }
  }
  await one.after?.(scene);
  const after = await scene.doctor();
  if (after.verdict !== 'ready') return `not proved: ${after.findings.map(({ seen }) => seen).join('; ')}`;
  tally.proved++;
  return undefined;
}

/** From the factory state each time: stopped before and after every step, then run again until nothing is left. */
async function interruptions(provider: Hosted): Promise<{ interrupted: number; stuck: number; why: string[] }> {
  let interrupted = 0;
  const why: string[] = [];
  for (let at = 0; ; at++) {
    const scene = await Scene.open(await provider.stage());
    let stopped = '';
    try {
      let seen = 0;
      await scene
        .setup({
          onStep: (step, state, line) => {
            if (line !== undefined || seen++ !== at) return;
            stopped = `${state === 'begins' ? 'before' : 'after'} ${step.id}`;
            throw new Error('interrupted');
          },
        })
        .catch((error: unknown) => {
          if (stopped === '') throw error;
        });
      if (stopped === '') break;
      interrupted++;
      const again = await scene.setup();
      if (again.verdict !== 'done')
        why.push(`interrupted ${stopped}: ${again.applied.map(({ id, state, reason }) => `${id} ${state} ${reason ?? ''}`).join('; ')}`);
    } catch (error) {
      why.push(`interrupted ${stopped}: ${error instanceof Error ? error.message : String(error)}`);
      if (stopped === '') break;
    } finally {
      await scene.close();
    }
  }
  say(`  ${provider.name}: interrupted at ${interrupted} places, ${why.length} stuck`);
  return { interrupted, stuck: why.length, why };
}

const majors: MajorResult[] = [];
if (names.length === 0 || names.includes('majors'))
  for (const major of await installMajors()) {
    const result = await tryMajor(major);
    majors.push(result);
    say(`  Postgres ${major}: ${result.missed.length === 0 ? 'its own words understood, set up, undone' : 'NOT WELL'}`);
    for (const line of result.missed) say(`  ✗ Postgres ${major} ${line}`);
  }

const sdks = await offerSdks();
const providers: ProviderResult[] = [];
for (const provider of PROVIDERS) {
  if (names.length > 0 && !names.includes(provider.name)) continue;
  if (provider.sdk && !sdks) {
    say(`  ${provider.name}: skipped, its SDK cannot be installed here`);
    continue;
  }
  const result = await story(provider);
  providers.push(result);
  for (const line of result.missed) say(`  ✗ ${provider.name} ${line}`);
}
const well =
  providers.length + majors.length > 0 &&
  majors.every(({ missed }) => missed.length === 0) &&
  providers.every(({ missed, stuck, live }) => missed.length === 0 && stuck === 0 && live);
if (json) process.stdout.write(`${JSON.stringify({ providers, majors })}\n`);
else say(well ? 'all well' : 'NOT WELL');
process.exitCode = well ? 0 : 1;
