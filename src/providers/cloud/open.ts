/** `--cloud aws:shop` to the client of that control plane. The SDK is loaded here and only here; nothing is sent yet. Used by doctor and setup. */
import { millraceError } from '../../base/errors.ts';
import type { CloudApi } from '../model.ts';
import { AwsCalls } from './aws/calls.ts';
import { AwsCloud } from './aws/client.ts';
import { azureClient } from './azure/calls.ts';
import { AzureCloud } from './azure/client.ts';
import { DigitalOceanCloud } from './digitalocean/client.ts';
import { GcpCloud } from './gcp/client.ts';
import { sqlAdmin } from './gcp/calls.ts';
import { PATIENCE, type Patience } from './patience.ts';

const FORMS = 'aws:[REGION/]INSTANCE-OR-CLUSTER, gcp:PROJECT:INSTANCE, azure:SUBSCRIPTION/RESOURCE-GROUP/SERVER or do:CLUSTER-ID';

export function openCloud(
  text: string,
  environment: NodeJS.ProcessEnv = process.env,
  patience: Patience = patienceOf(environment),
): CloudApi {
  const [, cloud, name] = /^(\w+):(.+)$/.exec(text) ?? [];
  if (name === undefined) throw millraceError('CLOUD_RESOURCE_INVALID', { resource: text, expected: FORMS });
  switch (cloud) {
    case 'aws': {
      // arn:aws:rds:eu-central-1:123456789012:db:shop, and `cluster:` for a cluster.
      const [, arnRegion, arnName] = /^arn:aws[\w-]*:rds:([\w-]+):\d+:(?:db|cluster):(.+)$/.exec(name) ?? [];
      const [, region, id] = /^(?:([a-z]{2}(?:-[a-z]+)+-\d)\/)?([A-Za-z][A-Za-z0-9-]*)$/.exec(name) ?? [];
      const found = arnName ?? id;
      if (found === undefined)
        throw millraceError('CLOUD_RESOURCE_INVALID', { resource: text, expected: 'aws:[REGION/]INSTANCE-OR-CLUSTER, or aws:ARN' });
      return new AwsCloud(text, found, new AwsCalls(arnRegion ?? region, environment), patience);
    }
    case 'gcp': {
      // PROJECT:INSTANCE, or the connection name PROJECT:REGION:INSTANCE; a project may have a domain in front (example.com:project).
      const [, project, instance] =
        /^((?:[a-z0-9.-]+\.[a-z]+:)?[a-z][a-z0-9-]+)[:/](?:[a-z]+-[a-z]+\d+[:/])?([a-z][a-z0-9-]*)$/.exec(name) ?? [];
      if (project === undefined || instance === undefined)
        throw millraceError('CLOUD_RESOURCE_INVALID', { resource: text, expected: 'gcp:PROJECT:INSTANCE' });
      return new GcpCloud(text, { project, instance }, sqlAdmin(environment), patience);
    }
    case 'azure': {
      const [, subscription, group, kind, server] =
        /^\/subscriptions\/([^/]+)\/resourceGroups\/([^/]+)\/providers\/Microsoft\.DBforPostgreSQL\/(flexibleServers|servers)\/([^/]+)$/i.exec(
          name,
        ) ??
        /^([0-9a-fA-F-]{36})\/([^/]+)()\/([^/]+)$/.exec(name) ??
        [];
      if (subscription === undefined || group === undefined || server === undefined)
        throw millraceError('CLOUD_RESOURCE_INVALID', {
          resource: text,
          expected: 'azure:SUBSCRIPTION/RESOURCE-GROUP/SERVER, or azure: and the resource id',
        });
      if (kind?.toLowerCase() === 'servers')
        throw millraceError('CLOUD_REFUSED', {
          operation: 'setup',
          resource: text,
          reason: 'Single Server was retired on 2025-03-28: migrate to Flexible Server first.',
        });
      const azure = { subscription, group, server };
      return new AzureCloud(text, azure, azureClient(azure, environment), patience);
    }
    case 'do':
      return new DigitalOceanCloud(text, name, environment, patience);
    default:
      throw millraceError('CLOUD_RESOURCE_INVALID', { resource: text, expected: FORMS });
  }
}

/** The suites poll their fakes faster than one may poll a cloud. */
function patienceOf(environment: NodeJS.ProcessEnv): Patience {
  const pollMs = Number(environment['MILLRACE_CLOUD_POLL_MS']);
  return pollMs > 0 ? { ...PATIENCE, pollMs, retryMs: Math.min(PATIENCE.retryMs, pollMs) } : PATIENCE;
}
