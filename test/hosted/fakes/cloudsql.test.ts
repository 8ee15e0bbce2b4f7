/** Cloud SQL through the official client library against its imitation; above all: what others have put into the lists stays in them. */
import assert from 'node:assert/strict';
import { openCloud } from '../../../src/providers/cloud/open.ts';
import type { CloudApi } from '../../../src/providers/model.ts';
import { invalidJsonExchanges } from '../specs/openapi.ts';
import { CloudSqlFake } from './cloudsql.ts';
import { standIn, type StandIn } from './stand-in.ts';
import { QUICK, setUp, WANTED, type Case } from './suite.ts';

interface Scene {
  readonly fake: CloudSqlFake;
  readonly server: StandIn;
  readonly cloud: CloudApi;
}

async function scene(play: (scene: Scene) => Promise<void>, patience = QUICK, restartMs?: number): Promise<void> {
  const server = standIn({}, restartMs);
  const fake = new CloudSqlFake(server);
  await fake.plane.listen();
  try {
    await play({ fake, server, cloud: openCloud(fake.resource, fake.environment, patience) });
    assert.deepEqual(invalidJsonExchanges('cloudsql', fake.plane.exchanges), [], 'all traffic fits the model of the vendor');
  } finally {
    await fake.plane.close();
  }
}

const FULL = ['gcp.network 203.0.113.7/32', 'gcp.flags'];
const OTHERS = {
  flags: [{ name: 'log_min_duration_statement', value: '500' }],
  networks: [{ kind: 'sql#aclEntry', name: 'office', value: '198.51.100.0/24' }],
};

export function cloudSqlCases(): Case[] {
  return [
    {
      name: 'a factory-new instance: network and flag, beside those of others, and one restart',
      run: () =>
        scene(async ({ fake, server, cloud }) => {
          fake.edit(OTHERS);
          const seen: string[] = [];
          assert.deepEqual(await setUp(cloud, WANTED, seen), FULL);
          assert.equal(server.live['wal_level'], 'logical');
          assert.deepEqual(server.gate.admitted, ['198.51.100.0/24', '203.0.113.7/32']);
          assert.deepEqual(fake.flags, [...OTHERS.flags, { name: 'cloudsql.logical_decoding', value: 'on' }]);
          assert.equal(fake.restarts, 1);
          assert.ok(
            seen.some((line) => line.includes('RUNNING')),
            seen.join('\n'),
          );
          assert.deepEqual((await cloud.observe()).plan({ ...WANTED, logicalDecodingLive: true }), []);
        }),
    },
    {
      name: 'set and not live: restarted',
      run: () =>
        scene(async ({ fake, server, cloud }) => {
          fake.edit({ flags: [{ name: 'cloudsql.logical_decoding', value: 'on' }] });
          assert.deepEqual(await setUp(cloud, { ...WANTED, allow: [] }), ['gcp.restart']);
          assert.equal(fake.restarts, 1);
          assert.equal(server.live['wal_level'], 'logical');
        }),
    },
    {
      name: 'capacity is raised, never lowered',
      run: () =>
        scene(async ({ fake, server, cloud }) => {
          fake.edit({ flags: [{ name: 'max_wal_senders', value: '50' }] });
          await setUp(cloud, { ...WANTED, parameters: { max_replication_slots: '16', max_wal_senders: '16' } });
          assert.deepEqual([server.live['max_replication_slots'], server.live['max_wal_senders']], ['16', '50']);
        }),
    },
    {
      name: 'a private instance: the network is left to a person',
      run: () =>
        scene(async ({ fake, cloud }) => {
          fake.ipv4Enabled = false;
          assert.equal((await setUp(cloud))[0], 'gcp.network 203.0.113.7/32 (by hand)');
        }),
    },
    {
      name: "somebody else's edit between our read and our write: refused, read again, both there",
      run: () =>
        scene(async ({ fake, server, cloud }) => {
          fake.plane.injure({ on: 'PATCH instance', kind: 'before', act: () => fake.edit(OTHERS) });
          await setUp(cloud);
          assert.deepEqual(server.gate.admitted, ['198.51.100.0/24', '203.0.113.7/32']);
          assert.deepEqual(
            fake.flags.map(({ name }) => name),
            ['log_min_duration_statement', 'cloudsql.logical_decoding'],
          );
          assert.equal(fake.plane.exchanges.filter(({ answer }) => answer.status === 412).length, 1);
        }),
    },
    ...(['PATCH instance', 'POST restart'] as const).flatMap((operation): Case[] =>
      (['lost', 'throttled', 'busy'] as const).map((kind) => ({
        name: `${operation} ${kind}: done once`,
        run: () =>
          scene(async ({ fake, server, cloud }) => {
            if (operation === 'POST restart') fake.edit({ flags: [{ name: 'cloudsql.logical_decoding', value: 'on' }] });
            fake.plane.injure({ on: operation, kind });
            await setUp(cloud);
            assert.equal(server.live['wal_level'], 'logical');
            assert.deepEqual([fake.restarts, fake.networks.length], [1, 1]);
          }),
      })),
    ),
    {
      name: 'looks that are throttled or get lost are no failure',
      run: () =>
        scene(async ({ fake, server, cloud }) => {
          fake.plane.injure({ on: 'GET operation', kind: 'lost', times: 2 });
          fake.plane.injure({ on: 'GET operation', kind: 'throttled', times: 2 });
          await setUp(cloud);
          assert.equal(server.live['wal_level'], 'logical');
        }),
    },
    {
      name: 'an operation that is done with an error has failed, in its own words',
      run: () =>
        scene(async ({ fake, cloud }) => {
          fake.failNext = 'the disk is full';
          await assert.rejects(setUp(cloud), { code: 'CLOUD_REFUSED', detail: 'INTERNAL_ERROR: the disk is full' });
        }),
    },
    {
      name: 'broken off after each step, or in the middle of the restart: a second run completes it, with one restart',
      run: async () => {
        for (let stop = 0; stop <= FULL.length; stop++)
          await scene(
            async ({ fake, server, cloud }) => {
              const steps = (await cloud.observe()).plan(WANTED);
              for (const step of steps.slice(0, stop)) {
                const abort = new AbortController();
                const stopNow =
                  step.id === 'gcp.flags' ? (line: string) => (line.includes('RUNNING') ? abort.abort() : undefined) : () => undefined;
                const applied = step.via === 'api' ? step.apply(stopNow, abort.signal) : Promise.resolve();
                if (step.id === 'gcp.flags') await assert.rejects(applied);
                else await applied;
              }
              // Another process: it knows nothing of the first.
              await setUp(openCloud(fake.resource, fake.environment, QUICK), {
                ...WANTED,
                logicalDecodingLive: server.live['wal_level'] === 'logical',
              });
              assert.deepEqual([server.live['wal_level'], fake.restarts, fake.networks.length], ['logical', 1, 1]);
            },
            QUICK,
            200,
          );
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
      name: 'undo takes our network away only',
      run: () =>
        scene(async ({ fake, cloud }) => {
          fake.edit(OTHERS);
          await setUp(cloud);
          for (const step of (await cloud.observe()).planUndo()) if (step.via === 'api') await step.apply(() => undefined);
          assert.deepEqual(fake.networks, OTHERS.networks);
        }),
    },
    {
      name: 'wrong token, wrong name',
      run: () =>
        scene(async ({ fake }) => {
          await assert.rejects(openCloud(fake.resource, { ...fake.environment, GOOGLE_OAUTH_ACCESS_TOKEN: 'x' }, QUICK).observe(), {
            code: 'CLOUD_CREDENTIALS',
          });
          await assert.rejects(openCloud(`${fake.resource}p`, fake.environment, QUICK).observe(), { code: 'CLOUD_NOT_FOUND' });
        }),
    },
  ];
}
