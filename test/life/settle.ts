/**
 * A settling: every table and view is read by several roads, several sessions at once, and is what the upstream answers or is refused with a reason that names the
 * cause. Nothing is written meanwhile, so the upstream's answers are of one moment. Subscriptions that were left open must come to the same.
 */
import { ident } from '../../src/base/ident.ts';
import { randomFrom } from '../../src/demo/workload.ts';
import { differenceOf, formOf, read, ROADS, type Difference, type Form, type Read, type Road } from '../harness/roads.ts';
import type { WireError } from '../harness/wire.ts';
import { Dice } from '../property/random-schema.ts';
import { mend } from './mend.ts';
import { isInternal, type World } from './world.ts';

/** How long a change of a table's shape may go unnoticed by who does not ask for recency: 5 s (docs/internals/change.md), and a margin for a busy machine. */
const NOTICED_WITHIN_MS = 8_000;
const RECENT_TIMEOUT_MS = 15_000;
/** A subscription may be so far behind a read with recency. */
const SUMMED_WITHIN_MS = 6_000;
const MEND_CHANCE = 0.7;

interface Relation {
  readonly name: string;
  readonly sql: string;
  readonly reads: readonly string[];
  readonly isTable: boolean;
}

/** The upstream's own answers, each asked once. */
class Expected {
  readonly #world: World;
  readonly #known = new Map<string, Read>();

  constructor(world: World) {
    this.#world = world;
  }

  async of(sql: string, form: Form): Promise<Read> {
    const key = `${form} ${sql}`;
    let known = this.#known.get(key);
    if (known === undefined) {
      known = await read(await this.#world.upstreamClient(), sql, form === 'binary' ? 'binary' : form === 'line' ? 'copy' : 'simple');
      this.#known.set(key, known);
    }
    return known;
  }
}

export async function settle(world: World, draw: number, patient: boolean): Promise<void> {
  world.counts.steps++;
  await world.revive();
  const dice = new Dice(randomFrom(draw));
  const expected = new Expected(world);
  const relations = relationsOf(world);
  // Asked for one after another, so that a socket of the upstream is never asked twice at once.
  const work = await prepared(world, dice, relations, expected);
  if (patient) await new Promise((resolve) => setTimeout(resolve, NOTICED_WITHIN_MS));
  const wrong = new Set<string>();
  const refused = new Set<string>();
  const verdictOf = (relation: Relation, road: string, theirs: Read, ours: Read): void => {
    const verdict = judge(world, relation, road, theirs, ours);
    if (verdict === 'different') wrong.add(relation.name);
    if (verdict === 'refused') refused.add(relation.name);
  };
  const sessions = world.sessions.map(async (_, index) => {
    await recency(world, index, !patient);
    for (let i = index; i < work.length; i += world.sessions.length) {
      const { relation, roads } = work[i]!;
      for (const { road, sql, theirs } of roads) {
        const ours = await answer(world, index, sql, road);
        if (ours !== undefined) verdictOf(relation, road, theirs, ours);
      }
    }
  });
  await Promise.all(sessions);
  await world.revive();
  for (const subscription of world.subscriptions.slice()) {
    const relation = relations.find(({ name }) => name === subscription.relation);
    if (relation === undefined) continue;
    const theirs = await expected.of(work.find((one) => one.relation === relation)!.sql, 'line');
    const until = performance.now() + (world.causesOf(relation.reads).length > 0 ? NOTICED_WITHIN_MS : SUMMED_WITHIN_MS);
    const ours = (): Read => ({ fields: [], rows: subscription.rows() ?? ['a row less than never'], error: subscription.error });
    while (subscription.error === undefined && differenceOf(theirs.rows, ours().rows) !== undefined && performance.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 10));
    verdictOf(relation, 'subscribe', theirs, ours());
    if (subscription.error !== undefined) world.endSubscriptionsTo(new Set([relation.name]));
  }
  const reads = relations.filter(({ name }) => wrong.has(name)).flatMap((relation) => relation.reads);
  const stopped = relations.filter(({ name }) => refused.has(name) && dice.chance(MEND_CHANCE)).flatMap((relation) => relation.reads);
  await mend(world, new Set([...reads, ...stopped]));
}

function relationsOf(world: World): Relation[] {
  return [...world.tables.keys(), ...world.views.keys()].map((name) => ({
    name,
    isTable: world.tables.has(name),
    ...world.relation(name)!,
  }));
}

interface Work {
  readonly relation: Relation;
  readonly sql: string;
  readonly roads: readonly { readonly road: Road; readonly sql: string; readonly theirs: Read }[];
}

async function prepared(world: World, dice: Dice, relations: readonly Relation[], expected: Expected): Promise<Work[]> {
  const work: Work[] = [];
  for (const relation of relations) {
    const sql = relation.isTable ? await tableText(world, relation.name) : relation.sql;
    const roads: Work['roads'][number][] = [];
    for (const road of new Set([dice.pick(ROADS), dice.pick(ROADS), dice.pick(ROADS), dice.pick(ROADS)]))
      roads.push({ road, sql: `SELECT * FROM ${ident(relation.name)}`, theirs: await expected.of(sql, formOf(road)) });
    work.push({ relation, sql, roads });
  }
  return work;
}

/** `SELECT *` without the columns that are computed upstream and not published, which Millrace says that it leaves out. */
async function tableText(world: World, name: string): Promise<string> {
  const { rows } = await world.upstream(
    `SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('${ident(name)}') AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum`,
  );
  const columns = rows.map(([column]) => ident(column!.toString()));
  return `SELECT ${columns.length === 0 ? '*' : columns.join(', ')} FROM ${ident(name)}`;
}

async function recency(world: World, index: number, on: boolean): Promise<void> {
  await world.answered(
    world.sessions[index]!.simple(`SET real_time_recency = ${on ? 'on' : 'off'}; SET real_time_recency_timeout = '${RECENT_TIMEOUT_MS}ms'`),
    'SET',
  );
}

async function answer(world: World, index: number, sql: string, road: Road): Promise<Read | undefined> {
  try {
    return await world.answered(read(world.sessions[index]!, sql, road), `${road}: ${sql}`);
  } catch (error) {
    if (world.millrace.exited) return undefined;
    if ((error as Error).message !== 'no answer') world.fault('the connection ends', `${road}: ${sql}: ${String(error)}`);
    await world.renewSession(index);
    return undefined;
  }
}

type Verdict = 'equal' | 'different' | 'refused';

/** Pure but for the counts and the faults that it leaves. */
function judge(world: World, relation: Relation, road: string, theirs: Read, ours: Read): Verdict {
  const causes = world.causesOf(relation.reads);
  const after = causes.length === 0 ? 'no DDL' : [...new Set(causes)].join(' + ');
  const where = `${relation.name} (${relation.sql.slice(0, 200)}) by ${road} after ${after}`;
  leaks(world, relation, ours, where);
  if (ours.error !== undefined) {
    const { error } = ours;
    const said = `${error.sqlstate} ${error.message} · ${error.detail} · ${error.hint}`;
    if (road === 'binary' && /binary format/.test(error.message)) return counted(world, 'refusedWithReason', 'equal');
    if (theirs.error?.sqlstate === error.sqlstate && causes.length === 0) return counted(world, 'comparisons', 'equal');
    if (isInternal(error.sqlstate)) world.fault(`internal error after ${after}`, `${where}\n${said}`);
    else if (causes.length === 0) world.fault(`refused without a cause: ${error.sqlstate} ${shape(error)}`, `${where}\n${said}`);
    else if (!namesCause(relation, error))
      world.fault(`refused without naming the cause: ${error.sqlstate} ${shape(error)}`, `${where}\n${said}`);
    return counted(world, 'refusedWithReason', 'refused');
  }
  world.counts.comparisons++;
  if (theirs.error !== undefined) {
    world.counts.silentlyDifferent++;
    world.fault(
      `answers what the upstream cannot (${road === 'subscribe' ? 'subscription' : 'read'}) after ${after}`,
      `${where}\nupstream: ${theirs.error.message}`,
    );
    return 'different';
  }
  const difference = differenceOf(theirs.rows, ours.rows) ?? namesDifference(theirs, ours, road);
  if (difference === undefined) return 'equal';
  world.counts.silentlyDifferent++;
  world.fault(
    `silently different (${road === 'subscribe' ? 'subscription' : road === 'binary' ? 'binary' : 'read'}) after ${after}`,
    `${where}\n${shown(difference)}`,
  );
  return 'different';
}

function counted(world: World, count: 'comparisons' | 'refusedWithReason', verdict: Verdict): Verdict {
  world.counts[count]++;
  return verdict;
}

/** The first row of each side from a little before where they part. */
function shown({ onlyUpstream, onlyMillrace }: Difference): string {
  const [a, b] = [onlyUpstream, onlyMillrace].map((rows) => rows.toSorted()[0] ?? '') as [string, string];
  let at = 0;
  if (a !== '' && b !== '') while (at < a.length && a[at] === b[at]) at++;
  const from = Math.max(0, at - 40);
  const part = (row: string): string => `${from > 0 ? '…' : ''}${Buffer.from(row.slice(from, from + 200), 'latin1').toString()}`;
  return `only upstream, ${onlyUpstream.length} rows: ${part(a)}\nonly Millrace, ${onlyMillrace.length} rows: ${part(b)}`;
}

/** A copy has no names. */
function namesDifference(theirs: Read, ours: Read, road: string): Difference | undefined {
  if (road === 'copy' || road === 'subscribe') return undefined;
  return differenceOf(
    theirs.fields.map(({ name }) => `column ${name}`),
    ours.fields.map(({ name }) => `column ${name}`),
  );
}

/** The table, the view or the publication is named, and what happened to it is a word that a reader can look for. */
function namesCause(relation: Relation, error: WireError): boolean {
  const text = `${error.message} ${error.detail} ${error.hint}`;
  const named = [relation.name, ...relation.reads, 'mz_source'].some((name) => text.includes(name));
  return (
    named &&
    error.hint !== '' &&
    /column|type|publi|key|identity|dropped|renamed|rewritten|replaced|schema|partition|label|removed|added|changed|missing|logged|inherit|another table|copied|exist/i.test(
      text,
    )
  );
}

/** An error's text without what differs from one table to the next. */
function shape(error: WireError): string {
  return error.message.replaceAll(/"[^"]*"|\b[tvno]\d+\b|\d+/g, '…').slice(0, 120);
}

/** A session receives no byte of a table that it did not ask for. */
function leaks(world: World, relation: Relation, ours: Read, where: string): void {
  const foreign = world.beginning.tables.filter(({ name }) => !relation.reads.includes(name)).map(({ canary }) => canary);
  const texts = [...ours.rows, ours.error?.message ?? '', ours.error?.detail ?? ''];
  const found = foreign.find((canary) => texts.some((text) => text.includes(canary)));
  if (found === undefined) return;
  world.counts.canaryLeaks++;
  world.fault('a canary leaks', `${where}: ${found}`);
}
