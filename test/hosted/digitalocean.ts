/** DigitalOcean on the stage, and its lines of the guide broken one by one. */
import { bySql, run, tooOld, withoutTls, type Break } from './breaks.ts';
import { dressDigitalOcean } from './dressed/digitalocean.ts';
import { DigitalOceanFake } from './fakes/digitalocean.ts';
import type { Scene, Stage } from './scene.ts';

export interface DigitalOceanStage extends Stage {
  readonly fake: DigitalOceanFake;
}

export async function digitalOceanStage(): Promise<DigitalOceanStage> {
  const dressed = await dressDigitalOcean();
  const fake = new DigitalOceanFake(dressed);
  await fake.plane.listen();
  // As most have it: their own application is let in, and nobody else.
  fake.addRule('ip_addr', '198.51.100.20', 'the application');
  return { dressed, fake, cloud: `do:${fake.id}`, environment: fake.environment, close: () => fake.plane.close() };
}

function unsettable(on: boolean): (scene: Scene<DigitalOceanStage>) => Promise<void> {
  return async ({ dressed }) => {
    dressed.configure({ wal_level: on ? 'logical' : 'replica' });
    await dressed.restart();
  };
}

export const digitalOceanBreaks: readonly Break<DigitalOceanStage>[] = [
  tooOld(),
  { id: 'DO6', check: 'C08', what: 'wal_level, which nobody can set there', do: unsettable(false), byHand: unsettable(true) },
  { id: 'S1', check: 'C08', what: 'logical decoding is off', do: unsettable(false), byHand: unsettable(true) },
  {
    id: 'DO1',
    check: 'C10',
    what: 'the user may not replicate',
    do: async ({ dressed, stage }) => {
      for (const user of stage.fake.users) if (user.name === 'millrace') user.settings.pg_allow_replication = false;
      await dressed.superuser('ALTER ROLE millrace NOREPLICATION');
    },
  },
  {
    id: 'DO2',
    check: 'C01',
    what: 'not among the trusted sources',
    do: ({ stage }) => {
      stage.fake.rules = [];
      stage.fake.addRule('ip_addr', '198.51.100.20', 'the application');
      return Promise.resolve();
    },
  },
  {
    id: 'DO4',
    check: 'C14',
    what: 'nothing is published, and the role may not publish',
    do: ({ dressed }) => run(dressed.asAdmin('DROP PUBLICATION mz_source')),
  },
  ...bySql<DigitalOceanStage>({ role: 'DO1', publication: 'DO3', identity: 'DO5', revoke: '' }).filter(
    ({ id }) => id !== 'DO1' && id !== 'C03',
  ),
  withoutTls('C02'),
];
