/**
 * One Postgres in this thread: booted from the prepared directory into memory, spoken to in whole protocol exchanges.
 * Invariant: a reply that does not end in ReadyForQuery, or has neither an error nor what was asked for, means that Postgres is dead; it is thrown as
 * `InstanceDead` and never used again, because after a stack overflow PGlite answers with empty results and no error. Blocks its thread; the workers around it are terminated from outside.
 * Called by `catalog-worker.ts`, `evaluator-worker.ts` and `scripts/prepare.ts`.
 */
import { PGlite } from '@electric-sql/pglite';
import { setFlagsFromString } from 'node:v8';
import { gunzipSync } from 'node:zlib';
import { millraceError } from '../base/errors.ts';
import { postgresError } from './postgres-error.ts';
import { isIncomplete, joined, readReply, request, textRows, type FieldDescription, type Reply } from './messages.ts';

/** Small buffers: there are no user rows. 2 MB of shared buffers hold the hot catalog pages; everything else is in memory anyway. */
const SETTINGS = [
  'shared_buffers=4MB',
  'wal_buffers=64kB',
  'max_connections=2',
  'autovacuum=off',
  'wal_level=minimal',
  'max_wal_senders=0',
  'min_wal_size=2MB',
  'max_wal_size=4MB',
  'jit=off',
  // Sorts and hashes that do not fit spill into files, and these are memory here.
  'temp_file_limit=64MB',
];

/**
 * Postgres's whole memory, which never shrinks again (128 MB at boot): past it malloc fails, and Postgres answers 53200 "out of memory". Without it one
 * `repeat('x', 1000000000)` of a client costs the process 2 GB for good.
 */
const MEMORY_BYTES_MAX = 320 << 20;
const PAGE_BYTES = 65_536;

/** PGlite's module takes no maximum. Called in threads that run nothing but Postgres. */
function boundMemory(onGrown: (bytes: number) => void): void {
  // oxlint-disable-next-line typescript/unbound-method -- called with its memory below.
  const { grow } = WebAssembly.Memory.prototype;
  WebAssembly.Memory.prototype.grow = function (this: WebAssembly.Memory, pages: number): number {
    const bytes = this.buffer.byteLength + pages * PAGE_BYTES;
    if (bytes > MEMORY_BYTES_MAX) throw new RangeError('the memory of Postgres is bounded');
    onGrown(bytes);
    return grow.call(this, pages);
  };
}

/**
 * Postgres stays as V8's baseline compiler makes it: the optimising one takes 600 MB and 0.8 s for the parser alone (function 2272 of PGlite 0.5.16), soon after
 * every boot, and keeps 70 MB. It would make batches of fallback calls 1.7 times as fast after some 100,000 of them. The flags hold for the process, and count when a
 * module is compiled: whoever brings a module of his own that should be optimised turns them back around its compilation.
 */
const BASELINE_CODE = ['--no-wasm-tier-up', '--no-wasm-dynamic-tiering'];

export class InstanceDead extends Error {
  override readonly name = 'InstanceDead';
}

export interface TextResult {
  readonly columns: readonly FieldDescription[];
  readonly rows: (string | null)[][];
}

export class PostgresInstance {
  readonly #pg: PGlite;
  #dead = false;
  #memoryBytes = 0;

  /** What its memory has grown to; 0 while it is as it was at boot. */
  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  private constructor(pg: PGlite) {
    this.#pg = pg;
  }

  static async boot(preparedTgz: Uint8Array): Promise<PostgresInstance> {
    for (const flag of BASELINE_CODE) setFlagsFromString(flag);
    const pg = await PGlite.create({
      loadDataDir: new Blob([gunzipSync(preparedTgz)]),
      database: 'millrace',
      startParams: [...PGlite.defaultStartParams, ...SETTINGS.flatMap((setting) => ['-c', setting])],
    });
    const instance = new PostgresInstance(pg);
    boundMemory((bytes) => (instance.#memoryBytes = bytes));
    return instance;
  }

  /** Sends messages, returns the whole reply. `bytesMax`: what is kept of it; a longer one is an error, its rest is dropped as it comes. */
  exchange(messages: Uint8Array, bytesMax: number = INTERNAL_REPLY_BYTES_MAX): Reply {
    if (this.#dead) throw new InstanceDead('Postgres is dead');
    const chunks: Uint8Array[] = [];
    let length = 0;
    let tail = new Uint8Array();
    // Runs synchronously up to its end: with syncToFs off there is nothing to wait for. (execProtocolRawSync would keep every reply parsed, for ever.)
    void this.#pg
      .execProtocolRawStream(messages, {
        syncToFs: false,
        onRawData: (bytes) => {
          length += bytes.length;
          if (length <= bytesMax) chunks.push(bytes.slice());
          else tail = joined(tail, bytes).slice(-6) as Uint8Array<ArrayBuffer>;
        },
      })
      .catch(() => {
        this.#dead = true;
      });
    if (length > bytesMax) {
      if (!isReady(tail)) this.#die();
      throw millraceError('QUERY_TOO_LARGE', { bytesMax });
    }
    const reply = readReply(chunks.length === 1 ? chunks[0]! : joined(...chunks));
    if (isIncomplete(messages, reply)) this.#die();
    return reply;
  }

  /** One or several statements, without rows of interest. Throws Postgres's error. */
  run(sql: string): Reply {
    const reply = this.exchange(request.query(sql));
    if (reply.error !== undefined) throw postgresError(reply.error);
    return reply;
  }

  /** One statement with text parameters, its rows as text. Throws Postgres's error. */
  query(sql: string, parameters: readonly (string | null)[] = []): TextResult {
    const reply = this.exchange(
      joined(request.parse(sql), request.bind(parameters), request.describePortal(), request.execute(), request.sync()),
    );
    if (reply.error !== undefined) throw postgresError(reply.error);
    return { columns: reply.columns ?? [], rows: textRows(reply.rows) };
  }

  /** Runs `work` between BEGIN … and ROLLBACK (or COMMIT). The instance is outside of a transaction afterwards, whatever happens. */
  inTransaction<T>(begin: string, end: 'ROLLBACK' | 'COMMIT', work: () => T): T {
    let done = false;
    try {
      this.run(begin);
      const result = work();
      if (end === 'COMMIT') this.run('COMMIT');
      done = end === 'COMMIT';
      return result;
    } finally {
      if (!done && !this.#dead) this.exchange(request.query('ROLLBACK'));
    }
  }

  #die(): never {
    this.#dead = true;
    throw new InstanceDead('Postgres ended without an answer');
  }
}

/** Replies to Millrace's own statements: query trees, a catalog's types, a batch's values. */
const INTERNAL_REPLY_BYTES_MAX = 256 << 20;

function isReady(tail: Uint8Array): boolean {
  return tail.length === 6 && tail[0] === 0x5a && tail[4] === 5;
}
