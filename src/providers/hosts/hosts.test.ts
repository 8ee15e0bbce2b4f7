/** Texts of single hosts that were wrong once. */
import { expect, test } from 'vitest';
import { diagnose } from '../doctor.ts';
import { broken } from '../healthy.fixture.ts';
import { publicationSteps } from '../publication-steps.ts';
import { providers } from './all.ts';

test.each([
  ['rds', 'postgres'],
  ['aurora', 'aurora-postgresql'],
] as const)('%s: the family of the parameter group is asked of AWS, never built from the version', (id, engine) => {
  const failure = { code: 'WAL_LEVEL_TOO_LOW', sqlstate: '55000', said: 'logical decoding requires wal_level >= logical' };
  const diagnosis = diagnose(broken({ server: { walLevel: 'replica' }, probes: { slot: { outcome: 'failed', failure } } }), id);
  const mend = diagnosis.findings.find(({ need }) => need?.kind === 'logical_decoding')?.mend;
  expect(mend?.cli).toContain(`aws rds describe-db-engine-versions --engine ${engine} --engine-version 16.4 --query`);
  expect(JSON.stringify(mend)).not.toMatch(/postgres(ql)?16/);
});

test('digitalocean: all tables are not tried; the statement for those that are there is', () => {
  const observed = broken({ publication: undefined });
  expect(publicationSteps(observed, 'all', providers.digitalocean)).toMatchObject([
    {
      via: 'hand',
      request: 'CREATE PUBLICATION mz_source FOR TABLE public.orders;',
      because: expect.stringContaining('no superuser') as string,
    },
  ]);
  expect(publicationSteps(observed, 'all', providers.rds)).toMatchObject([{ via: 'sql' }]);
});

test('14 is out of support, 15 is not', () => {
  const codes = (versionNum: number): string[] => diagnose(broken({ server: { versionNum } })).notes.map(({ code }) => code);
  expect([codes(140_020), codes(150_015)].map((list) => list.includes('old'))).toEqual([true, false]);
});
