/**
 * What the protocol server asks of the engine's coordinator, a client session at a time. `server/pgwire` knows the protocol and nothing of SQL;
 * the coordinator knows SQL and nothing of the protocol. Statements of one session run one after another; `cancel` comes from outside.
 * All failures are MillraceErrors (SQLSTATE, position, hint).
 */
import type { SessionMemory } from '../base/client-memory.ts';

export interface SessionFactory {
  /** Called after authentication. `startup` are the startup message's parameters (database, application_name, options …). */
  open(startup: ReadonlyMap<string, string>, client: { readonly address: string | undefined }): Promise<Session>;
}

export interface Session {
  /** What it holds; the protocol server takes and gives back there what it keeps for the client. */
  readonly memory: SessionMemory;
  /** Reported by ParameterStatus at start-up; a later change is announced in `Result.parameters`. */
  readonly parameters: ReadonlyMap<string, string>;
  /** I = idle, T = in a transaction block, E = in a failed one. */
  readonly transactionStatus: 'I' | 'T' | 'E';
  /** Splits a simple query into its statements (without the semicolons; empty ones dropped), with the character offset of each. */
  split(text: string): { text: string; offset: number }[];
  /** Analyses one statement. `parameterTypes`: OIDs, 0 = to be inferred. */
  prepare(text: string, parameterTypes: readonly number[]): Promise<Prepared>;
  /** Runs it. `parameters` in the formats given (0 text, 1 binary, as in Bind). `resultFormats`: as in Bind. Rows come as batches; the caller takes them at its own pace (backpressure). */
  execute(
    prepared: Prepared,
    parameters: readonly (Uint8Array | null)[],
    parameterFormats: readonly number[],
    resultFormats: readonly number[],
  ): Promise<Result>;
  /** An error outside the coordinator's sight (protocol error while in a transaction block) fails the block. */
  fail(): void;
  /** Of a cursor that DECLARE opened: what a Describe of a portal of its name shows. */
  cursorColumns?(name: string): readonly ResultColumn[] | undefined;
  /** Ends the running statement with 57014, from another connection's CancelRequest. */
  cancel(): void;
  close(): Promise<void>;
}

export interface Prepared {
  readonly text: string;
  readonly parameterTypes: readonly number[];
  /** null: returns no rows (RowDescription is NoData). For COPY … TO STDOUT also null. */
  readonly columns: readonly ResultColumn[] | null;
  /** Of memory, for as long as it is kept. */
  readonly heldBytes?: number;
}

export interface ResultColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly typeSize: number;
  readonly typmod: number;
}

export interface Notice {
  readonly severity: 'NOTICE' | 'WARNING' | 'INFO';
  readonly sqlstate: string;
  readonly message: string;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
}

export interface Result {
  readonly notices: readonly Notice[];
  /** ParameterStatus changes. */
  readonly parameters?: ReadonlyMap<string, string>;
  /** DEALLOCATE name, DEALLOCATE ALL, DISCARD ALL: which prepared statements go (no name: all). They live in the protocol server, which then drops them. */
  readonly deallocates?: { readonly name?: string };
  readonly body:
    | { readonly kind: 'none' }
    /**
     * Each batch is a run of whole DataRow messages ('D' …), ready for the socket, with their number. Whoever takes the iterator reads it to its end or calls its
     * `return`, also where it never asked for a batch: the engine may hold the rest.
     */
    | { readonly kind: 'rows'; readonly batches: AsyncIterable<MessageBatch> }
    /** Each batch is a run of whole CopyData messages ('d' …). A SUBSCRIBE's does not end by itself. */
    | { readonly kind: 'copy'; readonly columnCount: number; readonly batches: AsyncIterable<MessageBatch> };
  /** Between two Executes of a portal nobody waits for it: what limits a statement's time is told so. */
  readonly suspended?: (isSuspended: boolean) => void;
  /** CommandComplete tag, given the number of rows sent: `SELECT 3`, `CREATE VIEW`. */
  tag(rows: number): string;
}

export interface MessageBatch {
  readonly bytes: Uint8Array;
  readonly rows: number;
}
