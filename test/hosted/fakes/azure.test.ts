/** Azure Flexible Server through the official SDK against its imitation. The SDK's own mappers check the traffic: a field that they do not know never arrives. */
import assert from 'node:assert/strict';
import { openCloud } from '../../../src/providers/cloud/open.ts';
import type { CloudApi } from '../../../src/providers/model.ts';
import { AzureFake } from './azure.ts';
import { standIn, type StandIn } from './stand-in.ts';
import { QUICK, setUp, WANTED, type Case } from './suite.ts';

interface Scene {
  readonly fake: AzureFake;
  readonly server: StandIn;
  readonly cloud: CloudApi;
}

async function scene(play: (scene: Scene) => Promise<void>, patience = QUICK): Promise<void> {
  const server = standIn();
  const fake = new AzureFake(server);
  await fake.plane.listen();
  try {
    await play({ fake, server, cloud: openCloud(fake.resource, fake.environment, patience) });
  } finally {
    await fake.plane.close();
  }
}

const FULL = ['azure.parameter wal_level', 'azure.firewall 203.0.113.7/32', 'azure.restart'];

export function azureCases(): Case[] {
  return [
    {
      name: 'a factory-new server: parameter, rule, restart',
      run: () =>
        scene(async ({ fake, server, cloud }) => {
          const seen: string[] = [];
          assert.deepEqual(await setUp(cloud, WANTED, seen), FULL);
          assert.equal(server.live['wal_level'], 'logical');
          assert.deepEqual(server.gate.admitted, ['203.0.113.7/32']);
          assert.equal(fake.restarts, 1);
          assert.ok(
            seen.some((line) => line.includes('InProgress')),
            seen.join('\n'),
          );
          assert.deepEqual((await cloud.observe()).plan({ ...WANTED, logicalDecodingLive: true }), []);
        }),
    },
    {
      name: 'every field of the server is read through the mappers',
      run: () =>
        scene(async ({ fake, cloud }) => {
          fake.addRule('azure', '0.0.0.0');
          fake.parameters.get('shared_buffers')!.pending = true;
          const facts = await cloud.observe();
          assert.deepEqual(
            [facts.variant, facts.network.rules, facts.pendingChanges],
            ['flexible', [{ id: 'azure', source: 'all of Azure' }], ['shared_buffers=4096']],
          );
          assert.deepEqual(facts.parameters['wal_level'], {
            value: 'replica',
            pendingRestart: false,
            restarts: true,
            modifiable: true,
          });
          assert.equal(facts.parameters['max_slot_wal_keep_size']?.modifiable, false);
        }),
    },
    {
      name: 'set and not live: only a restart',
      run: () =>
        scene(async ({ fake, server, cloud }) => {
          Object.assign(fake.parameters.get('wal_level')!, { value: 'logical', pending: true });
          assert.equal((await cloud.observe()).parameters['wal_level']?.pendingRestart, true);
          assert.deepEqual(await setUp(cloud, { ...WANTED, allow: [] }), ['azure.restart']);
          assert.equal(server.live['wal_level'], 'logical');
        }),
    },
    {
      name: 'capacity is raised, never lowered, and a range becomes first and last address',
      run: () =>
        scene(async ({ fake, server, cloud }) => {
          fake.parameters.get('max_wal_senders')!.value = '50';
          await setUp(cloud, { ...WANTED, parameters: { max_replication_slots: '16', max_wal_senders: '16' }, allow: ['198.51.100.9/28'] });
          assert.deepEqual([server.live['max_replication_slots'], server.live['max_wal_senders']], ['16', '50']);
          assert.deepEqual(fake.rules.get('millrace-198-51-100-9-28'), { startIpAddress: '198.51.100.0', endIpAddress: '198.51.100.15' });
        }),
    },
    {
      name: 'in a virtual network the rule is left to a person; IPv6 too',
      run: () =>
        scene(async ({ fake, cloud }) => {
          fake.virtualNetwork = true;
          assert.equal((await setUp(cloud))[1], 'azure.firewall 203.0.113.7/32 (by hand)');
          fake.virtualNetwork = false;
          assert.deepEqual(await setUp(cloud, { ...WANTED, logicalDecodingLive: true, allow: ['2001:db8::1/128'] }), [
            'azure.firewall 2001:db8::1/128 (by hand)',
          ]);
        }),
    },
    ...(['PATCH configuration', 'PUT firewallRule', 'POST restart'] as const).flatMap((operation): Case[] =>
      (['lost', 'throttled', 'busy'] as const).map((kind) => ({
        name: `${operation} ${kind}: done once`,
        run: () =>
          scene(async ({ fake, server, cloud }) => {
            fake.plane.injure({ on: operation, kind });
            await setUp(cloud);
            assert.equal(server.live['wal_level'], 'logical');
            assert.deepEqual([fake.restarts, fake.rules.size], [1, 1]);
            if (kind === 'lost') assert.equal(fake.plane.operations().filter((one) => one === operation).length, 1);
          }),
      })),
    ),
    {
      name: 'a look at a running operation that gets lost or is throttled is no failure',
      run: () =>
        scene(async ({ fake, server, cloud }) => {
          fake.plane.injure({ on: 'GET operation', kind: 'lost', times: 2 });
          fake.plane.injure({ on: 'GET operation', kind: 'throttled', times: 2 });
          await setUp(cloud);
          assert.equal(server.live['wal_level'], 'logical');
          assert.equal(fake.restarts, 1);
        }),
    },
    {
      name: 'an operation that fails says so in its own words',
      run: () =>
        scene(async ({ fake, cloud }) => {
          fake.failNext = 'out of cheese';
          await assert.rejects(setUp(cloud), { code: 'CLOUD_REFUSED', detail: /out of cheese/ });
        }),
    },
    {
      name: 'broken off after each step, a second run completes it',
      run: async () => {
        for (let stop = 0; stop < FULL.length; stop++)
          await scene(async ({ fake, server, cloud }) => {
            for (const step of (await cloud.observe()).plan(WANTED).slice(0, stop))
              if (step.via === 'api') await step.apply(() => undefined);
            await setUp(cloud);
            assert.deepEqual([server.live['wal_level'], fake.restarts, fake.rules.size], ['logical', 1, 1]);
          });
      },
    },
    {
      name: 'a restart that does not come back ends',
      run: () =>
        scene(
          async ({ fake, cloud }) => {
            fake.restartFails = true;
            await assert.rejects(setUp(cloud), { code: 'CLOUD_WAIT_EXPIRED' });
          },
          { ...QUICK, restartTimeoutMs: 60 },
        ),
    },
    {
      name: 'undo deletes our rule only',
      run: () =>
        scene(async ({ fake, cloud }) => {
          fake.addRule('office', '198.51.100.4');
          await setUp(cloud);
          for (const step of (await cloud.observe()).planUndo()) if (step.via === 'api') await step.apply(() => undefined);
          assert.deepEqual([...fake.rules.keys()], ['office']);
        }),
    },
    {
      name: 'another server',
      run: () =>
        scene(async ({ fake }) => {
          await assert.rejects(openCloud(`${fake.resource}p`, fake.environment, QUICK).observe(), { code: 'CLOUD_NOT_FOUND' });
        }),
    },
  ];
}
