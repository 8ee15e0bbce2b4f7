/**
 * Doctor: observes, names the provider, runs every check, adds the provider's own mends, and gives a verdict. Reads only; see `observe.ts` for the two harmless trials.
 * `diagnose` is pure, so that setup can ask it of what it observed. Called by `cli/doctor.ts` and by setup. Keeps I-8.
 */
import type { ConnectionParameters } from '../upstream/connection/parameters.ts';
import { runChecks } from './checks/all.ts';
import type { Asked, Observed } from './facts.ts';
import { providers } from './hosts/all.ts';
import { mendFor } from './mends.ts';
import {
  CONSUMERS,
  type CloudApi,
  type Consumer,
  type Finding,
  type MendFacts,
  type Provider,
  type ProviderId,
  type TableName,
  type Verdict,
} from './model.ts';
import { observe } from './observe.ts';
import { recognise, type Recognised } from './recognise.ts';
import { sizing, type Size } from './sizing.ts';

export interface Diagnosis {
  readonly provider: Provider;
  readonly recognised: Recognised;
  readonly verdict: Verdict;
  /** What is wrong or in doubt, worst first. */
  readonly findings: readonly Finding[];
  /** What is good to know and needs nothing. */
  readonly notes: readonly Finding[];
  readonly sizes: readonly Size[];
  readonly observed: Observed;
}

export interface DoctorOptions {
  readonly provider?: ProviderId | undefined;
  readonly publication?: string | undefined;
  readonly tables?: readonly TableName[] | undefined;
  readonly consumer?: Consumer | undefined;
  readonly role?: string | undefined;
  readonly cloud?: CloudApi | undefined;
  readonly signal?: AbortSignal | undefined;
}

export const PUBLICATION_DEFAULT = 'mz_source';

/** A stream, and a second slot for a while: an added table, an audit; Materialize asks for two free ones. */
const SLOTS_NEEDED: Readonly<Record<Consumer, number>> = { millrace: 2, materialize: 2, debezium: 1 };

function askedFor(options: DoctorOptions): Asked {
  const consumer = options.consumer ?? CONSUMERS[0];
  return {
    consumer,
    publication: options.publication ?? PUBLICATION_DEFAULT,
    publicationNamed: options.publication !== undefined,
    tables: options.tables,
    role: options.role,
    slotsNeeded: SLOTS_NEEDED[consumer],
  };
}

export async function doctor(parameters: ConnectionParameters, options: DoctorOptions = {}): Promise<Diagnosis> {
  return diagnose(await observe(parameters, askedFor(options), options), options.provider);
}

const ORDER = { error: 0, unknown: 1, warning: 2, note: 3 } as const;

export function diagnose(observed: Observed, override?: ProviderId): Diagnosis {
  const recognised = recognise(observed.signals, observed.control, override);
  const provider = providers[recognised.provider];
  const facts = mendFacts(observed);
  const all: Finding[] = runChecks({ observed, recognised, provider }).map((observation) => ({
    ...observation,
    requirements: provider.requirements
      .filter((requirement) => requirement.checks.includes(observation.check))
      .map((requirement) => requirement.id),
    mend: mendFor(provider, observation.need, facts),
  }));
  const findings = all.filter((finding) => finding.severity !== 'note').sort((a, b) => ORDER[a.severity] - ORDER[b.severity]);
  return {
    provider,
    recognised,
    verdict: verdictOf(findings, observed),
    findings,
    notes: all.filter((finding) => finding.severity === 'note'),
    sizes: sizing(observed),
    observed,
  };
}

/** not: something is known to be wrong. unknown: nothing is, and something could not be looked at. */
function verdictOf(findings: readonly Finding[], observed: Observed): Verdict {
  if (findings.some((finding) => finding.severity === 'error')) return 'not';
  if (observed.server === undefined || findings.some((finding) => finding.severity === 'unknown')) return 'unknown';
  return 'ready';
}

export function mendFacts({ target, server, asked, control }: Observed): MendFacts {
  const { sslmode: _, ...named } = target;
  return {
    ...named,
    versionNum: server?.versionNum ?? 180_000,
    publication: asked.publication,
    resource: control?.resource ?? resourceIn(target.host),
  };
}

/** AWS, Azure and DigitalOcean put the instance's name into its host name. */
function resourceIn(host: string): string {
  const match = /^([a-z0-9-]+)\.(?:[a-z0-9.-]*\.)?(?:rds\.amazonaws\.com|postgres\.database\.azure\.com|db\.ondigitalocean\.com)/.exec(
    host,
  );
  return match?.[1] ?? '<instance>';
}
