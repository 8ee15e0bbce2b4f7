/** The options that `doctor` and `setup` share, from text to data. */
import { millraceError } from '../base/errors.ts';
import { CONSUMERS, PROVIDERS, type CloudApi, type Consumer, type ProviderId, type TableName } from '../providers/model.ts';

export function providerOf(text: string | undefined): ProviderId | undefined {
  return text === undefined ? undefined : oneOf('--provider', text.toLowerCase(), PROVIDERS);
}

export function consumerOf(text: string | undefined): Consumer {
  return text === undefined ? 'millrace' : oneOf('--for', text.toLowerCase(), CONSUMERS);
}

/** `a,shop.b,"Odd, name"`: names as SQL takes them, in schema public unless said otherwise. */
export function tablesOf(text: string | undefined): TableName[] | undefined {
  if (text === undefined) return undefined;
  const names: TableName[] = [];
  const pattern = /\s*("(?:[^"]|"")+"|[^\s",.]+)(?:\s*\.\s*("(?:[^"]|"")+"|[^\s",.]+))?\s*(?:,|$)/y;
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    if (match === null)
      throw millraceError('SETUP_OPTION_INVALID', {
        option: '--tables',
        value: text,
        allowed: 'names with commas between: orders,shop.items',
      });
    const [first, second] = [folded(match[1]!), match[2] === undefined ? undefined : folded(match[2])];
    names.push(second === undefined ? { schema: 'public', name: first } : { schema: first, name: second });
  }
  if (names.length === 0) throw millraceError('SETUP_OPTION_INVALID', { option: '--tables', value: text, allowed: 'at least one name' });
  return names;
}

/** As Postgres folds names: lower case unless quoted. */
function folded(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name.toLowerCase();
}

/** `aws:ID`, `gcp:ID`, `azure:ID`, `do:ID`: the client and its SDK are loaded only now. */
export async function cloudOf(text: string | undefined): Promise<CloudApi | undefined> {
  if (text === undefined) return undefined;
  const { openCloud } = await import('../providers/cloud/open.ts');
  return openCloud(text, process.env);
}

function oneOf<T extends string>(option: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value);
  if (found === undefined) throw millraceError('SETUP_OPTION_INVALID', { option, value, allowed: allowed.join(', ') });
  return found;
}
