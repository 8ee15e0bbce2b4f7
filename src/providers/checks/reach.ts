/** C01–C05 and C23: whether we get in at all, encrypted, as whom, from which address, and to the server itself. The refusal is the probe; everything else explains it. */
import type { Failure } from '../facts.ts';
import type { Observation } from '../model.ts';
import { finding, type Subject } from './check.ts';

export function* reach(subject: Subject): Generator<Observation> {
  const { observed, recognised } = subject;
  if (recognised.pooler !== undefined) {
    yield finding('error', 'C05', 'pooler', {
      seen: `${observed.target.host}:${observed.target.port} is ${recognised.pooler}`,
      why: 'A replication stream needs a session of its own with the server; a pooler shares sessions.',
      need: { kind: 'direct_host' },
    });
  }
  const { identify } = observed.probes;
  const asItself = (observed.asked.role ?? observed.target.user) === observed.target.user;
  const refusal =
    observed.refusal !== undefined
      ? fromRefusal(observed.refusal, subject)
      : identify.outcome === 'failed' && asItself
        ? fromReplicationRefusal(identify.failure, subject)
        : undefined;
  if (refusal !== undefined && !(refusal.check === 'C05' && recognised.pooler !== undefined)) yield refusal;
  if (observed.refusal !== undefined) return;
  if (observed.server !== undefined && !observed.server.tls && subject.provider.withoutTls !== true && !isLocal(observed.target.host)) {
    yield finding('warning', 'C02', 'not_encrypted', {
      seen: `the session is not encrypted (sslmode=${observed.target.sslmode})`,
      why: 'Passwords are hashed, rows are not: every change would cross the network readable.',
      need: { kind: 'tls', sslmode: 'require' },
    });
  }
}

function isLocal(host: string): boolean {
  return host === 'localhost' || host.startsWith('127.') || host === '::1' || host.startsWith('/');
}

/** `host "203.0.113.7"` in a refusal is our address as the server sees it. */
function addressIn(said: string): string | undefined {
  return /host "([0-9a-fA-F.:]+)"/.exec(said)?.[1];
}

export function cidr(address: string): string {
  return `${address}/${address.includes(':') ? 128 : 32}`;
}

/** What a refused session means. Total over the codes of `upstream/connection/classify.ts`. Long: one answer a code. */
function fromRefusal(failure: Failure, { observed, provider }: Subject): Observation | undefined {
  const { host, port, user, database, sslmode } = observed.target;
  switch (failure.code) {
    case 'UPSTREAM_UNREACHABLE':
    case 'UPSTREAM_DISCONNECTED': {
      if (/ENOTFOUND|EAI_/.test(`${failure.sqlstate} ${failure.said}`))
        return finding('unknown', 'C01', 'host_unknown', {
          seen: `the name ${host} does not resolve`,
          why: 'A wrong host name, a deleted database, or a name that resolves only inside its private network: run this from there.',
        });
      if (/ECONNREFUSED/.test(`${failure.sqlstate} ${failure.said}`))
        return finding('unknown', 'C01', 'refused', {
          seen: `${host}:${port} refuses connections`,
          why: 'The machine is there and nothing listens on that port: the server is stopped, or the port is wrong.',
        });
      return finding(provider.plain !== true || observed.control !== undefined ? 'error' : 'unknown', 'C01', 'no_answer', {
        seen: `no answer from ${host}:${port} (${failure.said})`,
        why: 'A firewall that does not know this machine stays silent: a security group, authorized network or trusted source is missing, or the database has no public address.',
        need: { kind: 'address', cidr: undefined },
      });
    }
    case 'UPSTREAM_ACCESS_REFUSED': {
      const address = addressIn(failure.said);
      if (/no encryption|SSL off/.test(failure.said)) return tlsRequired(sslmode);
      return finding('error', 'C04', 'address_not_admitted', {
        seen: `the server admits no connection of "${user}" to "${database}" from ${address ?? 'this address'}`,
        why: 'No rule of the server matches this user, database and address (as the server sees it).',
        need:
          provider.plain === true
            ? { kind: 'host_rule', database, role: user }
            : { kind: 'address', cidr: address === undefined ? undefined : cidr(address) },
      });
    }
    case 'UPSTREAM_TLS_REQUIRED':
      return tlsRequired(sslmode);
    case 'UPSTREAM_TLS_UNSUPPORTED':
    case 'UPSTREAM_TLS_FAILED':
      return finding('error', 'C02', 'tls_not_offered', {
        seen: `${host} does not offer TLS as asked (sslmode=${sslmode}): ${failure.said}`,
        why: 'Millrace does not fall back to an unencrypted connection where encryption was asked for.',
        need: { kind: 'tls', sslmode: 'prefer' },
      });
    case 'UPSTREAM_TLS_CERTIFICATE_REFUSED':
      return finding('error', 'C02', 'certificate_refused', {
        seen: `the certificate of ${host} is not accepted: ${failure.said}`,
        why: `sslmode=${sslmode} accepts only a certificate that a known authority signed; hosts with an authority of their own hand out its certificate.`,
        need: { kind: 'tls', sslmode },
      });
    case 'UPSTREAM_AUTHENTICATION_FAILED':
      return finding('error', 'C03', 'password_refused', {
        seen: `the password of "${user}" is refused`,
        why: 'Nothing can be looked at before it is right.',
        need: { kind: 'credentials' },
      });
    case 'UPSTREAM_DATABASE_MISSING':
      return finding('error', 'C03', 'database_missing', {
        seen: `there is no database "${database}"`,
        why: 'A slot and a publication belong to one database.',
        need: { kind: 'credentials' },
      });
    case 'UPSTREAM_POOLER':
      return pooled(failure, host, port);
    case 'UPSTREAM_CONNECTIONS_EXHAUSTED':
      return finding('error', 'C13', 'connections_exhausted', {
        seen: `the server has no free connection: ${failure.said}`,
        why: 'Streaming needs two sessions, and one more while a table is copied.',
        need: { kind: 'connections' },
      });
    case 'UPSTREAM_NOT_READY':
      return finding('unknown', 'C01', 'not_ready', {
        seen: `the server is starting up or shutting down (${failure.said})`,
        why: 'It passes by itself; ask again in a minute.',
      });
    default:
      return finding('unknown', 'C01', 'refused_otherwise', {
        seen: `the session was refused: ${failure.said} (${failure.sqlstate})`,
        why: 'An answer that Millrace has no cause for.',
      });
  }
}

function tlsRequired(sslmode: string): Observation {
  return finding('error', 'C02', 'tls_required', {
    seen: `the server admits encrypted sessions only (sslmode=${sslmode})`,
    why: 'It looks like a refused address, and is not: the same login with TLS gets in.',
    need: { kind: 'tls', sslmode: 'require' },
  });
}

function pooled(failure: Failure, host: string, port: number): Observation {
  return finding('error', 'C05', 'pooler', {
    seen: `${host}:${port} answers a replication session as a pooler does: ${failure.said}`,
    why: 'A replication stream needs a session of its own with the server; a pooler shares sessions.',
    need: { kind: 'direct_host' },
  });
}

/** An ordinary session was made and the replication session was not. 42501 is `rights`' business, the rest is ours. */
function fromReplicationRefusal(failure: Failure, subject: Subject): Observation | undefined {
  switch (failure.code) {
    case 'REPLICATION_NOT_PERMITTED':
    case 'WALSENDERS_EXHAUSTED':
      return undefined;
    case 'UPSTREAM_POOLER':
      return pooled(failure, subject.observed.target.host, subject.observed.target.port);
    case 'UPSTREAM_ACCESS_REFUSED': {
      const { user, database } = subject.observed.target;
      const keyword = subject.observed.server?.hostRules?.find((rule) => rule.databases.includes('replication'));
      return finding('error', subject.provider.plain === true ? 'C23' : 'C04', 'host_rule_missing', {
        seen: `an ordinary session is admitted, a replication session is not: ${failure.said}`,
        why:
          keyword === undefined
            ? 'A replication session for logical decoding is admitted by a rule for its database.'
            : `Line ${keyword.line} of pg_hba.conf names the keyword "replication": that is for physical replication only. Logical replication is admitted by a rule for its database.`,
        need: subject.provider.plain === true ? { kind: 'host_rule', database, role: user } : { kind: 'address', cidr: undefined },
      });
    }
    default:
      return fromRefusal(failure, subject);
  }
}
