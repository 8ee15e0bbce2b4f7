/** Azure Flexible Server on the stage, and its lines of the guide broken one by one; and Single Server, which the guide describes and nobody can mend. */
import { doctor } from '../../src/providers/doctor.ts';
import { parseConnectionString } from '../../src/upstream/connection/parameters.ts';
import { bySql, tooOld, withoutTls, type Break } from './breaks.ts';
import { dressAzure, dressAzureSingleServer } from './dressed/azure.ts';
import { AzureFake } from './fakes/azure.ts';
import type { Scene, Stage } from './scene.ts';

export interface AzureStage extends Stage {
  readonly fake: AzureFake;
}

export async function azureStage(): Promise<AzureStage> {
  const dressed = await dressAzure();
  const fake = new AzureFake(dressed);
  await fake.plane.listen();
  return { dressed, fake, cloud: fake.resource, environment: fake.environment, close: () => fake.plane.close() };
}

async function replica({ dressed }: Scene<AzureStage>): Promise<void> {
  dressed.configure({ wal_level: 'replica' });
  await dressed.restart();
}

async function off(scene: Scene<AzureStage>): Promise<void> {
  scene.stage.fake.parameters.get('wal_level')!.value = 'replica';
  await replica(scene);
}

export const azureBreaks: readonly Break<AzureStage>[] = [
  tooOld(),
  { id: 'S1', check: 'C08', what: 'logical decoding is off', do: off },
  { id: 'AZ3', check: 'C08', what: 'wal_level is replica', do: off },
  {
    id: 'AZ1',
    check: 'C09',
    what: 'set, not restarted',
    do: async (scene) => {
      scene.stage.fake.parameters.get('wal_level')!.pending = true;
      await replica(scene);
    },
  },
  {
    id: 'AZ2',
    check: 'C01',
    what: 'no firewall rule',
    do: ({ stage }) => {
      stage.fake.rules.clear();
      // "All Azure services" is no rule for an address.
      stage.fake.addRule('AllowAllAzureServices', '0.0.0.0');
      return Promise.resolve();
    },
  },
  ...bySql<AzureStage>({ role: 'AZ3', publication: 'AZ4', identity: 'DO5', revoke: 'ALTER ROLE millrace NOREPLICATION' }),
  withoutTls('C02'),
];

export async function singleServer(): Promise<{ found: boolean; refused: boolean }> {
  const dressed = await dressAzureSingleServer();
  try {
    const diagnosis = await doctor(parseConnectionString(dressed.url()));
    const finding = diagnosis.findings.find(({ code }) => code === 'unsupported');
    return { found: finding?.requirements.includes('AZ2') === true, refused: /Flexible Server/.test(finding?.mend.console ?? '') };
  } finally {
    await dressed.stop();
  }
}
