/** What the evaluator worker is asked by `evaluator.ts`: one batch at a time over a port, answered before the shared counter rises. */
import type { MessagePort } from 'node:worker_threads';
import type { PlainError } from '../base/errors.ts';

export interface EvaluatorWorkerData {
  readonly preparedTgz: Uint8Array;
  readonly port: MessagePort;
  /** Two Int32: [0] rises by one with every answer, [1] with every part of a batch that is done. */
  readonly counters: SharedArrayBuffer;
}

export type EvaluatorRequest =
  | { readonly kind: 'boot'; readonly types: readonly string[] }
  | { readonly kind: 'defineTypes'; readonly types: readonly string[] }
  | {
      readonly kind: 'evaluate';
      readonly sql: string;
      readonly argumentTypes: readonly string[];
      readonly settings: Readonly<Record<string, string>>;
      readonly length: number;
      /** A text[] in binary form for each argument. */
      readonly arguments: readonly Uint8Array[];
    };

export interface RowFailure {
  readonly row: number;
  readonly sqlstate: string;
  readonly message: string;
}

export type EvaluatorAnswer =
  | { readonly kind: 'done' }
  /** `values` are text[] in binary form, one after another; rows in `failures` are NULL there. */
  | { readonly kind: 'values'; readonly values: readonly Uint8Array[]; readonly failures: readonly RowFailure[] }
  /** Postgres's own answer, e.g. the function does not exist. */
  | { readonly kind: 'error'; readonly error: PlainError }
  /** Postgres is dead, or something unforeseen: open another. */
  | { readonly kind: 'dead'; readonly reason: string };
