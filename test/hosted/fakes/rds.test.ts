/** RDS and Aurora through the official SDK against their imitation: the plain way first, then everything that goes wrong on the way. Run by `node test/hosted/run.ts`. */
import assert from 'node:assert/strict';
import type { CloudApi } from '../../../src/providers/model.ts';
import { openCloud } from '../../../src/providers/cloud/open.ts';
import { invalidExchanges } from '../specs/rds.ts';
import { RdsFake, type RdsKind } from './rds.ts';
import { standIn, type StandIn } from './stand-in.ts';
import { QUICK, setUp, WANTED, type Case } from './suite.ts';

interface Scene {
  readonly fake: RdsFake;
  readonly server: StandIn;
  readonly cloud: CloudApi;
}

async function scene(kind: RdsKind, play: (scene: Scene) => Promise<void>, patience = QUICK): Promise<void> {
  const server = standIn({ 'rds.logical_replication': 'off' });
  const fake = new RdsFake(server, kind);
  await fake.plane.listen();
  let cloud: CloudApi | undefined;
  try {
    cloud = openCloud('aws:shop', fake.environment, patience);
    await play({ fake, server, cloud });
    assert.deepEqual(invalidExchanges(fake.plane.exchanges), [], 'all traffic fits the model of the vendor');
  } finally {
    await cloud?.close?.();
    await fake.plane.close();
  }
}

const FULL = [
  'aws.parameter-group.create',
  'aws.parameter-group.set',
  'aws.parameter-group.associate',
  'aws.security-group.allow 203.0.113.7/32',
  'aws.reboot',
];

export function rdsCases(): Case[] {
  return [
    {
      name: 'a factory-new instance gets a group of its own, the rule and one reboot',
      run: () =>
        scene('instance', async ({ fake, server, cloud }) => {
          const seen: string[] = [];
          assert.deepEqual(await setUp(cloud, WANTED, seen), FULL);
          assert.equal(server.live['wal_level'], 'logical');
          assert.equal(server.live['rds.logical_replication'], 'on');
          assert.deepEqual(server.gate.admitted, ['203.0.113.7/32']);
          assert.equal(fake.reboots, 1);
          assert.ok(seen.some((line) => line.includes('applying')) && seen.some((line) => line.includes('rebooting')), seen.join('\n'));
          const facts = await cloud.observe();
          assert.equal(facts.parameters['rds.logical_replication']?.value, 'on');
          assert.equal(facts.parameters['rds.logical_replication']?.pendingRestart, false);
          assert.deepEqual(facts.plan({ ...WANTED, logicalDecodingLive: true }), []);
        }),
    },
    {
      name: 'a custom group of this instance alone is edited in place, and only what is too small is raised',
      run: () =>
        scene('instance', async ({ fake, server, cloud }) => {
          fake.useGroup('shop-custom', { max_replication_slots: '8', max_wal_senders: '50' });
          const ids = await setUp(cloud, { ...WANTED, parameters: { max_replication_slots: '12', max_wal_senders: '12' }, allow: [] });
          assert.deepEqual(ids, ['aws.parameter-group.set', 'aws.reboot']);
          assert.deepEqual(
            [...fake.values('shop-custom')],
            [
              ['max_replication_slots', '12'],
              ['max_wal_senders', '50'],
              ['rds.logical_replication', '1'],
            ],
          );
          assert.equal(server.live['max_replication_slots'], '12');
        }),
    },
    {
      name: 'a group that other databases use is copied, not edited',
      run: () =>
        scene('instance', async ({ fake, cloud }) => {
          fake.useGroup('platform', { max_wal_senders: '30' }, ['billing']);
          assert.deepEqual((await cloud.observe()).sharedWith, ['billing']);
          assert.equal((await setUp(cloud))[0], 'aws.parameter-group.copy');
          assert.deepEqual([...fake.values('platform')], [['max_wal_senders', '30']]);
          assert.equal(fake.instances.get('billing')?.attachment.group, 'platform');
          assert.equal(fake.values().get('max_wal_senders'), '30');
        }),
    },
    {
      name: 'what somebody else has left pending stays pending',
      run: () =>
        scene('instance', async ({ fake, cloud }) => {
          fake.instances.get('shop')!.pendingModified.set('DBInstanceClass', 'db.m7g.4xlarge');
          assert.deepEqual((await cloud.observe()).pendingChanges, ['DBInstanceClass=db.m7g.4xlarge']);
          await setUp(cloud);
          assert.deepEqual(fake.letLoose, []);
        }),
    },
    ...(['multi-az-cluster', 'aurora', 'aurora-serverless-v2'] as const).map((kind) => ({
      name: `${kind}: the cluster's group, and the ${kind === 'multi-az-cluster' ? 'whole cluster' : 'writer'} rebooted`,
      run: () =>
        scene(kind, async ({ fake, server, cloud }) => {
          const facts = await cloud.observe();
          assert.equal(facts.provider, kind === 'multi-az-cluster' ? 'rds' : 'aurora');
          assert.deepEqual(await setUp(cloud), FULL);
          assert.equal(server.live['wal_level'], 'logical');
          assert.equal(fake.plane.operations().includes(kind === 'multi-az-cluster' ? 'RebootDBCluster' : 'RebootDBInstance'), true);
          assert.equal(fake.reboots, 1);
        }),
    })),
    {
      name: 'Aurora Serverless v1 is refused with the way out, and nothing is planned',
      run: () =>
        scene('aurora-serverless-v1', async ({ cloud }) => {
          const facts = await cloud.observe();
          assert.match(facts.refused?.wayOut ?? '', /Serverless v2/);
          assert.deepEqual(facts.plan(WANTED), []);
        }),
    },
    {
      name: 'pending changes of a cluster are not let loose: by hand',
      run: () =>
        scene('aurora', async ({ fake, cloud }) => {
          fake.instances.get('shop-1')!.pendingModified.set('DBInstanceClass', 'db.r7g.4xlarge');
          assert.equal((await setUp(cloud))[0], 'aws.pending-changes (by hand)');
          assert.deepEqual(fake.letLoose, []);
        }),
    },
    {
      name: 'a cluster that an instance without public address serves: the rule is left to a person',
      run: () =>
        scene('instance', async ({ fake, cloud }) => {
          fake.publiclyAccessible = false;
          const steps = (await cloud.observe()).plan({ ...WANTED, logicalDecoding: false });
          assert.equal(steps[0]?.via, 'hand');
          assert.equal(steps.length, 1);
        }),
    },
    ...(
      ['CreateDBParameterGroup', 'ModifyDBParameterGroup', 'ModifyDBInstance', 'AuthorizeSecurityGroupIngress', 'RebootDBInstance'] as const
    ).flatMap((operation): Case[] => [
      {
        name: `${operation}: a lost answer does nothing twice`,
        run: () =>
          scene('instance', async ({ fake, server, cloud }) => {
            fake.plane.injure({ on: operation, kind: 'lost' });
            await setUp(cloud);
            assert.equal(fake.plane.operations().filter((one) => one === operation).length, 1);
            assert.equal(server.restarts, 1);
            assert.equal(server.live['wal_level'], 'logical');
          }),
      },
      {
        name: `${operation}: throttled twice, then done`,
        run: () =>
          scene('instance', async ({ fake, server, cloud }) => {
            fake.plane.injure({ on: operation, kind: 'throttled', times: 2 });
            await setUp(cloud);
            assert.equal(fake.plane.operations().filter((one) => one === operation).length, 3);
            assert.equal(server.restarts, 1);
          }),
      },
    ]),
    {
      name: 'broken off after each step, a second run completes it',
      run: async () => {
        for (let stop = 0; stop < FULL.length; stop++)
          await scene('instance', async ({ fake, server, cloud }) => {
            const steps = (await cloud.observe()).plan(WANTED);
            for (const step of steps.slice(0, stop)) if (step.via === 'api') await step.apply(() => undefined);
            await setUp(cloud);
            assert.equal(server.live['wal_level'], 'logical');
            assert.equal(fake.reboots, 1);
            assert.equal([...fake.groups.keys()].filter((name) => name.startsWith('millrace')).length, 1);
          });
      },
    },
    {
      name: 'broken off in the middle of the reboot, a second run waits for it and does not reboot again',
      run: () =>
        scene('instance', async ({ fake, server, cloud }) => {
          const steps = (await cloud.observe()).plan(WANTED);
          const abort = new AbortController();
          for (const step of steps) {
            if (step.via !== 'api') continue;
            if (step.id !== 'aws.reboot') await step.apply(() => undefined);
            else await assert.rejects(step.apply((line) => (line.includes('rebooting') ? abort.abort() : undefined), abort.signal));
          }
          await setUp(cloud);
          assert.equal(fake.reboots, 1);
          assert.equal(server.live['wal_level'], 'logical');
        }),
    },
    {
      name: "somebody else's edit of the same group survives",
      run: () =>
        scene('instance', async ({ fake, cloud }) => {
          fake.useGroup('shop-custom');
          fake.plane.injure({
            on: 'ModifyDBParameterGroup',
            kind: 'before',
            act: () => void fake.groups.get('shop-custom')!.values.set('autovacuum', '0'),
          });
          await setUp(cloud);
          assert.equal(fake.values().get('autovacuum'), '0');
          assert.equal(fake.values().get('rds.logical_replication'), '1');
        }),
    },
    {
      name: 'a database that is busy is waited for',
      run: () =>
        scene('instance', async ({ fake, server, cloud }) => {
          fake.plane.injure({ on: 'ModifyDBInstance', kind: 'busy', times: 3 });
          await setUp(cloud);
          assert.equal(server.live['wal_level'], 'logical');
        }),
    },
    {
      name: 'set and in sync, yet not live: rebooted once',
      run: () =>
        scene('instance', async ({ fake, server, cloud }) => {
          fake.useGroup('shop-custom', { 'rds.logical_replication': '1' });
          assert.deepEqual(await setUp(cloud, { ...WANTED, allow: [] }), ['aws.reboot']);
          assert.equal(fake.reboots, 1);
          assert.equal(server.live['wal_level'], 'logical');
        }),
    },
    {
      name: 'a reboot that does not come back ends with an error that says where to look',
      run: () =>
        scene(
          'instance',
          async ({ fake, cloud }) => {
            fake.restartFails = true;
            await assert.rejects(setUp(cloud), { code: 'CLOUD_WAIT_EXPIRED' });
          },
          { ...QUICK, restartTimeoutMs: 100 },
        ),
    },
    {
      name: 'throttled for ever ends too',
      run: () =>
        scene('instance', async ({ fake, cloud }) => {
          fake.plane.injure({ on: 'CreateDBParameterGroup', kind: 'throttled', times: 100 });
          await assert.rejects(setUp(cloud), { code: 'CLOUD_UNREACHABLE' });
        }),
    },
    {
      name: 'undo goes back to the former group, reboots, and takes away only what is ours',
      run: () =>
        scene('instance', async ({ fake, server, cloud }) => {
          fake.allow('198.51.100.0/24');
          await setUp(cloud);
          for (const step of (await cloud.observe()).planUndo()) if (step.via === 'api') await step.apply(() => undefined);
          assert.equal(server.live['wal_level'], 'replica');
          assert.deepEqual([...fake.groups.keys()], [`default.${fake.family}`]);
          assert.deepEqual(server.gate.admitted, ['198.51.100.0/24']);
          assert.deepEqual((await cloud.observe()).planUndo(), []);
        }),
    },
    {
      name: 'a name that is not there',
      run: () =>
        scene('instance', async ({ fake }) => {
          await assert.rejects(openCloud('aws:shopp', fake.environment, QUICK).observe(), { code: 'CLOUD_NOT_FOUND' });
        }),
    },
  ];
}
