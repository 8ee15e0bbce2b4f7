/**
 * A fault inside the dataflow: state that contradicts its input (a retraction of a row that is not there, a second row under one key, memory at its end).
 * It stops the one view or table it happened in, never its neighbours (I-8): `dataflow.ts` catches it, marks that one faulty and drops its state.
 * Never shown to a user as it is: the engine words the reason.
 */
import type { Plan } from '../plan/plan.ts';

export type FaultCode =
  | 'ABSENT_ROW'
  | 'DUPLICATE_KEY'
  | 'MEMORY_EXHAUSTED'
  | 'MULTIPLICITY_EXHAUSTED'
  | 'NOT_FOUND'
  /** A live change whose joins put more together than a view may take of a tick. */
  | 'PUSH_TOO_LARGE'
  /** Of a hydration: a piece that must be begun anew, smaller; and one row beyond what any piece may take. */
  | 'PIECE_TOO_LARGE'
  | 'ROW_MEETS_TOO_MANY'
  /** An expression that was held to be unable to fail has failed. */
  | 'WRONG_VERDICT';

export class DataflowFault extends Error {
  override readonly name = 'DataflowFault';
  readonly code: FaultCode;
  /** Where it happened, when one operator can be named. */
  readonly operator: Plan | undefined;

  constructor(code: FaultCode, message: string, operator?: Plan) {
    super(message);
    this.code = code;
    this.operator = operator;
  }
}

const MULTIPLICITY_MAX = 2147483647;

/**
 * A sum or product of multiplicities, which are 32-bit words: beyond them a count would silently be another number (I-1), so it is a fault.
 * A row occurs so often only where a join multiplies sides of which nothing is kept but their number.
 */
export function multiplicity(exact: number): number {
  if (exact > MULTIPLICITY_MAX || exact < -MULTIPLICITY_MAX)
    throw new DataflowFault('MULTIPLICITY_EXHAUSTED', 'a row occurs more than 2,147,483,647 times in between');
  return exact;
}
