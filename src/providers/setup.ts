/**
 * Setup: observe → plan → (with leave) apply → observe again, until there is nothing left to do; then prove it as the role that will stream. A plan that could not see the database
 * (a firewall in between) opens the way first and sees the rest in its next round. Called by `cli/setup.ts`. Keeps I-4 and I-8.
 */
import { connectUpstream } from '../upstream/connection/connect.ts';
import type { ConnectionParameters } from '../upstream/connection/parameters.ts';
import { apply, type Applied, type ApplyOptions } from './apply.ts';
import { doctor, type Diagnosis, type DoctorOptions } from './doctor.ts';
import { initStatements, passwordIn, writeInitFile, type InitFacts } from './init-file.ts';
import type { Step } from './model.ts';
import { failureOf } from './observe.ts';
import { plan, type Plan, type Wanted } from './plan.ts';
import { tryWrites } from './trial.ts';
import { leftOver, MARKED_SQL, planUndo, stillInUse, tryUndo, type Marked } from './undo.ts';
import { newPassword } from './verifier.ts';

/** The role is made when it is not there. */
export interface SetupOptions extends Omit<Wanted, 'newPassword'>, Pick<DoctorOptions, 'provider' | 'cloud' | 'signal'> {
  readonly publication: string;
  /** A password of the user's own for it; else that of the init file, else a new one. */
  readonly password?: string | undefined;
  readonly initFile: string;
  readonly undo: boolean;
  /** Leave to do what the plan says; without it, the plan is all. */
  readonly yes: boolean;
  readonly yesRestart: boolean;
  readonly onPlan?: (plan: Plan, diagnosis: Diagnosis, round: number) => void;
  readonly onStep?: ApplyOptions['onStep'];
}

export interface SetupResult {
  readonly before: Diagnosis;
  /** As the role that streams; undefined: nothing was applied. */
  readonly after: Diagnosis | undefined;
  readonly plan: readonly Step[];
  readonly refusals: Plan['refusals'];
  readonly applied: readonly Applied[];
  readonly verdict: 'done' | 'planned' | 'not';
  /** Where the statements with the password are, and the statements without it. */
  readonly init: { readonly file: string; readonly statements: string } | undefined;
  /** After an undo: what of ours is still there. */
  readonly left?: readonly string[];
}

/** The firewall first, then the parameters, then what a restart brings to light. */
const ROUNDS_MAX = 4;
/** Of what only reads. */
const LOCK_TIMEOUT_MS = 2_000;

export async function setup(parameters: ConnectionParameters, options: SetupOptions): Promise<SetupResult> {
  const itself = options.role === parameters.user;
  const secret = new Secret(parameters, options);
  const asked: DoctorOptions = {
    publication: options.publication,
    consumer: options.consumer,
    provider: options.provider,
    cloud: options.cloud,
    tables: options.tables === 'all' ? undefined : options.tables,
    signal: options.signal,
    role: itself ? undefined : options.role,
  };

  const steps = new Map<string, Step>();
  const applied = new Map<string, Applied>();
  let before: Diagnosis | undefined;
  let diagnosis: Diagnosis;
  let planned: Plan;
  for (let round = 1; ; round++) {
    diagnosis = await doctor(parameters, asked);
    before ??= diagnosis;
    const wanted = wantedFor(options, !itself && !options.undo && (await secret.mustBeSet(diagnosis)));
    planned = options.undo ? await undoing(parameters, options, diagnosis, wanted) : plan(diagnosis, wanted);
    if (options.yes && !options.undo && planned.refusals.length === 0 && planned.steps.length > 0) {
      const harmed = await tryWrites(parameters, diagnosis, planned.steps, options.signal);
      if (harmed.length > 0) planned = { steps: [], refusals: harmed };
    }
    for (const step of planned.steps) steps.set(step.id, step);
    if (round === 1 || planned.refusals.length > 0 || planned.steps.some((step) => step.via !== 'hand'))
      options.onPlan?.(planned, diagnosis, round);
    if (!options.yes || planned.refusals.length > 0) break;

    if (!options.undo && !itself && planned.steps.some((step) => step.via !== 'hand'))
      await secret.write(initFacts(parameters, options, diagnosis));
    const { onStep, signal, yesRestart: restartAllowed } = options;
    const done = await apply(parameters, planned.steps, { restartAllowed, password: await secret.value(), onStep, signal });
    for (const { id, ...outcome } of done)
      if (!(applied.get(id)?.state === 'done' && outcome.state === 'skipped')) applied.set(id, { id, ...outcome });
    if (done.some(({ id, state }) => state === 'done' && setsPassword(steps.get(id)))) secret.wasSet();
    const stopped = done.some(({ state }) => state === 'failed' || state === 'not allowed' || state === 'not reached');
    if (stopped || !done.some(({ state }) => state === 'done') || round >= ROUNDS_MAX || options.undo) break;
  }

  const result = { before, plan: [...steps.values()], refusals: planned.refusals, applied: [...applied.values()] };
  if (!options.yes || planned.refusals.length > 0)
    return { ...result, after: undefined, verdict: planned.refusals.length > 0 || options.yes ? 'not' : 'planned', init: undefined };
  if (options.undo) {
    // What is left to a person counts only where it kept the server as it was.
    const failed = result.applied.some(
      ({ id, state }) =>
        state === 'failed' ||
        state === 'not allowed' ||
        state === 'not reached' ||
        (state === 'by hand' && steps.get(id)?.restarts === true),
    );
    const left = await leftAfterUndo(parameters, options, asked, diagnosis, result.applied, steps);
    return { ...result, after: undefined, verdict: failed || left.length > 0 ? 'not' : 'done', init: undefined, left };
  }

  const kept = await options.cloud?.password?.(options.role, options.signal);
  if (kept !== undefined && !itself) secret.take(kept);
  const password = itself ? parameters.password : await secret.value();
  const { role: _role, ...askedAsRole } = asked;
  const after = await doctor({ ...parameters, user: options.role, password }, askedAsRole);
  const facts = initFacts(parameters, options, after);
  if (after.verdict === 'ready' && password !== undefined) await writeInitFile(options.initFile, initStatements(facts, password));
  return {
    ...result,
    after,
    verdict: after.verdict === 'ready' ? 'done' : 'not',
    init: after.verdict === 'ready' ? { file: options.initFile, statements: initStatements(facts, undefined) } : undefined,
  };
}

function setsPassword(step: Step | undefined): boolean {
  return step?.via === 'sql' && step.changes?.of === 'password';
}

function wantedFor({ consumer, tables, role, allow, closeFirewall }: SetupOptions, newPassword = false): Wanted {
  return { consumer, tables, role, newPassword, allow, closeFirewall };
}

async function undoing(parameters: ConnectionParameters, options: SetupOptions, diagnosis: Diagnosis, wanted: Wanted): Promise<Plan> {
  const marked = await readMarked(parameters, options, diagnosis);
  const inUse = stillInUse(diagnosis, wanted, marked);
  if (inUse.length > 0) return { steps: [], refusals: inUse };
  const steps = planUndo(diagnosis, wanted, marked);
  const refused = options.yes ? await tryUndo(parameters, diagnosis, steps) : [];
  return refused.length > 0 ? { steps: [], refusals: refused } : { steps, refusals: [] };
}

/** Looked at again, unless undoing has shut us out, as it should: then each step has proved itself. */
async function leftAfterUndo(
  parameters: ConnectionParameters,
  options: SetupOptions,
  asked: DoctorOptions,
  before: Diagnosis,
  applied: readonly Applied[],
  steps: ReadonlyMap<string, Step>,
): Promise<string[]> {
  if (before.observed.server === undefined) return ['whatever setup made: the database could not be reached'];
  if (applied.some(({ id, state }) => state === 'done' && steps.get(id)?.via === 'api')) return [];
  const seen = await doctor(parameters, asked);
  return leftOver(seen, wantedFor(options), await readMarked(parameters, options, seen));
}

function initFacts(parameters: ConnectionParameters, options: SetupOptions, { observed }: Diagnosis): InitFacts {
  const published = observed.tables.filter((table) => table.published);
  const chosen = published.length > 0 ? published : observed.tables.filter((table) => table.root === undefined);
  return {
    parameters,
    role: options.role,
    publication: options.publication,
    tables: chosen.length > 0 ? chosen : options.tables === 'all' ? [] : options.tables,
    consumer: options.consumer,
    tls: observed.server?.tls ?? false,
  };
}

async function readMarked(parameters: ConnectionParameters, options: SetupOptions, { observed }: Diagnosis): Promise<Marked> {
  if (observed.server === undefined) return { publication: false, role: false };
  const connection = await connectUpstream(parameters, { purpose: 'setup', lockTimeoutMs: LOCK_TIMEOUT_MS });
  try {
    const [row] = await connection.query(MARKED_SQL, [options.publication, options.role]);
    return { publication: row?.['publication'] === 't', role: row?.['role'] === 't' };
  } finally {
    await connection.end();
  }
}

/** The password of the role that streams: given, or found in the init file of an earlier run, or made; never printed. */
class Secret {
  readonly #parameters: ConnectionParameters;
  readonly #options: SetupOptions;
  #value: string | undefined;
  #read = false;
  #set = false;

  constructor(parameters: ConnectionParameters, options: SetupOptions) {
    this.#parameters = parameters;
    this.#options = options;
    this.#value = options.password;
  }

  async value(): Promise<string | undefined> {
    if (this.#value === undefined && !this.#read) {
      this.#read = true;
      this.#value = await passwordIn(this.#options.initFile);
    }
    return this.#value;
  }

  take(password: string): void {
    this.#value = password;
  }

  wasSet(): void {
    this.#set = true;
  }

  /** The role is there and what we hold does not let it in. Only the server's own refusal counts: what keeps everybody out says nothing of a password. */
  async mustBeSet({ observed, provider }: Diagnosis): Promise<boolean> {
    if (this.#set || observed.role === undefined || provider.replicationRight.by === 'api' || provider.replicationRight.by === 'fixed')
      return false;
    if (!observed.role.canLogin) return true;
    const password = await this.value();
    if (password === undefined) return true;
    try {
      const connection = await connectUpstream(
        { ...this.#parameters, user: this.#options.role, password },
        { purpose: 'setup', lockTimeoutMs: LOCK_TIMEOUT_MS },
      );
      await connection.end();
      return false;
    } catch (error) {
      return failureOf(error).code === 'UPSTREAM_AUTHENTICATION_FAILED';
    }
  }

  async write(facts: InitFacts): Promise<void> {
    this.#value = (await this.value()) ?? newPassword();
    await writeInitFile(this.#options.initFile, initStatements(facts, this.#value));
  }
}
