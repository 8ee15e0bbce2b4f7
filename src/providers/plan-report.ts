/** A plan as a diff for a person, its progress line by line, and the `--json` of setup. Pure. */
import type { Diagnosis } from './doctor.ts';
import type { Step } from './model.ts';
import type { Plan } from './plan.ts';
import { findingJson, findingText, mendText, type FindingJson } from './report.ts';
import type { SetupResult } from './setup.ts';
import { COLUMNS, hanging, LABEL, wrapped, wrappedCommand, wrappedSql, type Style } from './text.ts';

export interface SetupJson {
  readonly provider: string;
  readonly plan: readonly Pick<Step, 'id' | 'via' | 'title' | 'request' | 'restarts' | 'reversible' | 'affects'>[];
  readonly applied: readonly { readonly id: string; readonly state: string; readonly reason: string | null }[];
  readonly verdict: string;
  readonly refusals: readonly FindingJson[];
  /** What is still wrong, as the role that streams sees it. */
  readonly findings: readonly FindingJson[];
  readonly init: SetupResult['init'] | null;
}

export function setupJson({ before, plan, applied, verdict, refusals, after, init }: SetupResult): SetupJson {
  return {
    provider: before.provider.id,
    plan: plan.map(({ id, via, title, request, restarts, reversible, affects }) => {
      return { id, via, title, request, restarts, reversible, affects };
    }),
    applied: applied.map(({ id, state, reason }) => ({ id, state, reason: reason ?? null })),
    verdict,
    refusals: refusals.map(findingJson),
    findings: (after?.findings ?? []).map(findingJson),
    init: init ?? null,
  };
}

export function planText(plan: Plan, diagnosis: Diagnosis, round: number, style: Style): string[] {
  const lines: string[] = [''];
  if (plan.refusals.length > 0) {
    for (const refusal of plan.refusals) {
      lines.push(
        ...wrapped(refusal.seen, COLUMNS - 4).map((line, i) => `  ${i === 0 ? style.red('✗') : ' '} ${style.bold(line)}`),
        ...mendText(refusal.mend, style),
      );
    }
    return [...lines, ''];
  }
  const { steps } = plan;
  if (steps.length === 0 && diagnosis.observed.server === undefined) {
    // Nothing is known of it: not that nothing is to do.
    for (const finding of diagnosis.findings) lines.push(...findingText(finding, style), '');
    return lines;
  }
  if (steps.length === 0) return [...lines, `  ${style.green('nothing to do')}`, ''];
  const restarts = steps.filter((step) => step.restarts).length;
  const title = `${round === 1 ? 'plan' : 'plan, continued'} for ${diagnosis.provider.name}: ${count(steps.length, 'step')}, ${restarts === 0 ? 'no restart' : count(restarts, 'restart')}`;
  lines.push(...wrapped(title, COLUMNS - 2).map((line) => `  ${style.bold(line)}`), '');
  for (const [i, step] of steps.entries()) lines.push(...stepText(step, i + 1, style), '');
  return lines;
}

const MARKS = { sql: '+', api: '~', hand: '?' } as const;

function stepText(step: Step, number: number, style: Style): string[] {
  const paint = step.via === 'hand' ? style.yellow : style.green;
  const label = `${number}. `;
  const [first, ...rest] = wrapped(step.title, COLUMNS - 10 - label.length);
  const lines = [
    `  ${paint(MARKS[step.via])} ${label}${style.bold(first!.padEnd(COLUMNS - 10 - label.length))} ${style.dim(step.via.padStart(4))}`,
  ];
  for (const line of rest) lines.push(`    ${' '.repeat(label.length)}${style.bold(line)}`);
  const width = COLUMNS - 4 - LABEL;
  const request =
    step.via === 'sql'
      ? step.request.split('\n').flatMap((one) => wrappedSql(one, width))
      : step.via === 'api'
        ? wrapped(step.request, width)
        : wrappedCommand(step.request, width);
  lines.push(...hanging(step.via === 'sql' ? 'SQL' : step.via === 'api' ? 'request' : 'by hand', request, 4, style.dim));
  if (step.via === 'hand') lines.push(...hanging('because', wrapped(step.because, width), 4, style.dim));
  if (step.restarts) lines.push(...hanging('restart', wrapped('yes: every client is disconnected for a while', width), 4, style.red));
  if (step.affects.length > 0) lines.push(...hanging('affects', wrapped(step.affects.join('; '), width), 4, style.yellow));
  if (step.cost !== undefined) lines.push(...hanging('cost', wrapped(step.cost, width), 4, style.dim));
  if (!step.reversible) lines.push(...hanging('note', ['cannot be taken back'], 4, style.dim));
  return lines;
}

const STATES = {
  skipped: '= already so',
  done: '✓ done',
  failed: '✗ failed',
  'by hand': '? by hand',
  'not allowed': '! not allowed',
  'not reached': '– not reached',
} as const;

/** One line a step when it ends; while it waits, one line that says for what. */
export function stepLine(step: Step, state: 'begins' | keyof typeof STATES, line: string | undefined, style: Style): string {
  if (state === 'begins') {
    const text = line ?? `${step.title} …`;
    return `    ${style.dim(text.length > COLUMNS - 4 ? `${text.slice(0, COLUMNS - 5)}…` : text)}`;
  }
  const paint = state === 'done' || state === 'skipped' ? style.green : state === 'failed' ? style.red : style.yellow;
  const reason = line === undefined ? [] : wrapped(line, COLUMNS - 6).map((text) => `      ${text}`);
  const [first, ...rest] = wrapped(step.title, COLUMNS - 4 - STATES[state].length);
  return [`  ${paint(STATES[state])}  ${first!}`, ...rest.map((text) => `      ${text}`), ...reason].join('\n');
}

export function endText(result: SetupResult, style: Style): string[] {
  if (result.verdict === 'planned')
    return [
      `  ${style.bold('nothing was changed')}: --yes does it${result.plan.some((step) => step.restarts) ? ', --yes-restart allows the restart' : ''}`,
      '',
    ];
  const lines: string[] = [];
  if (result.verdict === 'done') {
    lines.push(`  ${style.green(style.bold('done and proved'))}`, '');
    const byHand = result.applied.filter(({ state }) => state === 'by hand').length;
    if (byHand > 0) lines.push(`  ${count(byHand, 'step')} left to you: see above`, '');
  } else if (result.refusals.length > 0)
    lines.push(
      `  ${style.red(style.bold('refused'))}: ${result.applied.some(({ state }) => state === 'done') ? 'what was done before stays' : 'nothing was changed'}`,
      '',
    );
  else {
    for (const name of result.left ?? []) lines.push(...wrapped(`still there: ${name}`, COLUMNS - 4).map((line) => `  ${line}`));
    const left = result.applied.filter(({ state }) => state !== 'done' && state !== 'skipped');
    lines.push(`  ${style.red(style.bold('not done yet'))}${left.length === 0 ? '' : `: ${count(left.length, 'step')} left`}`);
    for (const finding of result.after?.findings ?? [])
      if (finding.severity === 'error' || finding.severity === 'unknown')
        lines.push(...wrapped(finding.seen, COLUMNS - 4).map((line, i) => `  ${i === 0 ? style.red('✗') : ' '} ${line}`));
    lines.push('', '  What is done stays done: run the same command again.', '');
  }
  if (result.init !== undefined) {
    lines.push(
      ...wrapped(
        `These statements now work; with the password they are in ${result.init.file}: millrace serve --init ${result.init.file}`,
        COLUMNS - 2,
      ).map((line) => `  ${line}`),
      '',
    );
    for (const statement of result.init.statements.trimEnd().split('\n'))
      lines.push(...wrappedSql(statement, COLUMNS - 4).map((line) => `    ${line}`));
    lines.push('');
  }
  return lines;
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
