/**
 * A fault inside the dataflow: state that contradicts its input (a retraction of a row that is not there, a second row under one key, memory at its end).
 * It stops the one view or table it happened in, never its neighbours (I-8): `dataflow.ts` catches it, marks that one faulty and drops its state.
 * Never shown to a user as it is: the engine words the reason.
 */
export type FaultCode = 'ABSENT_ROW' | 'DUPLICATE_KEY' | 'MEMORY_EXHAUSTED' | 'MULTIPLICITY_EXHAUSTED' | 'NOT_FOUND';

export class DataflowFault extends Error {
  override readonly name = 'DataflowFault';
  readonly code: FaultCode;

  constructor(code: FaultCode, message: string) {
    super(message);
    this.code = code;
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
