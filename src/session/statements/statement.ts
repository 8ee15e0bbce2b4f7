/**
 * What a kind of statement is to a session: how it is prepared and how it is executed, in a file of its own (or with those that it belongs to), under its name in
 * `table.ts`. A statement is given what it may touch, never the session.
 */
import type { SessionMemory } from '../../base/client-memory.ts';
import type { CallOptions } from '../../pglite/catalog-client.ts';
import type { Prepared, Result, ResultColumn } from '../../server/session.ts';
import type { Statement } from '../../sql/statements/statement.ts';
import type { Coordinator } from '../coordinator.ts';
import type { Cursors } from '../cursors.ts';
import type { OpenSubscription } from '../open-subscription.ts';
import type { NameSettings } from '../planner.ts';
import type { PreparedStatements } from '../prepared-statements.ts';
import type { Settings } from '../settings.ts';
import type { TransactionBlock } from '../transaction-block.ts';

/** `Form`: what preparing found out and executing needs. */
export interface StatementKind<S extends Statement, Form = unknown> {
  prepare(statement: S, by: StatementContext, parse: Parse): Shape<Form> | Promise<Shape<Form>>;
  execute(statement: S, by: StatementContext, bind: Bind, form: Form): Result | Promise<Result>;
}

/** As Parse brings it. */
export interface Parse {
  readonly text: string;
  readonly parameterTypes: readonly number[];
}

/** What Parse and Describe are answered. */
export interface Shape<Form> extends Pick<Prepared, 'columns' | 'heldBytes'> {
  /** None, where absent. */
  readonly parameterTypes?: readonly number[];
  readonly form: Form;
}

/** As Bind brings it, with what was prepared. */
export interface Bind {
  readonly text: string;
  readonly columns: readonly ResultColumn[] | null;
  readonly parameters: readonly (Uint8Array | null)[];
  readonly parameterFormats: readonly number[];
  readonly resultFormats: readonly number[];
}

export interface PreparedStatement extends Prepared {
  readonly statement: Statement;
  readonly form: unknown;
}

export interface StatementContext {
  readonly coordinator: Coordinator;
  /** Who asks, as others see it: of one client at most one statement runs on the system catalog. */
  readonly client: { readonly memory: SessionMemory; subscription: OpenSubscription | undefined };
  readonly settings: Settings;
  readonly block: TransactionBlock;
  readonly cursors: Cursors;
  /** What PREPARE made. */
  readonly prepared: PreparedStatements<PreparedStatement>;
  readonly names: NameSettings;
  readonly call: CallOptions & { readonly timeoutMs: number; readonly signal: AbortSignal };
  prepare(parse: Parse): Promise<PreparedStatement>;
  execute(prepared: PreparedStatement, bind: Omit<Bind, 'text' | 'columns'>): Promise<Result>;
}

/** Of a statement that its text says all about. */
export function shape(columns: readonly ResultColumn[] | null): Shape<undefined> {
  return { columns, form: undefined };
}

export function noRows(): Shape<undefined> {
  return shape(null);
}
