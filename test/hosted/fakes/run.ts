/** Runs the suites of the control planes alone: `node test/hosted/fakes/run.ts [rds|cloudsql|azure|digitalocean]`. `test/hosted/run.ts` runs them with everything else. */
import { offerSdks } from '../install-sdks.ts';
import { azureCases } from './azure.test.ts';
import { cloudSqlCases } from './cloudsql.test.ts';
import { digitalOceanCases } from './digitalocean.test.ts';
import { rdsCases } from './rds.test.ts';
import { specsCases } from '../specs/specs.test.ts';
import { runCases, type Case } from './suite.ts';

const SUITES: Readonly<Record<string, { sdk: boolean; cases: () => Case[] }>> = {
  azure: { sdk: true, cases: azureCases },
  cloudsql: { sdk: true, cases: cloudSqlCases },
  digitalocean: { sdk: false, cases: digitalOceanCases },
  models: { sdk: false, cases: specsCases },
  rds: { sdk: true, cases: rdsCases },
};

export async function runControlPlanes(names: readonly string[], print: (line: string) => void): Promise<boolean> {
  const sdks = await offerSdks();
  let well = true;
  for (const [name, { sdk, cases }] of Object.entries(SUITES)) {
    if (names.length > 0 && !names.includes(name)) continue;
    if (sdk && !sdks) {
      print(`  skip ${name}: its SDK cannot be installed here`);
      continue;
    }
    const { passed, failed } = await runCases(name, cases(), print);
    print(`${name}: ${passed} passed, ${failed.length} failed`);
    well &&= failed.length === 0;
  }
  return well;
}

if (import.meta.main)
  process.exitCode = (await runControlPlanes(process.argv.slice(2), (line) => process.stdout.write(`${line}\n`))) ? 0 : 1;
