/**
 * The engine's state as relations of schema `millrace`: what their rows are now. The mirror holds them as ordinary tables; a session has those refreshed that
 * its statement reads. Values in the order of `sql/mirror/status.ts`. What is not known is NULL, and what was measured says when: never an old figure as if it were new.
 */
import type { PlainError } from '../../base/errors.ts';
import { formatLsn } from '../../base/lsn.ts';
import type { StatusName } from '../../sql/mirror/status.ts';
import { dependenciesOf, type CatalogObject, type Source } from '../../catalog/catalog.ts';
import type { Coordinator } from '../coordinator.ts';
import { Fares } from './fares.ts';
import { kindName } from '../../catalog/kind-name.ts';
import type { EngineStatus } from '../../engine/contract/protocol.ts';

type Row = readonly (string | null)[];

interface Seen {
  readonly coordinator: Coordinator;
  readonly status: EngineStatus | null;
  readonly fares: Fares;
}

export async function statusRows(coordinator: Coordinator, names: readonly StatusName[]): Promise<Map<StatusName, Row[]>> {
  if (names.length === 0) return new Map();
  const status = await coordinator.engine.rpc.call('status', {});
  const seen: Seen = { coordinator, status, fares: new Fares(coordinator.catalog, coordinator.source?.status, status) };
  return new Map(names.map((name) => [name, ROWS[name](seen)]));
}

const ROWS: Readonly<Record<StatusName, (seen: Seen) => Row[]>> = {
  objects: ({ coordinator }) =>
    [...coordinator.catalog.objects()].map((object) => [
      object.id,
      kindName(object.kind),
      object.schema,
      object.name,
      object.createSql,
      textArray(dependenciesOf(object)),
    ]),
  sources: (seen) => seen.coordinator.catalog.all('source').map((source) => sourceRow(seen, source)),
  tables: tableRows,
  views: viewRows,
  arrangements: arrangementRows,
  errors: errorRows,
  lag: lagRows,
  sessions: ({ coordinator }) =>
    [...coordinator.sessions].map((session): Row => [
      String(session.number),
      session.applicationName,
      session.clientAddress ?? null,
      session.openedAt.toISOString(),
      session.transactionStatus,
      session.running ?? null,
    ]),
  subscriptions: subscriptionRows,
  audits: ({ coordinator }) =>
    [...coordinator.audits].flatMap(([id, audit]): Row[] =>
      coordinator.catalog.get(id) === undefined
        ? []
        : [
            [
              audit.view,
              audit.lsn === '0/0' ? null : audit.lsn,
              audit.state,
              audit.state === 'cannot_run' ? null : String(audit.rows),
              audit.state === 'cannot_run' ? null : String(audit.differences),
              audit.finishedAt,
            ],
          ],
    ),
};

function sourceRow({ coordinator, status, fares }: Seen, source: Source): Row {
  const running = coordinator.source;
  const ingest = running?.status;
  const progress = running?.progress.read();
  const { word, error, nextAttemptAtMs } = fares.of(source);
  return [
    source.id,
    source.name,
    nameOf(coordinator, source.connectionId),
    source.publication,
    ingest?.slotName ?? null,
    word,
    error?.message ?? null,
    error?.hint ?? null,
    timeText(ingest?.troubledSinceMs ?? ingest?.sinceMs),
    timeText(nextAttemptAtMs),
    source.facts.version,
    source.facts.systemId,
    String(ingest === undefined || ingest.timeline === 0 ? source.facts.timeline : ingest.timeline),
    lsnText(progress?.committedLsn),
    lsnText(progress?.syncedLsn),
    lsnText(progress?.acknowledgedLsn),
    lsnText(status?.lsn),
    numberText(status === null || progress === undefined ? null : progress.committedOffset - status.foldedOffset),
    numberText(status?.transactions),
    numberText(status?.changes),
    numberText(ingest?.bytes),
    numberText(ingest?.reconnects),
  ];
}

function tableRows({ coordinator, status, fares }: Seen): Row[] {
  const copies = new Map(coordinator.source?.status?.tables.map((table) => [table.oid, table]));
  return coordinator.catalog.all('table').map((table): Row => {
    const live = status?.tables.find(({ id }) => id === table.id);
    const copy = copies.get(table.upstream.oid);
    const { word, error, nextAttemptAtMs } = fares.of(table);
    return [
      table.id,
      table.schema,
      table.name,
      nameOf(coordinator, table.sourceId),
      table.upstream.schema,
      table.upstream.name,
      table.upstream.replicaIdentity,
      word,
      error?.message ?? null,
      error?.hint ?? null,
      timeText(nextAttemptAtMs),
      numberText(live?.rows ?? (word === 'copying' ? copy?.rowsCopied : null)),
      lsnText(live?.snapshotLsn),
      numberText(live?.changes),
    ];
  });
}

function viewRows({ coordinator, status, fares }: Seen): Row[] {
  const { catalog } = coordinator;
  return [...catalog.all('view'), ...catalog.all('materializedView')].map((view): Row => {
    const { word, error } = fares.of(view);
    const live = status?.views.find(({ id }) => id === view.id);
    const isMaterialized = view.kind === 'materializedView';
    return [
      view.id,
      view.schema,
      view.name,
      kindName(view.kind),
      isMaterialized ? view.exactness : null,
      isMaterialized ? textArray(view.exactnessReasons) : null,
      word,
      error?.message ?? null,
      error?.hint ?? null,
      numberText(live?.rows),
      numberText(live?.errors),
      timeText(live?.hydratedAtMs),
      numberText(live?.hydrationMs),
      numberText(live?.longestSliceMs),
      numberText(live?.stateBytes),
      view.sql,
    ];
  });
}

function arrangementRows({ coordinator, status }: Seen): Row[] {
  return (status?.arrangements ?? []).map(({ object, kind, rows, bytes }): Row => [
    object,
    nameOf(coordinator, object) ?? object,
    kind === 'table' ? 'rows' : 'state',
    String(rows),
    String(bytes),
  ]);
}

/** What fares ill by itself; what stands on it says so in its own relation. */
function errorRows({ coordinator, status, fares }: Seen): Row[] {
  const ofObjects = [...coordinator.catalog.objects()].flatMap((object): Row[] => {
    const { error, isOwn, count } = fares.of(object);
    return error === null || !isOwn ? [] : [[object.id, object.name, kindName(object.kind), ...errorValues(error), String(count)]];
  });
  return [...ofObjects, ...(status?.storeErrors ?? []).map((error): Row => [null, null, 'store', ...errorValues(error), '1'])];
}

function errorValues({ code, sqlstate, message, hint }: PlainError): Row {
  return [code, sqlstate, message, hint ?? null];
}

/** While nothing is heard from the upstream nobody knows how much it has written since: the bytes are NULL then, and the time goes on. */
function lagRows({ coordinator, status, fares }: Seen): Row[] {
  return coordinator.catalog.all('source').map((source): Row => {
    const progress = coordinator.source?.progress.read();
    const ingest = coordinator.source?.status;
    const heardAtMs = progress?.heardAtMs ?? 0;
    if (progress === undefined || heardAtMs === 0) return [source.name, null, lsnText(status?.lsn), null, null, null, null, null];
    const appliedLsn = status?.lsn ?? 0n;
    const isFollowing = fares.of(source).word === 'running';
    const behindBytes = progress.serverLsn > appliedLsn ? progress.serverLsn - appliedLsn : 0n;
    const caughtUpAtMs = status?.caughtUpAtMs ?? null;
    const behindMs = isFollowing && behindBytes === 0n ? 0 : caughtUpAtMs === null ? null : Math.max(Date.now() - caughtUpAtMs, 0);
    return [
      source.name,
      formatLsn(progress.serverLsn),
      lsnText(appliedLsn),
      isFollowing ? String(behindBytes) : null,
      numberText(behindMs),
      numberText(ingest?.retainedBytes),
      timeText(ingest?.slotMeasuredAtMs),
      timeText(heardAtMs),
    ];
  });
}

function subscriptionRows({ coordinator, status }: Seen): Row[] {
  return [...coordinator.sessions].flatMap(({ number, subscription }): Row[] => {
    if (subscription === undefined) return [];
    const { id, objectName, query, startedAt, rowsSent } = subscription;
    const backlogBytes = status?.subscriptions.find((open) => open.id === id)?.backlogBytes;
    return [[String(number), objectName ?? null, query, startedAt.toISOString(), String(rowsSent), numberText(backlogBytes)]];
  });
}

function lsnText(lsn: bigint | null | undefined): string | null {
  return lsn === undefined || lsn === null || lsn === 0n ? null : formatLsn(lsn);
}

function timeText(ms: number | null | undefined): string | null {
  return ms === undefined || ms === null ? null : new Date(ms).toISOString();
}

function numberText(value: number | null | undefined): string | null {
  return value === undefined || value === null ? null : String(value);
}

function nameOf(coordinator: Coordinator, id: CatalogObject['id']): string | null {
  return coordinator.catalog.get(id)?.name ?? null;
}

function textArray(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replaceAll(/["\\]/g, '\\$&')}"`).join(',')}}`;
}
