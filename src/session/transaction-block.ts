/**
 * A session's transaction block: its state, the tick that its reads are of, its savepoints and cursors. Nothing is written here, so a block is a promise about reads:
 * all of them are of the first one's tick. Owned by `session.ts`.
 */
import type { SessionMemory } from '../base/client-memory.ts';
import { millraceError } from '../base/errors.ts';
import type { Notice, Result } from '../server/session.ts';
import type { Statement, StatementOf } from '../sql/statements/statement.ts';
import type { Coordinator } from './coordinator.ts';
import type { Cursors } from './cursors.ts';
import { done } from './results/literal-result.ts';
import { Savepoints } from './savepoints.ts';
import type { Settings } from './settings.ts';

/** What is heard in a failed block: its end. */
const ENDS_FAILURE = new Set<Statement['kind']>(['commit', 'rollback', 'rollbackTo']);

export class TransactionBlock {
  readonly #coordinator: Coordinator;
  readonly #settings: Settings;
  readonly #cursors: Cursors;
  readonly #savepoints: Savepoints;
  #status: 'I' | 'T' | 'E' = 'I';
  #snapshotId: number | undefined;

  constructor(coordinator: Coordinator, settings: Settings, cursors: Cursors, memory: SessionMemory) {
    this.#savepoints = new Savepoints(memory);
    this.#coordinator = coordinator;
    this.#settings = settings;
    this.#cursors = cursors;
  }

  /** I = idle, T = in a block, E = in a failed one. */
  get status(): 'I' | 'T' | 'E' {
    return this.#status;
  }

  fail(): void {
    if (this.#status === 'T') this.#status = 'E';
  }

  refuseIfFailed({ kind }: Statement): void {
    if (this.#status === 'E' && !ENDS_FAILURE.has(kind)) throw millraceError('TRANSACTION_ABORTED', {});
  }

  /** The tick that a read in this block is of; undefined outside one. */
  async snapshot(): Promise<number | undefined> {
    if (this.#status !== 'T') return undefined;
    if (this.#snapshotId === undefined) {
      const snapshotId = this.#coordinator.nextNumber();
      await this.#coordinator.engine.rpc.call('openSnapshot', { snapshotId });
      this.#snapshotId = snapshotId;
    }
    return this.#snapshotId;
  }

  begin(): Result {
    if (this.#status === 'T')
      return {
        ...done('BEGIN'),
        notices: [{ severity: 'WARNING', sqlstate: '25001', message: 'there is already a transaction in progress' }],
      };
    this.#status = 'T';
    this.#settings.begin();
    return done('BEGIN');
  }

  savepoint({ kind, name }: StatementOf<'savepoint' | 'releaseSavepoint' | 'rollbackTo'>): Result {
    const statement = { savepoint: 'SAVEPOINT', releaseSavepoint: 'RELEASE SAVEPOINT', rollbackTo: 'ROLLBACK TO SAVEPOINT' }[kind];
    if (this.#status === 'I') throw millraceError('SAVEPOINT_NEEDS_BLOCK', { statement });
    if (kind === 'savepoint') this.#savepoints.set(name, this.#settings);
    else if (kind === 'releaseSavepoint') this.#savepoints.release(name);
    else {
      this.#savepoints.rollBackTo(name, this.#settings);
      this.#status = 'T';
      return done('ROLLBACK', this.#settings.reported());
    }
    return done(kind === 'savepoint' ? 'SAVEPOINT' : 'RELEASE');
  }

  async end(kind: 'commit' | 'rollback'): Promise<Result> {
    const failed = this.#status === 'E';
    const outside = this.#status === 'I';
    await this.close(kind === 'commit' && !failed);
    const notices: Notice[] = outside ? [{ severity: 'WARNING', sqlstate: '25P01', message: 'there is no transaction in progress' }] : [];
    return { ...done(kind === 'commit' && !failed ? 'COMMIT' : 'ROLLBACK'), notices, parameters: this.#settings.reported() };
  }

  async close(committed: boolean): Promise<void> {
    const snapshotId = this.#snapshotId;
    this.#snapshotId = undefined;
    this.#status = 'I';
    this.#savepoints.clear();
    this.#cursors.endBlock(committed);
    this.#settings.end(committed);
    if (snapshotId !== undefined) await this.#coordinator.engine.rpc.call('closeSnapshot', { snapshotId }).catch(() => undefined);
  }
}
