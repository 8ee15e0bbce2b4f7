/**
 * Amazon RDS and Aurora: what the control plane knows of one instance or cluster, and the steps of `plan.ts` carried out. Each step looks again before it sends, and is done only when
 * the control plane shows it: a parameter group by its apply status (no waiter of the SDK covers it), a reboot by `pending-reboot` turning into `in-sync` on an available database.
 */
import { millraceError } from '../../../base/errors.ts';
import type { CloudApi, Control, Progress, StepState } from '../../model.ts';
import { covers } from '../address.ts';
import { change, lookRepeatedly, waitUntil, type Patience, type Service } from '../patience.ts';
import { controlOf, MARK, type CallStep, type Carrier } from '../steps.ts';
import { awsCode, awsError, type AwsCalls, awsTrouble } from './calls.ts';
import { factsOf, type Database } from './database.ts';
import { planAws, undoAws } from './plan.ts';
import { AwsReading } from './reading.ts';
import { request, type Call } from './requests.ts';

/** A status from which no waiting helps. */
const BROKEN = /^(failed|incompatible-.*|inaccessible-encryption-credentials.*|restore-error|insufficient-capacity|storage-full)$/;

type Step = CallStep<Call>;

export class AwsCloud implements CloudApi, Carrier<Call> {
  readonly resource: string;
  readonly #name: string;
  readonly #calls: AwsCalls;
  readonly #service: Service;
  readonly #reading: AwsReading;
  #port = 5432;
  /** For progress: the database at the last look. */
  #seen = '';
  /** Reboots that this client has sent: an unconditional one is done once it was. */
  readonly #rebooted = new Set<string>();

  constructor(resource: string, name: string, calls: AwsCalls, patience: Patience) {
    this.resource = resource;
    this.#name = name;
    this.#calls = calls;
    this.#service = { trouble: awsTrouble, translate: awsError(resource), patience };
    this.#reading = new AwsReading(name, calls, this.#service);
  }

  async observe(signal?: AbortSignal): Promise<Control> {
    const database = await this.#database(signal);
    this.#port = database.port;
    const { scope, group, engine, version } = database;
    const [family, parameters, groups, sharedWith, network] = await Promise.all([
      this.#reading.family(engine, version, signal),
      this.#reading.parameters(scope, group, signal),
      this.#reading.groups(scope, signal),
      this.#reading.sharedWith(database, signal),
      this.#reading.network(database, signal),
    ]);
    const { facts, own } = factsOf(database, { family, parameters, groups, sharedWith, network });
    return controlOf(facts, { plan: (wanted) => planAws(facts, own, wanted), planUndo: () => undoAws(facts, own) }, this);
  }

  async state(step: Step, signal?: AbortSignal): Promise<StepState> {
    const { call } = step;
    switch (call.kind) {
      case 'create-group':
      case 'copy-group': {
        const group = await this.#reading.group(call.scope, call.name, signal);
        if (group === undefined) return 'todo';
        if (group.DBParameterGroupFamily !== call.family)
          throw millraceError('CLOUD_CHANGED_MEANWHILE', {
            what: `parameter group ${call.name}`,
            reason: `its family is ${group.DBParameterGroupFamily}, not ${call.family}`,
          });
        return 'done';
      }
      case 'set-parameters': {
        const { scope, group, values } = call;
        const database = await this.#database(signal);
        const present = new Map(
          (await this.#reading.parameters(scope, group, signal)).map((one) => [one.ParameterName, one.ParameterValue]),
        );
        if (Object.entries(values).some(([name, value]) => present.get(name) !== value)) return 'todo';
        return database.group === group && database.applyStatus === 'applying' ? 'underway' : 'done';
      }
      case 'associate': {
        const database = await this.#database(signal);
        if (database.group !== call.group) return 'todo';
        return database.applyStatus === 'applying' || database.status !== 'available' ? 'underway' : 'done';
      }
      case 'delete-group':
        return (await this.#reading.group(call.scope, call.name, signal)) === undefined ? 'done' : 'todo';
      case 'ingress': {
        const rules = await this.#reading.rules([call.group], call.port, signal);
        return rules.some(({ cidr }) => covers(cidr, call.address)) ? 'done' : 'todo';
      }
      case 'revoke': {
        const rules = await this.#reading.rules([call.group], this.#port, signal);
        return rules.some(({ cidr, description }) => cidr === call.address && description === MARK) ? 'todo' : 'done';
      }
      case 'reboot': {
        const database = await this.#database(signal);
        if (BROKEN.test(database.status))
          throw millraceError('CLOUD_REFUSED', {
            operation: 'the reboot',
            resource: database.id,
            reason: `its status is ${database.status}`,
          });
        if (database.status !== 'available') return database.status === 'rebooting' ? 'underway' : 'todo';
        if (database.applyStatus !== 'in-sync') return this.#rebooted.has(step.id) ? 'underway' : 'todo';
        return call.unconditional && !this.#rebooted.has(step.id) ? 'todo' : 'done';
      }
    }
  }

  async apply(step: Step, progress: Progress, signal?: AbortSignal): Promise<void> {
    const { call } = step;
    const state = await this.state(step, signal);
    if (state === 'done') return;
    const restart = call.kind === 'reboot';
    if (restart && state === 'todo') await this.#available(progress, signal);
    const alreadyThere = async (): Promise<object | undefined> => ((await this.state(step, signal)) === 'todo' ? undefined : {});
    if (state === 'todo') {
      const [operation, input] = request(call, this.#port);
      await change({
        operation,
        send: async () => {
          try {
            return await this.#calls.send(operation, input, signal);
          } catch (error) {
            // Somebody (perhaps we, in a try whose answer was lost) was quicker: what counts is what is there.
            if (
              /^(InvalidPermission\.(Duplicate|NotFound)|DB(Cluster)?ParameterGroupAlreadyExists)$/.test(awsCode(error)) &&
              (await alreadyThere()) !== undefined
            )
              return {};
            throw error;
          }
        },
        done: restart ? () => lookRepeatedly(alreadyThere, this.#service.patience, signal) : alreadyThere,
        ...this.#service,
        progress,
        signal,
      });
      if (restart) this.#rebooted.add(step.id);
    }
    let wasAway = false;
    // RDS takes a moment until it shows what it has accepted: this many looks may still show the old state.
    let grace = state === 'todo' && (restart ? call.unconditional : call.kind === 'set-parameters' || call.kind === 'associate') ? 3 : 0;
    await waitUntil(
      this.#service.patience,
      {
        what: restart ? `reboot of ${call.reboot}` : step.title,
        where: `aws rds describe-db-${'scope' in call ? call.scope : 'instance'}s`,
        restarts: step.restarts,
        progress,
        signal,
      },
      async () => {
        const now = await this.state(step, signal);
        const seen = restart || call.kind === 'set-parameters' || call.kind === 'associate' ? this.#seen : now;
        wasAway ||= now === 'underway' || seen.includes('pending-reboot');
        return { done: now === 'done' && (wasAway || grace-- <= 0), seen };
      },
    );
  }

  close(): Promise<void> {
    this.#calls.close();
    return Promise.resolve();
  }

  async #database(signal: AbortSignal | undefined): Promise<Database> {
    const database = await this.#reading.database(signal);
    this.#seen = `${database.status}, parameters ${database.applyStatus}`;
    return database;
  }

  /** Before a reboot: nothing may be applying, or the reboot would come too early. */
  async #available(progress: Progress, signal: AbortSignal | undefined): Promise<void> {
    await waitUntil(
      this.#service.patience,
      {
        what: `${this.#name} to be available`,
        where: 'aws rds describe-db-instances',
        restarts: false,
        progress,
        signal,
      },
      async () => {
        const { status, applyStatus } = await this.#database(signal);
        return {
          done: status === 'rebooting' || (status === 'available' && applyStatus !== 'applying'),
          seen: `${status}, parameters ${applyStatus}`,
        };
      },
    );
  }
}
