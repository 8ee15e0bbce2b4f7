/** PREPARE, EXECUTE, DEALLOCATE. Statements made by Parse live in the protocol server, which is told when they are to go. */
import type { StatementOf } from '../../sql/statements/statement.ts';
import { millraceError } from '../../base/errors.ts';
import { done } from '../results/literal-result.ts';
import { noRows, shape, type StatementKind } from './statement.ts';

export const prepare: StatementKind<StatementOf<'prepare'>> = {
  prepare: noRows,
  async execute({ name, text }, by) {
    if (by.prepared.has(name)) throw millraceError('PREPARED_STATEMENT_EXISTS', { name });
    by.prepared.keep(name, await by.prepare({ text, parameterTypes: [] }));
    return done('PREPARE');
  },
};

export const execute: StatementKind<StatementOf<'execute'>> = {
  prepare: ({ name }, { prepared }) => shape(prepared.named(name).columns),
  execute: ({ name, arguments: given }, by, { resultFormats }) =>
    by.execute(by.prepared.named(name), { parameters: given.map(argumentBytes), parameterFormats: [], resultFormats }),
};

export const deallocate: StatementKind<StatementOf<'deallocate'>> = {
  prepare: noRows,
  execute({ name }, { prepared }) {
    if (prepared.drop(name) && name !== undefined) return done('DEALLOCATE');
    return { ...done('DEALLOCATE'), deallocates: name === undefined ? {} : { name } };
  },
};

/** An EXECUTE argument: a string, number, NULL, true or false, as Bind would bring it. */
function argumentBytes(argument: string): Uint8Array | null {
  if (/^null$/i.test(argument)) return null;
  const quoted = /^'((?:[^']|'')*)'$/s.exec(argument);
  return Buffer.from(quoted === null ? argument : quoted[1]!.replaceAll("''", "'"));
}
