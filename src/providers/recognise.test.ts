import { expect, test } from 'vitest';
import type { Signals } from './facts.ts';
import { recognise } from './recognise.ts';

const nothing: Signals = {
  host: '10.0.0.5',
  port: 5432,
  settings: {},
  roles: [],
  functions: [],
  version: '',
  certificateIssuer: undefined,
};
const settings = (...names: string[]): Partial<Signals> => ({ settings: Object.fromEntries(names.map((name) => [name, 'off'])) });

test.each<[string, Partial<Signals>, string]>([
  ['nothing at all', {}, 'selfhosted'],
  ['a setting, behind a private name', settings('rds.extensions', 'rds.logical_replication'), 'rds'],
  ['a function beside RDS’s settings', { ...settings('rds.extensions'), functions: ['aurora_version'] }, 'aurora'],
  ['roles only', { roles: ['cloudsqlsuperuser', 'cloudsqladmin'] }, 'cloudsql'],
  [
    'AlloyDB keeps Cloud SQL’s roles',
    { ...settings('alloydb.logical_decoding'), roles: ['alloydbsuperuser', 'cloudsqlsuperuser'] },
    'alloydb',
  ],
  ['Azure', settings('azure.extensions'), 'azure'],
  ['DigitalOcean, sibling of Aiven', { roles: ['doadmin', '_aiven'] }, 'digitalocean'],
  ['Aiven', { roles: ['avnadmin'] }, 'aiven'],
  ['Neon', settings('neon.endpoint_id'), 'neon'],
  ['Supabase', settings('supautils.privileged_extensions'), 'supabase'],
  ['PlanetScale', settings('extwlist.pscale_allowed_extensions'), 'planetscale'],
  ['a host name, before a session', { host: 'shop.cabc123.eu-west-1.rds.amazonaws.com' }, 'rds'],
  ['a cluster’s host name', { host: 'shop.cluster-cabc123.eu-west-1.rds.amazonaws.com' }, 'aurora'],
  ['Azure’s host name', { host: 'shop.postgres.database.azure.com' }, 'azure'],
  ['DigitalOcean’s', { host: 'private-db-1-do-user-1.b.db.ondigitalocean.com', port: 25_060 }, 'digitalocean'],
  ['Supabase’s', { host: 'db.abcdefgh.supabase.co' }, 'supabase'],
  ['Heroku’s', { host: 'ec2-1-2-3-4.compute-1.amazonaws.com' }, 'heroku'],
  ['Render’s', { host: 'dpg-abc123-a.frankfurt-postgres.render.com' }, 'render'],
  ['Crunchy Bridge’s', { host: 'p.abc.db.postgresbridge.com' }, 'crunchy'],
  ['Tiger Cloud’s', { host: 'a.b.tsdb.cloud.timescale.com' }, 'timescale'],
  ['Railway’s', { host: 'roundhouse.proxy.rlwy.net' }, 'railway'],
  ['a certificate', { certificateIssuer: 'Google, Inc · Google Cloud SQL Server CA' }, 'cloudsql'],
])('%s', (_what, signals, expected) => {
  const found = recognise({ ...nothing, ...signals }, undefined, undefined);
  expect(found.provider).toBe(expected);
  expect(found.because[0]).toBeTruthy();
});

test('SQL outweighs the endpoint: a tunnel or a custom name hides the host', () => {
  expect(
    recognise({ ...nothing, ...settings('azure.extensions'), host: 'shop.abc.eu-west-1.rds.amazonaws.com' }, undefined, undefined).provider,
  ).toBe('azure');
});

test('--provider outweighs everything', () => {
  expect(recognise({ ...nothing, ...settings('rds.extensions') }, undefined, 'aurora')).toMatchObject({
    provider: 'aurora',
    because: ['you said so (--provider)'],
  });
});

test('Azure Single Server is known by its setting', () => {
  expect(recognise({ ...nothing, ...settings('azure.replication_support') }, undefined, undefined)).toMatchObject({
    provider: 'azure',
    variant: 'single',
  });
});

test.each([
  ['shop.proxy-cabc.eu-west-1.rds.amazonaws.com', 5432],
  ['aws-0-eu-west-1.pooler.supabase.com', 6543],
  ['ep-cool-name-123456-pooler.eu-central-1.aws.neon.tech', 5432],
  ['db-1.b.db.ondigitalocean.com', 25_061],
  ['shop.postgres.database.azure.com', 6432],
])('%s:%i is a pooler', (host, port) => expect(recognise({ ...nothing, host, port }, undefined, undefined).pooler).toBeTruthy());
