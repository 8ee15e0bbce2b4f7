/** ALTER of what changes in place: a secret's value, a connection's options, the rows of a source. Called by `parse.ts`. */
import { millraceError } from '../../base/errors.ts';
import { connectionOption, connectionOptionName, validation } from './parse-create.ts';
import type { TokenReader } from './reader.ts';
import type { OptionValue, Statement } from './statement.ts';

export function parseAlter(reader: TokenReader): Statement {
  reader.expect('alter');
  if (reader.accept('secret')) return secret(reader);
  if (reader.accept('connection')) return connection(reader);
  if (reader.accept('source')) return source(reader);
  throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'ALTER' });
}

function secret(reader: TokenReader): Statement {
  const name = reader.identifier();
  reader.expect('as');
  return { kind: 'alterSecret', name, value: reader.string('the secret as a string') };
}

/** After Postgres's ALTER SUBSCRIPTION … REFRESH PUBLICATION. */
function source(reader: TokenReader): Statement {
  const name = reader.identifier();
  if (!reader.accept('refresh')) throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'ALTER SOURCE other than REFRESH' });
  return { kind: 'refreshSource', name };
}

/** `SET (HOST 'x', …)`, `RESET (PORT, …)`, Materialize's `DROP (…)` for the same, several of them, `[WITH (VALIDATE = false)]`. */
function connection(reader: TokenReader): Statement {
  const ifExists = reader.accept('if', 'exists');
  const name = reader.identifier();
  const set: Record<string, OptionValue> = {};
  const reset: string[] = [];
  do {
    if (reader.accept('set')) {
      const options = reader.peekSymbol('(')
        ? reader.list(() => connectionOption(reader, 'ALTER CONNECTION'))
        : [connectionOption(reader, 'ALTER CONNECTION')];
      for (const [option, value] of options) set[option] = value;
    } else if (reader.accept('reset') || reader.accept('drop')) {
      const one = (): string => connectionOptionName(reader, 'ALTER CONNECTION').parameter;
      reset.push(...(reader.peekSymbol('(') ? reader.list(one) : [one()]));
    } else throw reader.unexpected('SET (…) or RESET (…)');
  } while (reader.acceptSymbol(','));
  return { kind: 'alterConnection', name, ifExists, set, reset, validate: validation(reader) };
}
