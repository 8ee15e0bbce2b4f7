/**
 * How sources, tables and views fare, told the same to whoever asks: the status relations, a reader's notice, the log. A word, and the reason where it is not "running".
 * What stands on something fares no better than that: a table whose source is lost is not current, and neither is a view on it. Pure: from what ingest and engine said last.
 */
import { millraceError, type PlainError } from '../../base/errors.ts';
import type { IngestStatus, IngestTableStatus } from '../../ingest/protocol.ts';
import type { Catalog, CatalogObject, ObjectId, Table } from '../../catalog/catalog.ts';
import type { EngineStatus } from '../../engine/contract/protocol.ts';

/** Materialize's words, which its tools compare with, and `copying`. Best first. */
const WORDS = ['running', 'starting', 'copying', 'stalled', 'failed'] as const;

export interface Fare {
  readonly word: (typeof WORDS)[number];
  readonly error: PlainError | null;
  /** The error is this object's own, not of what it stands on. */
  readonly isOwn: boolean;
  /** When it is tried again by itself. */
  readonly nextAttemptAtMs: number | null;
  /** Rows of a view whose evaluation fails. */
  readonly count: number;
}

const RUNNING: Fare = { word: 'running', error: null, isOwn: true, nextAttemptAtMs: null, count: 0 };

/** For so long a source that is lost is only about to be back: a reader who waits for a first copy goes on waiting. */
const LOST_FOR_GOOD_MS = 2_000;

export class Fares {
  readonly #catalog: Catalog;
  readonly #ingest: IngestStatus | undefined;
  readonly #engine: EngineStatus | null;
  readonly #known = new Map<ObjectId, Fare>();

  constructor(catalog: Catalog, ingest: IngestStatus | undefined, engine: EngineStatus | null) {
    this.#catalog = catalog;
    this.#ingest = ingest;
    this.#engine = engine;
  }

  of(object: CatalogObject): Fare {
    const known = this.#known.get(object.id);
    if (known !== undefined) return known;
    const fare = this.#fare(object);
    this.#known.set(object.id, fare);
    return fare;
  }

  #fare(object: CatalogObject): Fare {
    switch (object.kind) {
      case 'source':
        return sourceFare(this.#ingest);
      case 'table':
        return this.#table(object);
      case 'view':
        return this.#worst(object.dependsOn);
      case 'materializedView': {
        const live = this.#engine?.views.find(({ id }) => id === object.id);
        const under = this.#worst(object.dependsOn);
        if (live === undefined) return worse({ ...RUNNING, word: 'starting' }, under);
        // What has stopped beneath it is the cause, and says so itself.
        if (live.error === null || under.word === 'failed') return under;
        return { word: 'failed', error: live.error, isOwn: true, nextAttemptAtMs: null, count: Math.max(live.errors, 1) };
      }
      default:
        return RUNNING;
    }
  }

  #table(table: Table): Fare {
    const live = this.#engine?.tables.find(({ id }) => id === table.id);
    const copy = this.#ingest?.tables.find(({ oid }) => oid === table.upstream.oid);
    const stopped = live?.error ?? (copy?.state === 'faulty' ? copy.error : null);
    if (stopped !== null && stopped !== undefined) return { word: 'failed', error: stopped, isOwn: true, nextAttemptAtMs: null, count: 1 };
    if (copy?.state === 'waiting' && copy.error !== null)
      return { word: 'stalled', error: copy.error, isOwn: true, nextAttemptAtMs: copy.nextAttemptAtMs, count: 1 };
    const source = { ...sourceFare(this.#ingest), isOwn: false };
    return live?.state === 'live' ? source : worse({ ...RUNNING, word: 'copying' }, source);
  }

  #worst(ids: readonly ObjectId[]): Fare {
    let worst = RUNNING;
    for (const id of ids) {
      const object = this.#catalog.get(id);
      if (object !== undefined) worst = worse(worst, { ...this.of(object), isOwn: false });
    }
    return worst;
  }
}

export function sourceFare(ingest: IngestStatus | undefined): Fare {
  if (ingest === undefined) return { ...RUNNING, word: 'starting' };
  const { state, error, nextAttemptAtMs } = ingest;
  if (state === 'streaming') return RUNNING;
  if (error === null) return { ...RUNNING, word: 'starting' };
  return { word: state === 'stopped' ? 'failed' : 'stalled', error, isOwn: true, nextAttemptAtMs, count: 1 };
}

function worse(one: Fare, other: Fare): Fare {
  return WORDS.indexOf(one.word) < WORDS.indexOf(other.word) ? other : one;
}

/** First copies that cannot be made now, each with the reason and the next try: what a reader of the table is told. */
export function copyRefusals(ingest: IngestStatus, nowMs: number): { oid: number; error: PlainError }[] {
  const ofSource = lostError(ingest, nowMs);
  return ingest.tables.flatMap((table) => {
    if (table.state === 'live' || table.state === 'faulty') return [];
    const error = table.error ?? ofSource;
    if (error === null) return [];
    const againAtMs = table.nextAttemptAtMs ?? ingest.nextAttemptAtMs ?? (ingest.state === 'stopped' ? undefined : nowMs);
    return [{ oid: table.oid, error: notCopied(table, error, againAtMs, nowMs) }];
  });
}

function lostError({ state, error, troubledSinceMs }: IngestStatus, nowMs: number): PlainError | null {
  return state === 'stopped' || (troubledSinceMs !== null && nowMs - troubledSinceMs > LOST_FOR_GOOD_MS) ? error : null;
}

function notCopied({ schema, name }: IngestTableStatus, error: PlainError, againAtMs: number | undefined, nowMs: number): PlainError {
  const seconds = againAtMs === undefined ? undefined : Math.max(Math.ceil((againAtMs - nowMs) / 1000), 0);
  return millraceError('TABLE_NOT_COPIED', { schema, table: name, reason: error.message, mend: error.hint, seconds }).toPlain();
}
