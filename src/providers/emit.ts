/** The plan as text for people who may not run it here: SQL for a DBA, a shell script for the cloud's command line, Terraform. Pure; every step appears in each, where it has no such form as a remark. */
import type { Step } from './model.ts';
import { PASSWORD } from './sql-steps.ts';

export const EMITS = ['sql', 'terraform', 'cli'] as const;
export type Emit = (typeof EMITS)[number];

export function emit(steps: readonly Step[], kind: Emit): string {
  const sections = steps.map((step, i) => section(step, i + 1, kind));
  const opening = {
    sql: '-- millrace setup: run as the administrator, in this order\n',
    cli: '#!/bin/sh\n# millrace setup: in this order; names in <…> are yours to fill in\nset -eu\n',
    terraform: '# millrace setup: resources to merge into yours; Terraform does not restart a server\n',
  };
  return `${opening[kind]}\n${sections.join('\n')}`;
}

function section(step: Step, number: number, kind: Emit): string {
  const remarks = [
    `${number}. ${step.title}`,
    ...(step.restarts ? ['RESTARTS the server'] : []),
    ...step.affects.map((who) => `affects ${who}`),
    ...(step.cost === undefined ? [] : [step.cost]),
  ];
  return `${remark(remarks.join('\n'), kind)}${body(step, kind)}\n`;
}

function remark(text: string, kind: Emit): string {
  const lines = text.split('\n').map((line) => `${kind === 'sql' ? '--' : '#'} ${line}\n`);
  return lines.join('');
}

function body(step: Step, kind: Emit): string {
  const { texts } = step;
  if (kind === 'sql')
    return texts.sql === undefined
      ? remark(`by other means: ${texts.cli ?? texts.console ?? step.request}`, kind)
      : `${sqlText(texts.sql)}\n`;
  if (kind === 'terraform')
    return texts.terraform === undefined
      ? remark(`by other means: ${texts.cli ?? texts.sql ?? texts.console ?? step.request}`, kind)
      : `${texts.terraform}\n`;
  if (texts.cli !== undefined) return `${texts.cli}\n`;
  if (texts.sql !== undefined) return `psql "$DATABASE_URL" -v ON_ERROR_STOP=1 <<'SQL'\n${sqlText(texts.sql)}\nSQL\n`;
  return remark(`by hand: ${texts.console ?? step.request}`, kind);
}

function sqlText(sql: string): string {
  return sql.replaceAll(PASSWORD, '<a password>');
}
