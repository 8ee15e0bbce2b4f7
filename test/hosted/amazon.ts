/** RDS and Aurora on the stage, and their lines of the guide broken one by one. */
import { bySql, run, tooOld, withoutTls, type Break } from './breaks.ts';
import { dressAurora, dressRds } from './dressed/amazon.ts';
import { RdsFake, type RdsKind } from './fakes/rds.ts';
import { Scene, type Stage } from './scene.ts';

export interface AmazonStage extends Stage {
  readonly fake: RdsFake;
}

export async function amazonStage(kind: RdsKind): Promise<AmazonStage> {
  const dressed = await (kind === 'instance' ? dressRds() : dressAurora());
  const fake = new RdsFake(dressed, kind);
  await fake.plane.listen();
  return { dressed, fake, cloud: 'aws:shop', environment: fake.environment, close: () => fake.plane.close() };
}

/** As if it had never been switched on, the server restarted. */
async function off({ stage }: Scene<AmazonStage>): Promise<void> {
  (stage.fake.values() as Map<string, string>).delete('rds.logical_replication');
  stage.dressed.configure({ 'rds.logical_replication': 'off', wal_level: 'replica' });
  await stage.dressed.restart();
}

async function backToDefaultGroup(scene: Scene<AmazonStage>): Promise<void> {
  const { fake } = scene.stage;
  await off(scene);
  const group = `default.${fake.family}`;
  const cluster = fake.clusters.get(fake.id);
  if (cluster === undefined) fake.instances.get(fake.id)!.attachment.group = group;
  else {
    cluster.group = group;
    for (const attachment of cluster.memberStatus.values()) attachment.group = group;
  }
}

async function notRebooted({ stage }: Scene<AmazonStage>): Promise<void> {
  stage.dressed.configure({ 'rds.logical_replication': 'off', wal_level: 'replica' });
  await stage.dressed.restart();
}

function closeDoor({ stage }: Scene<AmazonStage>): Promise<void> {
  for (const rules of stage.fake.securityGroups.values()) rules.length = 0;
  stage.dressed.gate.admit([]);
  return Promise.resolve();
}

const REVOKE = 'REVOKE rds_replication FROM millrace GRANTED BY postgres; ALTER ROLE millrace NOREPLICATION';

export const rdsBreaks: readonly Break<AmazonStage>[] = [
  tooOld(),
  { id: 'S1', check: 'C08', what: 'logical decoding is off', do: off },
  { id: 'RDS2', check: 'C08', what: 'the default parameter group', do: backToDefaultGroup },
  { id: 'RDS3', check: 'C08', what: 'rds.logical_replication = 0 in a group of its own', do: off },
  { id: 'RDS4', check: 'C01', what: 'no rule in the security group', do: closeDoor },
  { id: 'RDS5', check: 'C09', what: 'set, not rebooted', do: notRebooted },
  ...bySql<AmazonStage>({ role: 'RDS1', publication: 'RDS6', identity: 'DO5', revoke: REVOKE }),
  withoutTls('C02'),
];

export const auroraBreaks: readonly Break<AmazonStage>[] = [
  tooOld(),
  { id: 'S1', check: 'C08', what: 'logical decoding is off', do: off },
  { id: 'AUR3', check: 'C08', what: 'the default cluster parameter group', do: backToDefaultGroup },
  { id: 'AUR4', check: 'C08', what: 'rds.logical_replication = 0 in a group of its own', do: off },
  {
    id: 'AUR5',
    check: 'C11',
    what: 'too few replication slots for what is in use',
    do: ({ dressed }) =>
      run(
        dressed.superuser(
          `SELECT count(pg_create_physical_replication_slot('others_' || n)) FROM generate_series(1, current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots)) n`,
        ),
      ),
    after: ({ dressed }) =>
      run(dressed.superuser(`SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots WHERE slot_name LIKE 'other%'`)),
  },
  { id: 'AUR6', check: 'C01', what: 'no rule in the security group', do: closeDoor },
  { id: 'AUR7', check: 'C09', what: 'set, the writer not rebooted', do: notRebooted },
  ...bySql<AmazonStage>({ role: 'AUR2', publication: 'AUR8', identity: 'DO5', revoke: REVOKE }).filter(({ id }) => id !== 'C11'),
  withoutTls('C02'),
];

/** AUR1 is a cluster of another kind altogether. */
export async function serverlessV1(): Promise<{ found: boolean; refused: boolean }> {
  const scene = await Scene.open(await amazonStage('aurora-serverless-v1'));
  try {
    const diagnosis = await scene.doctor();
    const result = await scene.setup();
    return {
      found: diagnosis.findings.some((finding) => finding.requirements.includes('AUR1')),
      refused:
        result.verdict === 'not' &&
        result.applied.length === 0 &&
        result.refusals.some(({ mend }) => /provisioned|Serverless v2/.test(mend.console ?? '')),
    };
  } finally {
    await scene.close();
  }
}
