/**
 * The steps of a life, and how the next one is drawn: transactions, DDL (`ddl.ts`), restarts, cuts, views, subscriptions, settlings. Pure: a step is plain data with the
 * SQL in it, so that a life is replayed from its list and shrinks by leaving steps out.
 */
import { ident } from '../../src/base/ident.ts';
import type { Dice } from '../property/random-schema.ts';
import { drawDdl } from './ddl.ts';
import { looseColumns, sqlName, type Model, type Table } from './model.ts';
import { valueOf } from './values.ts';

/** Something done to the upstream. `what` is `transaction` or the form of DDL. */
export interface UpstreamStep {
  readonly do: 'upstream';
  readonly what: string;
  /** Names of the tables that it changes, for DDL: a refusal has to have a cause. */
  readonly tables: readonly string[];
  readonly sql: readonly string[];
  /** Of DDL that changes nothing a reader could see: no table may stop for it. */
  readonly neutral?: true;
}

export type Step =
  | UpstreamStep
  | { readonly do: 'restart'; readonly signal: 'SIGTERM' | 'SIGKILL'; readonly meanwhile: readonly UpstreamStep[] }
  | { readonly do: 'cut' }
  | { readonly do: 'restart upstream'; readonly mode: 'fast' | 'immediate' }
  | { readonly do: 'view'; readonly name: string; readonly materialized: boolean; readonly sql: string; readonly reads: readonly string[] }
  | { readonly do: 'drop view'; readonly name: string }
  | { readonly do: 'subscribe'; readonly draw: number }
  /** Reads everything by roads drawn from `draw`, mends what it says; waits for the bound of noticing instead of asking for recency when `patient`. */
  | { readonly do: 'settle'; readonly draw: number; readonly patient: boolean };

export interface Drawn {
  readonly step: Step;
  readonly after: Model;
}

/** A settling follows every step that could make a difference, so that a difference has one cause. */
export function drawSteps(dice: Dice, model: Model): Drawn[] {
  const settle: Drawn = { step: { do: 'settle', draw: dice.below(1e9), patient: dice.chance(0.05) }, after: model };
  const what = dice.below(100);
  if (what < 46) {
    const ddl = drawDdl(dice, model);
    if (ddl === undefined) return [];
    let { after } = ddl;
    // With and without a change of the table afterwards; alone and as one of a migration; with and without a restart.
    const more: Drawn[] = [];
    if (dice.chance(0.5)) more.push({ step: transaction(dice, after, ddl.step.tables), after });
    for (let i = dice.below(4); i > 0; i--) {
      const another = drawDdl(dice, after);
      if (another === undefined) continue;
      more.push(another);
      ({ after } = another);
    }
    if (dice.chance(0.25)) more.push({ step: { do: 'restart', signal: dice.pick(['SIGTERM', 'SIGKILL']), meanwhile: [] }, after });
    return [ddl, ...more, { ...settle, after }];
  }
  if (what < 63) return [{ step: transaction(dice, model), after: model }, ...(dice.chance(0.5) ? [settle] : [])];
  if (what < 75) return [restart(dice, model), ...(dice.chance(0.6) ? [settle] : [])];
  if (what < 78) return [{ step: { do: 'cut' }, after: model }, { step: transaction(dice, model), after: model }, settle];
  if (what < 79) return [{ step: { do: 'restart upstream', mode: dice.pick(['fast', 'immediate']) }, after: model }, settle];
  if (what < 90) return [view(dice, model)];
  if (what < 93) return dropView(dice, model);
  return [{ step: { do: 'subscribe', draw: dice.below(1e9) }, after: model }];
}

/** Rows to begin with, views and a subscription. */
export function drawBeginning(dice: Dice, model: Model): Drawn[] {
  const steps: Drawn[] = [];
  let now = model;
  for (let i = 0; i < 4; i++) {
    const drawn = view(dice, now);
    steps.push(drawn);
    now = drawn.after;
  }
  for (let i = 0; i < 2; i++) steps.push({ step: { do: 'subscribe', draw: dice.below(1e9) }, after: now });
  steps.push({ step: { do: 'settle', draw: dice.below(1e9), patient: false }, after: now });
  return steps;
}

export function filling(dice: Dice, model: Model): string[] {
  return model.tables.flatMap((table) => Array.from({ length: 6 }, () => insert(dice, model, table, 4)));
}

function restart(dice: Dice, model: Model): Drawn {
  const meanwhile: UpstreamStep[] = [];
  let after = model;
  if (dice.chance(0.4)) meanwhile.push(transaction(dice, after));
  if (dice.chance(0.3)) {
    const ddl = drawDdl(dice, after);
    if (ddl !== undefined) {
      meanwhile.push(ddl.step);
      after = ddl.after;
      if (dice.chance(0.5)) meanwhile.push(transaction(dice, after, ddl.step.tables));
    }
  }
  return { step: { do: 'restart', signal: dice.pick(['SIGTERM', 'SIGKILL']), meanwhile }, after };
}

// ── transactions ──

export function transaction(dice: Dice, model: Model, only: readonly string[] = []): UpstreamStep {
  const preferred = model.tables.filter((table) => only.includes(table.name));
  const among = preferred.length > 0 ? preferred : model.tables;
  const statements: string[] = [];
  for (let i = 1 + dice.below(dice.chance(0.1) ? 30 : 6); i > 0; i--) statements.push(change(dice, model, dice.pick(among)));
  return { do: 'upstream', what: 'transaction', tables: [], sql: ['BEGIN', ...statements, dice.chance(0.08) ? 'ROLLBACK' : 'COMMIT'] };
}

function change(dice: Dice, model: Model, table: Table): string {
  const name = sqlName(table);
  const some = `id IN (SELECT id FROM ${name} ORDER BY id OFFSET ${dice.below(12)} LIMIT ${1 + dice.below(3)})`;
  const what = dice.below(100);
  if (what < 45) return insert(dice, model, table, 1 + dice.below(3));
  if (what < 75) {
    const column = dice.pick(looseColumns(table).filter(({ generated }) => generated === undefined));
    if (column === undefined) return insert(dice, model, table, 1);
    return `UPDATE ${name} SET ${ident(column.name)} = ${valueOf(dice, column.type, table.canary, model.moods)} WHERE ${some}`;
  }
  // Everything else stays: what is long is left out of the stream.
  if (what < 84) return `UPDATE ${name} SET k = ${dice.below(6)} WHERE ${some}`;
  if (what < 89) return `UPDATE ${name} SET id = ${100 + dice.below(900)} WHERE id = (SELECT max(id) FROM ${name}) AND id < 100`;
  if (what < 98) return `DELETE FROM ${name} WHERE ${some}`;
  const other = dice.pick(model.tables);
  return dice.chance(0.4) ? `TRUNCATE ${name}` : `TRUNCATE ${[...new Set([name, sqlName(other)])].join(', ')}`;
}

export function insert(dice: Dice, model: Model, table: Table, rows: number): string {
  const columns = table.columns.filter((column) => column.generated === undefined && column.name !== 'alt');
  const values = Array.from({ length: rows }, () => {
    const row = columns.map((column) => {
      if (column.name === 'id') return String(dice.below(40));
      if (column.name === 'k') return dice.chance(0.1) ? 'NULL' : String(dice.below(6));
      if (column.name === 'mark') return `'${table.canary}${dice.below(5)}'`;
      return dice.chance(0.15) ? 'NULL' : valueOf(dice, column.type, table.canary, model.moods);
    });
    return `(${row.join(', ')})`;
  });
  return `INSERT INTO ${sqlName(table)} (${columns.map(({ name }) => ident(name)).join(', ')}) VALUES ${values.join(', ')} ON CONFLICT DO NOTHING`;
}

// ── views ──

function view(dice: Dice, model: Model): Drawn {
  const name = `v${model.serial}`;
  const table = dice.pick(model.tables);
  const other = dice.pick(model.tables);
  const loose = looseColumns(table).filter((column) => column.type !== 'json');
  const column = loose.length === 0 ? { name: 'k', type: 'integer' } : dice.pick(loose);
  const c = ident(column.name);
  const [a, b] = [ident(table.name), ident(other.name)];
  const groups = GROUPED.has(column.type);
  const shapes: [string, readonly string[], readonly string[]][] = [
    [`SELECT id, mark, ${c} FROM ${a} WHERE ${c} IS NOT NULL`, [table.name], [column.name]],
    [`SELECT mark, count(*) AS n, count(${c}) AS there, sum(k) AS k FROM ${a} GROUP BY mark`, [table.name], [column.name]],
    [
      `SELECT l.id, l.mark, r.mark AS other, r.id AS rid FROM ${a} l JOIN ${b} r ON r.k = l.k AND r.id >= l.id`,
      [table.name, other.name],
      [],
    ],
    [
      `SELECT l.id, l.${c}, r.n FROM ${a} l LEFT JOIN (SELECT k, count(*) AS n FROM ${b} GROUP BY k) r ON r.k = l.k`,
      [table.name, other.name],
      [column.name],
    ],
    [`SELECT id, ${c} FROM ${a} ORDER BY id DESC, mark LIMIT 5`, [table.name], [column.name]],
    [`SELECT k, mark FROM ${a} UNION ALL SELECT k, mark FROM ${b}`, [table.name, other.name], []],
    [`SELECT DISTINCT k, mark FROM ${a}`, [table.name], []],
    ...(groups
      ? [
          [`SELECT ${c} AS g, count(*) AS n, max(id) AS newest FROM ${a} GROUP BY ${c}`, [table.name], [column.name]] as [
            string,
            string[],
            string[],
          ],
        ]
      : []),
    ...(column.type === 'text'
      ? [
          [`SELECT id, length(${c}) AS l, md5(${c}) AS d, ${c} || mark AS longer FROM ${a}`, [table.name], [column.name]] as [
            string,
            string[],
            string[],
          ],
        ]
      : []),
    ...(column.type === 'mood'
      ? [
          [`SELECT min(${c}) AS least, max(${c}) AS most FROM ${a} WHERE ${c} > 'sad'`, [table.name], [column.name]] as [
            string,
            string[],
            string[],
          ],
        ]
      : []),
  ];
  const [sql, reads, columns] = dice.pick(shapes);
  const after: Model = { ...model, serial: model.serial + 1, views: [...model.views, { name, reads: [...new Set(reads)], columns }] };
  return { step: { do: 'view', name, materialized: dice.chance(0.8), sql, reads: [...new Set(reads)] }, after };
}

/** Equal values of these have one text, so that a group's representative is the same on both sides. */
const GROUPED = new Set([
  'smallint',
  'integer',
  'bigint',
  'text',
  'character varying',
  'character varying(60)',
  'date',
  'timestamp',
  'timestamptz',
  'boolean',
  'uuid',
  'mood',
  'bytea',
  'inet',
  'cidr',
  'money',
  'oid',
]);

function dropView(dice: Dice, model: Model): Drawn[] {
  if (model.views.length < 3) return [];
  const { name } = dice.pick(model.views);
  return [{ step: { do: 'drop view', name }, after: { ...model, views: model.views.filter((one) => one.name !== name) } }];
}
