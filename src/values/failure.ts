/**
 * An error that Postgres would raise on a *value* (22012 division by zero): data, not an exception of the program. It is thrown inside generated code
 * and caught a row at a time, where it becomes an entry of the ErrorSink. Not an Error: a million bad rows must not take a million stack traces.
 */
export class ValueFailure {
  readonly sqlstate: string;
  readonly message: string;

  constructor(sqlstate: string, message: string) {
    this.sqlstate = sqlstate;
    this.message = message;
  }
}

export function fail(sqlstate: string, message: string): never {
  throw new ValueFailure(sqlstate, message);
}

export function invalidInput(typeName: string, text: string): never {
  throw new ValueFailure('22P02', `invalid input syntax for type ${typeName}: "${text}"`);
}

export function outOfRange(typeName: string): never {
  throw new ValueFailure('22003', `${typeName} out of range`);
}
