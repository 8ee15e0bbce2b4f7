/** What the engine will meet: order of text, types of extensions, generated columns, sizes. Notes only, nothing here stops a stream. */
import { tableText } from '../facts.ts';
import type { Observation } from '../model.ts';
import { bytesText, durationText, finding, type Subject } from './check.ts';

/** A first copy over a good network, as measured. Only an order of magnitude is claimed. */
const COPY_BYTES_PER_SECOND = 30 * 1024 ** 2;
const NAMES_MAX = 3;

export function* tables({ observed }: Subject): Generator<Observation> {
  const facts = observed.server;
  if (facts === undefined) return;
  const { provider, locale, version } = facts.collation;
  const byBytes = provider === 'builtin' || locale === 'C' || locale === 'POSIX';
  if (!byBytes)
    yield finding('note', 'C06', 'text_order', {
      seen: `text is sorted by ${provider} ${locale}${version === undefined ? '' : ` (version ${version})`}`,
      why:
        provider === 'icu'
          ? 'Views that order text are exact where our ICU sorts a set of probes alike.'
          : 'Views that depend on the order of text (min, max, <, ORDER BY … LIMIT) are marked text_order; all others are exact.',
    });
  const leaves = observed.tables.filter((table) => table.kind === 'r');
  if (leaves.length > 0) {
    const bytes = leaves.reduce((sum, table) => sum + table.bytes, 0);
    const largest = [...leaves].sort((a, b) => b.bytes - a.bytes).slice(0, NAMES_MAX);
    yield finding('note', 'C15', 'size', {
      seen: `${leaves.length}${observed.tablesCut ? ' or more' : ''} table${leaves.length === 1 ? '' : 's'}, ${bytesText(bytes)}; largest ${largest.map((table) => `${tableText(table)} ${bytesText(table.bytes)}`).join(', ')}`,
      why: `The first copy takes ${bytes < COPY_BYTES_PER_SECOND * 5 ? 'seconds' : `about ${durationText(bytes / COPY_BYTES_PER_SECOND)}`}.`,
    });
  }
  const roots = observed.tables.filter((table) => table.kind === 'p' && table.root === undefined);
  if (roots.length > 0)
    yield finding('note', 'C16', 'partitions', {
      seen: `partitioned: ${names(roots.map(tableText))}`,
      why: 'Changes come by partition, or by the root where the publication says publish_via_partition_root.',
    });
  const generated = leaves.flatMap((table) => table.generatedColumns.map((column) => `${tableText(table)}.${column}`));
  if (generated.length > 0)
    yield finding('note', 'C15', 'generated_columns', {
      seen: `generated columns: ${names(generated)}`,
      why: 'The stream does not carry them; they are left out of the table here.',
    });
  const extensions = leaves.flatMap((table) => table.extensionColumns.map((column) => `${table.name}.${column}`));
  if (extensions.length > 0)
    yield finding('note', 'C06', 'extension_types', {
      seen: `types of extensions: ${names(extensions)}`,
      why: 'They are kept and shown as text; functions of the extension are not there.',
    });
}

function names(list: readonly string[]): string {
  return list.length > NAMES_MAX ? `${list.slice(0, NAMES_MAX).join(', ')} and ${list.length - NAMES_MAX} more` : list.join(', ');
}
