/** Cloud SQL on the stage, and its lines of the guide broken one by one. */
import { bySql, tooOld, type Break } from './breaks.ts';
import { dressCloudSql } from './dressed/google.ts';
import { CloudSqlFake } from './fakes/cloudsql.ts';
import type { Scene, Stage } from './scene.ts';

export interface CloudSqlStage extends Stage {
  readonly fake: CloudSqlFake;
}

export async function cloudSqlStage(): Promise<CloudSqlStage> {
  const dressed = await dressCloudSql();
  const fake = new CloudSqlFake(dressed);
  await fake.plane.listen();
  // What is there already must survive: the lists are replaced whole.
  fake.edit({
    flags: [{ name: 'log_min_duration_statement', value: '500' }],
    networks: [{ name: 'the application', value: '198.51.100.20/32' }],
  });
  return { dressed, fake, cloud: fake.resource, environment: fake.environment, close: () => fake.plane.close() };
}

async function replica({ dressed }: Scene<CloudSqlStage>): Promise<void> {
  dressed.configure({ 'cloudsql.logical_decoding': 'off', wal_level: 'replica' });
  await dressed.restart();
}

async function off(scene: Scene<CloudSqlStage>): Promise<void> {
  scene.stage.fake.edit({ flags: scene.stage.fake.flags.filter(({ name }) => name !== 'cloudsql.logical_decoding') });
  await replica(scene);
}

export const cloudSqlBreaks: readonly Break<CloudSqlStage>[] = [
  tooOld(),
  { id: 'S1', check: 'C08', what: 'logical decoding is off', do: off },
  { id: 'CSQL2', check: 'C08', what: 'the flag is not set', do: off },
  {
    id: 'CSQL3',
    check: 'C01',
    what: 'no authorised network',
    do: ({ stage }) => {
      stage.fake.edit({ networks: [{ name: 'the application', value: '198.51.100.20/32' }] });
      return Promise.resolve();
    },
  },
  { id: 'CSQL4', check: 'C09', what: 'the flag is set, and the server was not restarted', do: replica },
  ...bySql<CloudSqlStage>({ role: 'CSQL1', publication: 'CSQL5', identity: 'DO5', revoke: 'ALTER ROLE millrace NOREPLICATION' }),
];
