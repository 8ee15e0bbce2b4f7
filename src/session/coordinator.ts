/**
 * The main thread's side of the engine: owns the workers' lives (engine, ingest, catalog), the catalog in memory and the one queue of definitions; hands sessions
 * what they need. Knows SQL's meaning and nothing of the protocol. Made by `serve`; promises: I-3 (through ingest), I-8.
 */
import { randomUUID } from 'node:crypto';
import { must } from '../base/assert.ts';
import { ClientsMemory } from '../base/client-memory.ts';
import { millraceError, MillraceError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { Logger } from '../base/logging.ts';
import type { AuditResult } from '../audit/audit.ts';
import { StateLog } from '../base/state-log.ts';
import { within } from '../base/within.ts';
import { IngestClient } from '../ingest/ingest-client.ts';
import { IngestProgress } from '../ingest/progress.ts';
import type { IngestStatus } from '../ingest/protocol.ts';
import { Mirror } from '../sql/mirror/mirror.ts';
import { PLANNING_PRELUDE } from '../sql/tree/catalog-context.ts';
import { openDataDirectory, type DataDirectory } from '../store/data-directory.ts';
import { LogBounds } from '../store/log/bounds.ts';
import { connectionParameters, optionsIn, type ConnectionParameters } from '../upstream/connection/parameters.ts';
import { AuditQueue } from './status/audit-queue.ts';
import { Catalog, type Connection, type ConnectionOptions, type Source } from '../catalog/catalog.ts';
import { EngineClient } from './engine-client.ts';
import { copyRefusals } from './status/fares.ts';
import { Planner } from './planner.ts';
import { UpstreamQuestions } from './upstream-questions.ts';
import { logAudit } from './status/audit-log.ts';
import { logSource, withNames } from './status/source-log.ts';
import { mirrored } from './define/mirrored.ts';
import { hasStalePlan, withPlansMadeAgain } from './define/plans-made-again.ts';
import type { OpenSubscription } from './open-subscription.ts';

export interface CoordinatorOptions {
  readonly dataDirectory: string;
  readonly version: string;
  readonly logger: Logger;
  /** Assert weights in every operator (tests, soak). */
  readonly validate: boolean;
  /** The engine or ingest is gone for good: the process should end, and be started again. */
  readonly onFailure: (error: MillraceError) => void;
}

/** Everything of one running source. */
export interface RunningSource {
  readonly ingest: IngestClient;
  readonly progress: IngestProgress;
  status: IngestStatus | undefined;
}

export interface AuditOutcome {
  readonly view: string;
  readonly lsn: string;
  readonly state: string;
  readonly rows: number;
  readonly differences: number;
  readonly finishedAt: string;
}

/** A client's session, as others see it. */
export interface OpenSession {
  readonly number: number;
  readonly applicationName: string;
  readonly clientAddress: string | undefined;
  readonly openedAt: Date;
  readonly transactionStatus: 'I' | 'T' | 'E';
  /** The text of the statement that runs. */
  readonly running: string | undefined;
  readonly subscription: OpenSubscription | undefined;
  cancel(): void;
}

export class Coordinator {
  readonly directory: DataDirectory;
  readonly engine: EngineClient;
  readonly mirror: Mirror;
  readonly planner: Planner;
  readonly logger: Logger;
  catalog: Catalog = new Catalog();
  source: RunningSource | undefined;
  readonly sessions = new Set<OpenSession>();
  readonly memory = new ClientsMemory();
  readonly auditQueue = new AuditQueue();
  readonly questions = new UpstreamQuestions();
  /** By the view's id. */
  readonly audits = new Map<string, AuditOutcome>();
  readonly #states: StateLog;
  readonly #onFailure: (error: MillraceError) => void;
  #definitions: Promise<unknown> = Promise.resolve();
  #numbers = 0;
  #anyRefusal = false;

  private constructor(options: CoordinatorOptions, directory: DataDirectory) {
    this.directory = directory;
    this.logger = options.logger;
    this.#states = new StateLog(options.logger);
    this.#onFailure = options.onFailure;
    this.engine = new EngineClient({ dataDirectory: directory.path, validate: options.validate }, options.onFailure);
    this.mirror = new Mirror({ version: options.version, environmentId: randomUUID(), prelude: PLANNING_PRELUDE });
    this.planner = new Planner(this.mirror, () => this.catalog);
  }

  /** Opens the data directory and everything in it; resolves when clients can be served. */
  static async start(options: CoordinatorOptions): Promise<Coordinator> {
    const directory = openDataDirectory(options.dataDirectory);
    const coordinator = new Coordinator(options, directory);
    const phase = phases(options.logger);
    try {
      const opened = coordinator.engine.rpc.call('open', {}).then(({ objects }) => {
        coordinator.catalog = new Catalog(objects);
        return objects;
      });
      const refused = coordinator.mirror.open(opened.then((objects) => objects.flatMap((object) => mirrored(coordinator.catalog, object))));
      // Told below, unless something before it fails.
      refused.catch(() => undefined);
      await opened;
      phase('catalog read');
      if (coordinator.catalog.all('materializedView').some(hasStalePlan)) {
        await refused;
        const put = await withPlansMadeAgain(coordinator.catalog, coordinator.planner);
        await coordinator.engine.rpc.call('commit', { put, remove: [] });
        phase('plans made again');
      }
      const [source] = coordinator.catalog.all('source');
      if (source !== undefined) await coordinator.startSource(source);
      phase('engine attached');
      for (const { id, error } of await refused) coordinator.logger.error({ id, error }, 'an object is not in the mirror');
      phase('mirror open');
      return coordinator;
    } catch (error) {
      await coordinator.close();
      throw error;
    }
  }

  logAudit(result: AuditResult): void {
    logAudit(this.#states, result);
  }

  nextNumber(): number {
    return ++this.#numbers;
  }

  /** Definitions run one after another. */
  define<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#definitions.then(work, work);
    this.#definitions = run.catch(() => undefined);
    return run;
  }

  /** Ingest opens the log and connects by itself; the engine joins it. Tables are those of the catalog. */
  async startSource(source: Source): Promise<RunningSource> {
    const progress = new IngestProgress();
    const bounds = new LogBounds();
    const running: RunningSource = {
      progress,
      status: undefined,
      ingest: new IngestClient({
        status: (told) => {
          const status = withNames(told, source.name);
          running.status = status;
          logSource(this.#states, source.name, status, Date.now());
          this.#tellEngine(status);
        },
        died: (error) => this.#onFailure(millraceError('ENGINE_FAULT', { reason: `ingest: ${error.message}` }, error)),
      }),
    };
    try {
      const { logAtLeast } = await this.engine.rpc.call('openRows', {});
      await running.ingest.start({
        logAtLeast,
        logDirectory: this.directory.logDirectory,
        directoryId: this.directory.id,
        progress: progress.buffer,
        bounds: bounds.buffer,
        connection: this.connectionOf(source),
        publication: source.publication,
        tables: this.catalog.all('table').map((table) => table.upstream),
      });
    } catch (error) {
      // Nobody else ends it, and a thread that lives keeps the process.
      await running.ingest.terminate();
      throw error;
    }
    this.source = running;
    await this.engine.rpc.call('attach', { progress: progress.buffer, bounds: bounds.buffer, types: this.mirror.evaluatorTypes() });
    return running;
  }

  /** What the engine cannot see in the log: tables that ingest has stopped, and copies that cannot be made now. */
  #tellEngine(status: IngestStatus): void {
    const faults = status.tables.flatMap(({ oid, state, error }) => (state !== 'faulty' || error === null ? [] : [{ oid, error }]));
    if (faults.length > 0) this.engine.rpc.call('stopTables', { faults }).catch(() => undefined);
    const refusals = copyRefusals(status, Date.now());
    if (refusals.length > 0 || this.#anyRefusal) this.engine.rpc.call('refuseCopies', { refusals }).catch(() => undefined);
    this.#anyRefusal = refusals.length > 0;
  }

  /** The source is dropped: its slot goes with it (I-4, fault 88), and its log is forgotten when the next source begins. */
  async stopSource(): Promise<MillraceError | undefined> {
    const running = this.source;
    this.source = undefined;
    let left: MillraceError | undefined;
    try {
      await running?.ingest.stop({ dropSlot: true });
    } catch (error) {
      // The upstream cannot be reached: the source is gone here all the same, and the user is told what is left there.
      if (!(error instanceof MillraceError)) throw error;
      left = error;
    }
    await this.engine.rpc.call('detach', {});
    return left;
  }

  connectionOf(source: Source): ConnectionParameters {
    const connection = must(this.catalog.get(source.connectionId), 'connection') as Connection;
    return this.parametersOf(connection.options);
  }

  /** With the secrets' values filled in, read afresh each time (fault 83: a rotated password is used at the next connect). */
  parametersOf(options: ConnectionOptions): ConnectionParameters {
    const secrets = this.directory.readSecrets();
    const given: Record<string, string> = {};
    for (const [name, value] of Object.entries(options)) {
      given[name] = typeof value === 'string' ? value : must(secrets[value.secret], `secret ${value.secret}`);
    }
    const { url, ...rest } = given;
    // What is given by name counts before what the URL says: a host that moved needs no new URL.
    return connectionParameters(url === undefined ? rest : { ...optionsIn(url), ...rest });
  }

  async close(): Promise<void> {
    for (const session of this.sessions) session.cancel();
    await this.questions.close();
    if (this.source !== undefined) {
      await within(limits.closeMsMax, this.source.ingest.stop());
      // Where the upstream or the disk does not answer: what is durable is durable.
      await within(limits.closeMsMax, this.source.ingest.terminate());
    }
    await this.engine.close();
    await within(limits.closeMsMax, this.mirror.close());
    this.directory.close();
  }
}

/** How long each part of a start took, in the log at level debug. */
function phases(logger: Logger): (name: string) => void {
  let sinceMs = performance.now();
  return (name) => {
    logger.debug({ ms: Math.round(performance.now() - sinceMs) }, name);
    sinceMs = performance.now();
  };
}
