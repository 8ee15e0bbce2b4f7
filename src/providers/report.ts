/**
 * A diagnosis for a person (80 columns, read in ten seconds) and for programs (`--json`, whose schema only grows).
 * Pure. No secret can appear: a diagnosis holds none.
 */
import type { Diagnosis } from './doctor.ts';
import type { CheckId, Finding, Mend, MendTexts } from './model.ts';
import type { Size } from './sizing.ts';
import { COLUMNS, hanging, LABEL, plain, wrapped, wrappedCommand, wrappedSql, type Style } from './text.ts';

export interface DoctorJson {
  readonly provider: string;
  readonly variant: string | null;
  readonly because: readonly string[];
  readonly verdict: string;
  readonly findings: readonly FindingJson[];
  readonly notes: readonly FindingJson[];
  readonly sizes: readonly Omit<Size, 'needed'>[];
}

export interface FindingJson {
  readonly id: string;
  readonly code: string;
  readonly subject: string | null;
  readonly requirements: readonly string[];
  readonly severity: string;
  readonly seen: string;
  readonly why: string;
  readonly mend: Readonly<Record<keyof MendTexts, string | null>>;
  readonly cost: string;
  readonly link: string;
}

export function doctorJson({ provider, recognised, verdict, findings, notes, sizes }: Diagnosis): DoctorJson {
  return {
    provider: provider.id,
    variant: recognised.variant ?? null,
    because: recognised.because,
    verdict,
    findings: findings.map(findingJson),
    notes: notes.map(findingJson),
    sizes: sizes.map(({ parameter, now, least, because }) => ({ parameter, now, least, because })),
  };
}

export function findingJson({ check, code, subject, requirements, severity, seen, why, mend }: Finding): FindingJson {
  const { sql = null, cli = null, console = null, terraform = null, cost, link } = mend;
  const texts = { sql, cli, console, terraform };
  return { id: check, code, subject: subject ?? null, requirements, severity, seen, why, mend: texts, cost, link };
}

/** What a person asks, and the checks that answer. */
const FAMILIES: readonly (readonly [string, readonly CheckId[]])[] = [
  ['reach', ['C01', 'C02', 'C03', 'C04', 'C05', 'C23']],
  ['server', ['C06', 'C07', 'C22']],
  ['wal', ['C08', 'C09']],
  ['rights', ['C10', 'C14', 'C17']],
  ['room', ['C11', 'C12', 'C13']],
  ['tables', ['C16']],
  ['published', ['C15']],
  ['retention', ['C18', 'C19', 'C20', 'C21']],
];

export function doctorText(diagnosis: Diagnosis, style: Style = plain): string[] {
  const { provider, recognised, verdict, findings, notes, observed } = diagnosis;
  const { user, host, port, database } = observed.target;
  const lines: string[] = [''];
  const where = `${user}@${host}:${port}/${database}`;
  const version = observed.server === undefined ? '' : ` ${observed.server.version.split(' ')[1] ?? ''}`;
  lines.push(...wrapped(where, COLUMNS - 2).map((line) => `  ${style.bold(line)}`));
  const kind = recognised.variant === undefined ? '' : ` (${recognised.variant.replaceAll('-', ' ')})`;
  const what = provider.plain === true ? `Postgres${version}, self-hosted` : `${provider.name}${kind}, Postgres${version}`;
  lines.push(...wrapped(`${what}: ${recognised.because[0]!}`, COLUMNS - 2).map((line) => `  ${style.dim(line)}`), '');

  lines.push(`  ${families(diagnosis, style)}`, '');
  findings.forEach((finding) => lines.push(...findingText(finding, style), ''));
  if (notes.length > 0) {
    lines.push(`  ${style.bold('good to know')}`);
    for (const note of notes) lines.push(...hangingMark('·', `${note.seen}. ${note.why}`, style.dim));
    for (const trap of trapsOf(diagnosis)) lines.push(...hangingMark('·', trap, style.dim));
    lines.push('');
  }
  lines.push(`  ${verdictText(verdict, diagnosis, style)}`, '');
  return lines;
}

function families(diagnosis: Diagnosis, style: Style): string {
  const { findings, notes, observed } = diagnosis;
  return FAMILIES.map(([name, checks]) => {
    const worst = findings.find((finding) => checks.includes(finding.check))?.severity;
    if (worst === 'error') return style.red(`✗ ${name}`);
    if (worst === 'unknown' || (worst === undefined && name !== 'reach' && observed.server === undefined)) return style.dim(`? ${name}`);
    // Not there yet is neither right nor wrong.
    if (worst === undefined && notes.some((note) => checks.includes(note.check) && note.code === 'publication_missing'))
      return style.dim(`– ${name}`);
    return worst === 'warning' ? style.yellow(`! ${name}`) : style.green(`✓ ${name}`);
  }).join('  ');
}

export function findingText(finding: Finding, style: Style): string[] {
  const mark = finding.severity === 'error' ? style.red('✗') : finding.severity === 'warning' ? style.yellow('!') : style.dim('?');
  const id = [finding.check, ...finding.requirements.filter((name) => /^[A-Z]/.test(name))].join(' ');
  const [first, ...rest] = wrapped(finding.seen, COLUMNS - 5 - id.length - 2);
  const lines = [`  ${mark} ${style.bold(first!.padEnd(COLUMNS - 5 - id.length - 1))} ${style.dim(id)}`];
  for (const line of rest) lines.push(`    ${style.bold(line)}`);
  for (const line of wrapped(finding.why, COLUMNS - 4)) lines.push(`    ${line}`);
  lines.push(...mendText(finding.mend, style));
  return lines;
}

export function mendText(mend: Mend, style: Style): string[] {
  const width = COLUMNS - 4 - LABEL;
  const lines: string[] = [];
  const add = (label: string, text: readonly string[]): void => void lines.push(...hanging(label, text, 4, style.green));
  if (mend.sql !== undefined) add('SQL', wrappedSql(mend.sql, width));
  if (mend.cli !== undefined) add('shell', wrappedCommand(mend.cli, width));
  if (mend.console !== undefined) add('by hand', wrapped(mend.console, width));
  const any = lines.length > 0;
  if (mend.cost !== '' && any) lines.push(...hanging('cost', wrapped(mend.cost, width), 4, style.dim));
  if (any) lines.push(...(mend.link.length <= width ? hanging('see', [mend.link], 4, style.dim) : [`    ${style.dim(mend.link)}`]));
  return lines;
}

function hangingMark(mark: string, text: string, style: (text: string) => string): string[] {
  return wrapped(text, COLUMNS - 4).map((line, i) => style(i === 0 ? `  ${mark} ${line}` : `    ${line}`));
}

/** What the host is known for, where it bears on something that was looked at. */
function trapsOf({ provider, observed }: Diagnosis): string[] {
  return observed.server === undefined
    ? []
    : provider.traps.map((trap) => `${trap.says}${trap.source === 'reported' ? ' (reported, not verified here)' : ''}`);
}

function verdictText(verdict: Diagnosis['verdict'], { findings }: Diagnosis, style: Style): string {
  const errors = findings.filter((finding) => finding.severity === 'error').length;
  const others = findings.length - errors;
  const more = others === 0 ? '' : `, ${others} more to look at`;
  if (verdict === 'ready') return style.green(style.bold(`ready${more}`));
  if (verdict === 'unknown')
    return style.yellow(style.bold(`cannot tell: ${findings.length} ${findings.length === 1 ? 'thing' : 'things'} could not be looked at`));
  return style.red(style.bold(`not ready: ${errors} to mend${more}`)) + style.dim('   millrace setup <url> --tables … --plan');
}
