/** DigitalOcean by plain fetch against its imitation; above all: the firewall is never opened, never closed, and never loses another's rule. */
import assert from 'node:assert/strict';
import { openCloud } from '../../../src/providers/cloud/open.ts';
import type { CloudApi } from '../../../src/providers/model.ts';
import { invalidJsonExchanges } from '../specs/openapi.ts';
import { DigitalOceanFake } from './digitalocean.ts';
import { standIn, type StandIn } from './stand-in.ts';
import { QUICK, setUp, WANTED, type Case } from './suite.ts';

interface Scene {
  readonly fake: DigitalOceanFake;
  readonly server: StandIn;
  readonly cloud: CloudApi;
}

async function scene(
  play: (scene: Scene) => Promise<void>,
  name = '9cc10173-e9ea-4176-9dbc-a4cee4c4ff30',
  patience = QUICK,
): Promise<void> {
  const server = standIn({ wal_level: 'logical' });
  const fake = new DigitalOceanFake(server);
  await fake.plane.listen();
  try {
    await play({ fake, server, cloud: openCloud(`do:${name}`, fake.environment, patience) });
    assert.deepEqual(invalidJsonExchanges('digitalocean', fake.plane.exchanges), [], 'all traffic fits the model of the vendor');
  } finally {
    await fake.plane.close();
  }
}

const LIVE = { ...WANTED, logicalDecodingLive: true };

export function digitalOceanCases(): Case[] {
  return [
    {
      name: 'one address is added to the rules that are there, without a restart',
      run: () =>
        scene(async ({ fake, server, cloud }) => {
          fake.addRule('ip_addr', '198.51.100.4');
          fake.addRule('k8s', 'ff2a6c52-5a44-4b63-b99c-0e98e7a63d61', 'the shop itself');
          assert.deepEqual(await setUp(cloud, LIVE), ['do.firewall 203.0.113.7/32']);
          assert.deepEqual(server.gate.admitted, ['198.51.100.4/32', '203.0.113.7/32']);
          assert.deepEqual(
            fake.rules.map(({ type, value, description }) => [type, value, description]),
            [
              ['ip_addr', '198.51.100.4', undefined],
              ['k8s', 'ff2a6c52-5a44-4b63-b99c-0e98e7a63d61', 'the shop itself'],
              ['ip_addr', '203.0.113.7', 'millrace'],
            ],
          );
          assert.equal(server.restarts, 0);
          assert.deepEqual((await cloud.observe()).plan(LIVE), []);
        }, 'shop'),
    },
    {
      name: 'an open database stays open: no rule',
      run: () =>
        scene(async ({ fake, cloud }) => {
          assert.deepEqual(await setUp(cloud, LIVE), []);
          assert.equal(fake.plane.operations().includes('PUT firewall'), false);
        }),
    },
    {
      name: 'closed only when asked, and it says whom that locks out',
      run: () =>
        scene(async ({ server, cloud }) => {
          const wanted = { ...LIVE, closeFirewall: true, connectedAddresses: ['203.0.113.7', '198.51.100.4'] };
          const [step] = (await cloud.observe()).plan(wanted);
          assert.deepEqual(step?.affects, ['everybody else is locked out', 'connected now and locked out: 198.51.100.4']);
          await setUp(cloud, wanted);
          assert.deepEqual(server.gate.admitted, ['203.0.113.7/32']);
        }),
    },
    {
      name: 'somebody opens the database between plan and apply: refused',
      run: () =>
        scene(async ({ fake, cloud }) => {
          fake.addRule('ip_addr', '198.51.100.4');
          const steps = (await cloud.observe()).plan(LIVE);
          fake.rules = [];
          const [step] = steps;
          assert.ok(step?.via === 'api');
          await assert.rejects(
            step.apply(() => undefined),
            { code: 'CLOUD_CHANGED_MEANWHILE' },
          );
        }),
    },
    {
      name: 'a rule added by somebody else after the plan was made survives',
      run: () =>
        scene(async ({ fake, cloud }) => {
          fake.addRule('ip_addr', '198.51.100.4');
          const [step] = (await cloud.observe()).plan(LIVE);
          fake.addRule('ip_addr', '192.0.2.9');
          assert.ok(step?.via === 'api');
          await step.apply(() => undefined);
          assert.deepEqual(
            fake.rules.map(({ value }) => value),
            ['198.51.100.4', '192.0.2.9', '203.0.113.7'],
          );
        }),
    },
    {
      name: 'the replication user is made, or an existing one allowed, and its password read',
      run: () =>
        scene(async ({ fake, cloud }) => {
          const wanted = { ...LIVE, replicationUser: 'reader' };
          await setUp(cloud, wanted);
          assert.deepEqual((await cloud.observe()).replicationUsers, ['postgres', 'reader']);
          assert.equal(await cloud.password?.('reader'), 'made-for-reader');
          fake.users[1]!.settings.pg_allow_replication = false;
          assert.deepEqual(await setUp(cloud, wanted), ['do.user reader']);
          assert.equal(fake.users[1]!.settings.pg_allow_replication, true);
        }),
    },
    {
      name: 'capacity is raised within the limits, never lowered',
      run: () =>
        scene(async ({ fake, server, cloud }) => {
          await setUp(cloud, { ...LIVE, parameters: { max_replication_slots: '12', max_wal_senders: '24' } });
          assert.equal(fake.config['max_replication_slots'], 20);
          assert.equal(fake.config['max_wal_senders'], 24);
          assert.equal(server.live['max_wal_senders'], '24');
        }),
    },
    ...(['PUT firewall', 'POST users', 'PATCH config'] as const).flatMap((operation): Case[] =>
      (['lost', 'throttled', 'busy'] as const).map((kind) => ({
        name: `${operation} ${kind}: done once`,
        run: () =>
          scene(async ({ fake, cloud, server }) => {
            fake.addRule('ip_addr', '198.51.100.4');
            fake.plane.injure({ on: operation, kind });
            await setUp(cloud, { ...LIVE, replicationUser: 'reader', parameters: { max_wal_senders: '24' } });
            assert.equal(fake.plane.operations().filter((one) => one === operation).length, kind === 'lost' ? 1 : 2);
            assert.deepEqual([fake.rules.length, fake.users.length, fake.config['max_wal_senders'], server.restarts], [2, 2, 24, 1]);
          }),
      })),
    ),
    {
      name: 'a restart that does not come back ends',
      run: () =>
        scene(
          async ({ fake, cloud }) => {
            fake.restartFails = true;
            await assert.rejects(setUp(cloud, { ...LIVE, parameters: { max_wal_senders: '24' } }), { code: 'CLOUD_WAIT_EXPIRED' });
          },
          undefined,
          { ...QUICK, restartTimeoutMs: 60 },
        ),
    },
    {
      name: 'undo takes our rule away, and never the last one',
      run: () =>
        scene(async ({ fake, cloud }) => {
          fake.addRule('ip_addr', '198.51.100.4');
          await setUp(cloud, LIVE);
          for (const step of (await cloud.observe()).planUndo()) if (step.via === 'api') await step.apply(() => undefined);
          assert.deepEqual(
            fake.rules.map(({ value }) => value),
            ['198.51.100.4'],
          );
          fake.rules = [];
          await setUp(cloud, { ...LIVE, closeFirewall: true });
          assert.equal((await cloud.observe()).planUndo()[0]?.via, 'hand');
        }),
    },
    {
      name: 'wrong token, wrong id',
      run: () =>
        scene(async ({ fake }) => {
          await assert.rejects(openCloud('do:shop', { ...fake.environment, DIGITALOCEAN_ACCESS_TOKEN: 'x' }, QUICK).observe(), {
            code: 'CLOUD_CREDENTIALS',
          });
          await assert.rejects(openCloud('do:nothing', fake.environment, QUICK).observe(), { code: 'CLOUD_NOT_FOUND' });
        }),
    },
  ];
}
