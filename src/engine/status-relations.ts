/**
 * The engine's state as relations of schema `millrace`: what their rows are now. The mirror holds them as ordinary tables; a session has those refreshed that
 * its statement reads. Values in the order of `sql/mirror/status.ts`.
 */
import { formatLsn } from '../base/lsn.ts';
import type { StatusName } from '../sql/mirror/status.ts';
import { dependenciesOf } from './catalog.ts';
import type { Coordinator } from './coordinator.ts';
import { kindName } from './kind-name.ts';
import type { EngineStatus } from './protocol.ts';

type Row = readonly (string | null)[];

export async function statusRows(coordinator: Coordinator, names: readonly StatusName[]): Promise<Map<StatusName, Row[]>> {
  if (names.length === 0) return new Map();
  const status = await coordinator.engine.rpc.call('status', {});
  return new Map(names.map((name) => [name, rowsOf(coordinator, status, name)]));
}

function rowsOf(coordinator: Coordinator, status: EngineStatus | null, name: StatusName): Row[] {
  switch (name) {
    case 'objects':
      return [...coordinator.catalog.objects()].map((object) => [
        object.id,
        kindName(object.kind),
        object.schema,
        object.name,
        object.createSql,
        textArray(dependenciesOf(object)),
      ]);
    case 'sources':
      return coordinator.catalog.all('source').map((source) => sourceRow(coordinator, status, source.id));
    case 'tables':
      return tableRows(coordinator, status);
    case 'views':
      return viewRows(coordinator, status);
    case 'arrangements':
      return [
        ...(status?.tables ?? []).map((table): Row => [
          table.id,
          nameOf(coordinator, table.id),
          'rows',
          null,
          String(table.arrangedBytes),
          null,
        ]),
        ...(status?.views ?? []).map((view): Row => [
          view.id,
          nameOf(coordinator, view.id),
          'state',
          String(view.rows),
          String(view.stateBytes),
          null,
        ]),
      ];
    case 'errors':
      return [...(status?.views ?? []), ...(status?.tables ?? [])].flatMap(({ id, error, ...more }): Row[] =>
        error === null
          ? []
          : [
              [
                id,
                nameOf(coordinator, id),
                error.sqlstate,
                error.message,
                error.hint ?? null,
                'errors' in more ? String(more.errors) : '1',
              ],
            ],
      );
    case 'lag':
      return lagRows(coordinator, status);
    case 'sessions':
      return [...coordinator.sessions].map((session): Row => [
        String(session.number),
        session.applicationName,
        null,
        session.openedAt.toISOString(),
        session.transactionStatus,
        session.running ?? null,
      ]);
    case 'subscriptions':
      return [...coordinator.sessions].flatMap((session) =>
        session.subscription === undefined
          ? []
          : [[String(session.number), null, session.subscription.query, session.subscription.startedAt.toISOString(), null, null] as Row],
      );
    case 'audits':
      return [...coordinator.audits.values()].map((audit): Row => [
        audit.view,
        audit.lsn,
        audit.state,
        String(audit.rows),
        String(audit.differences),
        audit.finishedAt,
      ]);
  }
}

function sourceRow(coordinator: Coordinator, status: EngineStatus | null, id: string): Row {
  const source = coordinator.catalog.all('source').find((object) => object.id === id)!;
  const running = coordinator.source;
  const ingest = running?.status;
  const progress = running?.progress.read();
  return [
    source.id,
    source.name,
    nameOf(coordinator, source.connectionId),
    source.publication,
    ingest?.slotName ?? null,
    statusWord(ingest?.state),
    ingest?.error?.message ?? null,
    ingest?.error?.hint ?? null,
    ingest === undefined ? null : new Date(ingest.sinceMs).toISOString(),
    source.facts.version,
    source.facts.systemId,
    String(source.facts.timeline),
    lsnText(progress?.committedLsn),
    lsnText(progress?.syncedLsn),
    lsnText(progress?.acknowledgedLsn),
    lsnText(status?.lsn),
    null,
    String(status?.transactions ?? 0),
    String(status?.changes ?? 0),
    String(ingest?.bytes ?? 0),
  ];
}

/** Materialize's words, which its tools compare with. */
function statusWord(state: string | undefined): string {
  switch (state) {
    case 'streaming':
      return 'running';
    case 'copying':
      return 'starting';
    case 'retrying':
      return 'stalled';
    case 'stopped':
      return 'failed';
    default:
      return 'starting';
  }
}

function tableRows(coordinator: Coordinator, status: EngineStatus | null): Row[] {
  const copies = new Map(coordinator.source?.status?.tables.map((table) => [table.oid, table]));
  return coordinator.catalog.all('table').map((table): Row => {
    const live = status?.tables.find(({ id }) => id === table.id);
    const copy = copies.get(table.upstream.oid);
    const error = live?.error ?? copy?.error ?? null;
    const rows = Math.max(copy?.rowsCopied ?? 0, live?.rowsCopied ?? 0);
    const state = error !== null ? 'failed' : live?.state === 'live' ? 'running' : 'copying';
    return [
      table.id,
      table.schema,
      table.name,
      nameOf(coordinator, table.sourceId),
      table.upstream.schema,
      table.upstream.name,
      table.upstream.replicaIdentity,
      state,
      error?.message ?? null,
      String(rows),
      lsnText(live?.snapshotLsn),
    ];
  });
}

function viewRows(coordinator: Coordinator, status: EngineStatus | null): Row[] {
  const views = coordinator.catalog
    .all('view')
    .map((view): Row => [
      view.id,
      view.schema,
      view.name,
      'view',
      null,
      null,
      'running',
      null,
      null,
      null,
      null,
      null,
      null,
      null,
      view.sql,
    ]);
  const materialized = coordinator.catalog.all('materializedView').map((view): Row => {
    const live = status?.views.find(({ id }) => id === view.id);
    return [
      view.id,
      view.schema,
      view.name,
      'materialized view',
      view.exactness,
      textArray(view.exactnessReasons),
      live === undefined ? 'starting' : live.state === 'live' ? 'running' : 'failed',
      live?.error?.message ?? null,
      live === undefined ? null : String(live.rows),
      live === undefined ? null : String(live.errors),
      null,
      live === undefined ? null : String(live.hydrationMs),
      live === undefined ? null : String(live.longestSliceMs),
      live === undefined ? null : String(live.stateBytes),
      view.sql,
    ];
  });
  return [...views, ...materialized];
}

function lagRows(coordinator: Coordinator, status: EngineStatus | null): Row[] {
  const [source] = coordinator.catalog.all('source');
  const progress = coordinator.source?.progress.read();
  if (source === undefined || progress === undefined) return [];
  const applied = status?.lsn ?? 0n;
  const behind = progress.serverLsn > applied ? progress.serverLsn - applied : 0n;
  const retained = coordinator.source?.status?.retainedBytes ?? null;
  return [
    [
      source.name,
      formatLsn(progress.serverLsn),
      formatLsn(applied),
      String(behind),
      null,
      retained === null ? null : String(retained),
      new Date().toISOString(),
    ],
  ];
}

function lsnText(lsn: bigint | null | undefined): string | null {
  return lsn === undefined || lsn === null ? null : formatLsn(lsn);
}

function nameOf(coordinator: Coordinator, id: string): string | null {
  return coordinator.catalog.get(id)?.name ?? null;
}

function textArray(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replaceAll(/["\\]/g, '\\$&')}"`).join(',')}}`;
}
