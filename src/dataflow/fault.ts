/**
 * A fault inside the dataflow: state that contradicts its input (a retraction of a row that is not there, a second row under one key, memory at its end).
 * It stops the one view or table it happened in, never its neighbours (I-8): `dataflow.ts` catches it, marks that one faulty and drops its state.
 * Never shown to a user as it is: the engine words the reason.
 */
export type FaultCode = 'ABSENT_ROW' | 'DUPLICATE_KEY' | 'MEMORY_EXHAUSTED' | 'NOT_FOUND';

export class DataflowFault extends Error {
  override readonly name = 'DataflowFault';
  readonly code: FaultCode;

  constructor(code: FaultCode, message: string) {
    super(message);
    this.code = code;
  }
}
