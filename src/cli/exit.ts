/** How a command ends that could not do what it was asked: in words, with what mends it, and with the exit code of the contract (2: it was asked wrongly). */
import { MillraceError } from '../base/errors.ts';
import { wrapped } from '../providers/text.ts';

export const USAGE = 2;

/** Narrower, or of no known width (0): the terminal breaks them itself. */
const COLUMNS_MIN = 20;

/** What is wrong with the command line itself, not with what it met. */
const USAGE_CODES: ReadonlySet<string> = new Set([
  'OPTION_REFUSED',
  'SETUP_OPTION_INVALID',
  'CONNECTION_STRING_INVALID',
  'LISTEN_ADDRESS_INVALID',
  'TRUST_NEEDS_LOOPBACK',
  'CLOUD_RESOURCE_INVALID',
  'CLOUD_SDK_MISSING',
  'DEMO_NEEDS_CHECKOUT',
  'INIT_FILE_UNUSABLE',
  'DATA_DIRECTORY_UNUSABLE',
  'SETUP_FILE_UNUSABLE',
]);

export function isUsageError(error: unknown): boolean {
  return error instanceof MillraceError && USAGE_CODES.has(error.code);
}

/** Lines for stderr: where it is a terminal, broken between words at its width, and indented as they began; a file or a pipe gets them as they are. */
export function fitted(text: string, { isTTY, columns }: { readonly isTTY?: boolean; readonly columns?: number } = process.stderr): string {
  if (isTTY !== true || columns === undefined || columns < COLUMNS_MIN) return text;
  return text
    .split('\n')
    .flatMap((line) => {
      if (line.length <= columns) return [line];
      const [indent = ''] = /^ */.exec(line) ?? [];
      return wrapped(line.slice(indent.length), columns - indent.length).map((part) => indent + part);
    })
    .join('\n');
}

/** What a person reads. A stack only where the fault is ours. */
export function told(error: unknown): string {
  if (error instanceof MillraceError)
    return [
      `millrace: ${error.message} (${error.code})`,
      ...(error.detail === undefined || error.detail === '' ? [] : [`  ${error.detail}`]),
      ...(error.hint === undefined ? [] : [`  to mend it: ${error.hint}`]),
      '',
    ].join('\n');
  if (!(error instanceof Error)) return `millrace: ${String(error)}\n`;
  const { code } = error as { code?: unknown };
  // A server's answer, or the operating system's: not ours.
  if (typeof code === 'string' && /^(?:[0-9A-Z]{5}|E[A-Z]+)$/.test(code)) return `millrace: ${reason(error)} (${code})\n`;
  return `millrace: ${error.stack ?? error.message}\nThis is a fault of Millrace: please report it with the lines above.\n`;
}

/** Node says nothing itself where it tried several addresses. */
function reason(error: Error): string {
  if (error.message !== '') return error.message;
  return error instanceof AggregateError
    ? error.errors.map((one) => (one instanceof Error ? one.message : String(one))).join('; ')
    : error.name;
}
