/** Views that cannot answer, views that can again, tables that stop: each a line in the log, once. Asked by the engine's loop; looks now and then, and seldom where looking is slow. */
import type { MillraceError } from '../../base/errors.ts';
import { spoken, StateLog } from '../../base/state-log.ts';
import type { Logger } from '../../base/logging.ts';
import type { StatusParts } from '../engine-status.ts';
import type { Time } from './time.ts';

const LOOK_MS = 250;
/** Looking takes no more than this part of the time. */
const LOOK_SHARE = 1 / 50;

export class FaultLog {
  readonly #states: StateLog;
  readonly #parts: StatusParts;
  readonly #time: Time;
  #dueMs = 0;

  constructor(logger: Logger, time: Time, parts: StatusParts) {
    this.#states = new StateLog(logger, () => time.wallMs());
    this.#time = time;
    this.#parts = parts;
  }

  /** `disk`: what keeps the catalog from being written. */
  look(disk: MillraceError | undefined): void {
    const nowMs = this.#time.nowMs();
    if (nowMs < this.#dueMs) return;
    if (disk !== undefined) this.#states.becomes('disk', 'full', 'error', () => `${disk.message} (${disk.code}); reads go on`, 'well');
    else this.#states.becomes('disk', 'well', 'info', (lastedMs) => `there is space on the disk again after ${spoken(lastedMs)}`, 'well');
    const { dataflow, views, tables } = this.#parts;
    for (const { object, reason } of views()) {
      const view = `view "${object.name}"`;
      const fault = reason ?? dataflow.fault(object.id);
      const [error] = fault === null ? dataflow.errors(object.id) : [];
      if (fault !== null) this.#states.becomes(view, 'faulty', 'error', () => `${view} has stopped: ${fault}`, 'well');
      else if (error !== undefined)
        this.#states.becomes(
          view,
          error.sqlstate,
          'warn',
          () => `${view} cannot answer: ${error.message} (SQLSTATE ${error.sqlstate})`,
          'well',
        );
      else this.#states.becomes(view, 'well', 'info', () => `${view} answers again`, 'well');
    }
    for (const table of tables()) {
      const { fault } = table;
      const subject = `table "${table.name}"`;
      // What ingest has stopped is told with its source.
      const reason = fault === undefined ? dataflow.fault(table.id) : fault.code === 'TABLE_FAULTY' ? fault.message : null;
      if (reason !== null) this.#states.becomes(subject, 'faulty', 'error', () => `${subject} has stopped: ${reason}`, 'well');
      else this.#states.becomes(subject, 'well', 'info', () => undefined, 'well');
    }
    this.#dueMs = nowMs + Math.max(LOOK_MS, (this.#time.nowMs() - nowMs) / LOOK_SHARE);
  }
}
