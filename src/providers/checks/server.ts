/** C06, C07, C22 and the encoding: whether this server, as it stands, can be streamed from at all. */
import type { Observation } from '../model.ts';
import { finding, type Subject } from './check.ts';

const VERSION_NUM_MIN = 100_000;
/** 14 had its last release in November 2026. */
const COMMUNITY_SUPPORT_MAJOR_MIN = 15;

export function* server({ observed, recognised, provider }: Subject): Generator<Observation> {
  const refused = observed.control?.refused ?? provider.refused ?? (recognised.variant && provider.variantsRefused?.[recognised.variant]);
  if (refused !== undefined)
    yield finding('error', 'C06', 'unsupported', {
      seen: refused.reason,
      why: 'No setting changes that.',
      need: { kind: 'replace', wayOut: refused.wayOut },
    });
  const facts = observed.server;
  if (facts === undefined) return;

  const major = Math.floor(facts.versionNum / 10_000);
  if (facts.versionNum < VERSION_NUM_MIN)
    yield finding('error', 'C06', 'too_old', {
      seen: `the server is Postgres ${facts.version.split(' ')[1] ?? facts.versionNum}`,
      why: 'Logical replication with publications came with Postgres 10.',
      need: { kind: 'replace', wayOut: `Upgrade the server to a supported major version (${COMMUNITY_SUPPORT_MAJOR_MIN} or later).` },
    });
  else if (major < COMMUNITY_SUPPORT_MAJOR_MIN)
    yield finding('note', 'C06', 'old', {
      seen: `the server is Postgres ${major}, which the community no longer supports`,
      why: 'It works; faults in decoding are no longer mended there.',
    });
  for (const { from, before, ...defect } of provider.defects ?? [])
    if (facts.versionNum >= from && facts.versionNum < before) yield { check: 'C06', severity: 'warning', ...defect };

  if (facts.standby || recognised.reader) {
    const able = facts.versionNum >= 160_000 && facts.settings['hot_standby_feedback']?.value === 'on' && provider.sharedStorage !== true;
    yield finding(able ? 'warning' : 'error', 'C07', 'standby', {
      seen: recognised.reader ? `${observed.target.host} is a reader endpoint` : 'the server is a read replica',
      why:
        facts.versionNum < 160_000
          ? 'Before Postgres 16 a standby cannot decode its log.'
          : able
            ? 'It can decode, but makes no publication, and a slot waits for activity on the primary.'
            : 'A standby of Postgres 16 or later can decode only with hot_standby_feedback = on.',
      need: { kind: 'primary' },
    });
  } else if (facts.readOnly)
    yield finding('error', 'C22', 'read_only', {
      seen: 'sessions are read-only (default_transaction_read_only is on)',
      why: 'No publication can be made. A host sets this when the storage is nearly full.',
      need: { kind: 'writable' },
    });

  if (facts.encoding === 'SQL_ASCII')
    yield finding('warning', 'C06', 'encoding_unknown', {
      seen: 'the database’s encoding is SQL_ASCII: it holds bytes of unknown encoding',
      why: 'Text that is no valid UTF-8 cannot be shown; such rows stop their table.',
    });
  else if (facts.encoding !== 'UTF8')
    yield finding('note', 'C06', 'encoding_converted', {
      seen: `the database’s encoding is ${facts.encoding}`,
      why: 'The server converts to UTF-8 while it streams.',
    });
}
