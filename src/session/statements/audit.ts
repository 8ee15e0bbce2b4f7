/** AUDIT [VIEW v]: which views, against which upstream; one row a view, one audit at a time. See `audit/audit.ts` for what happens. */
import { runAudit, type AuditedView } from '../../audit/audit.ts';
import type { AuditedColumn } from '../../audit/compare.ts';
import { must } from '../../base/assert.ts';
import { millraceError } from '../../base/errors.ts';
import type { Lsn } from '../../base/lsn.ts';
import type { Name, StatementOf } from '../../sql/statements/statement.ts';
import { canonicalizer } from '../../values/canonical.ts';
import { codecOf, type Value } from '../../values/codec.ts';
import type { PgType } from '../../values/type.ts';
import type { Catalog, CatalogObject, MaterializedView } from '../../catalog/catalog.ts';
import type { Coordinator } from '../coordinator.ts';
import { objectNamed } from '../object-named.ts';
import { countColumns, literalRows, textColumns } from '../results/literal-result.ts';
import { fromText } from '../results/recoded.ts';
import { look, received, refuseStopped } from '../recency.ts';
import { shape, type StatementKind } from './statement.ts';

const COLUMNS = [...textColumns('view', 'lsn', 'state', 'exactness'), ...countColumns('rows', 'differences'), ...textColumns('detail')];

/** How long the stream may take to reach the audit's LSN. */
const REACH_TIMEOUT_MS = 60_000;
const FLOAT_OIDS = new Set([700, 701]);

export const audit: StatementKind<StatementOf<'audit'>> = {
  prepare: () => shape(COLUMNS),
  async execute({ view }, { coordinator, settings, call }, { resultFormats }) {
    const rows = await coordinator.auditQueue.run(call.signal, () => auditRows(coordinator, view, settings.searchPath));
    return fromText(coordinator.mirror.catalog, literalRows(rows, 'AUDIT'), COLUMNS, resultFormats, call);
  },
};

async function auditRows(coordinator: Coordinator, view: Name | undefined, searchPath: readonly string[]): Promise<(string | null)[][]> {
  const { catalog } = coordinator;
  const views = view === undefined ? catalog.all('materializedView') : [objectNamed(catalog, ['materializedView'], view, searchPath)];
  if (views.length === 0) return [];
  const [source] = catalog.all('source');
  const running = coordinator.source;
  if (source === undefined || running === undefined) throw millraceError('NO_SOURCE', { what: 'AUDIT' });
  refuseStopped(running);
  const { rpc } = coordinator.engine;
  const recordingId = coordinator.nextNumber();
  const results = await runAudit(
    views.map((one) => audited(coordinator, one)),
    coordinator.connectionOf(source),
    {
      begin: (objects) => rpc.call('beginRecording', { recordingId, objects: [...objects] }),
      async contentsAt(object: string, lsn: Lsn) {
        await look(coordinator);
        await received(running, lsn, REACH_TIMEOUT_MS);
        return (await rpc.call('readRecording', { recordingId, object, lsn, timeoutMs: REACH_TIMEOUT_MS })).values;
      },
      end: () => rpc.call('endRecording', { recordingId }),
    },
  );
  for (const [index, result] of results.entries()) {
    const { detail: _, ...remembered } = result;
    coordinator.audits.set(views[index]!.id, { ...remembered, finishedAt: new Date().toISOString() });
    coordinator.logAudit(result);
  }
  return results.map((result) => [
    result.view,
    result.lsn,
    result.state,
    result.exactness,
    String(result.rows),
    String(result.differences),
    result.detail === undefined ? null : JSON.stringify(result.detail),
  ]);
}

function audited(coordinator: Coordinator, view: MaterializedView): AuditedView {
  return {
    id: view.id,
    name: view.name,
    upstreamSql: view.upstreamSql,
    exactness: view.exactness,
    tables: tablesUnder(coordinator.catalog, view),
    settings: view.settings,
    columns: view.columns.map(({ name, type }): AuditedColumn => ({
      name,
      type,
      approximate: view.exactness === 'float_aggregate' && FLOAT_OIDS.has((type.base ?? type).oid),
      ...canonicalText(type),
    })),
  };
}

function tablesUnder(catalog: Catalog, object: CatalogObject): number[] {
  if (object.kind === 'table') return [object.upstream.oid];
  if (object.kind !== 'view' && object.kind !== 'materializedView') return [];
  return [...new Set(object.dependsOn.flatMap((id) => tablesUnder(catalog, must(catalog.get(id), 'dependency'))))];
}

/** Equal values, one text. */
function canonicalText(type: PgType): Pick<AuditedColumn, 'canonical'> {
  const canonical = canonicalizer(type) as ((value: Value) => Value) | undefined;
  if (canonical === undefined) return {};
  const codec = codecOf(type);
  return { canonical: (text) => codec.format(canonical(codec.parse(text))) };
}
