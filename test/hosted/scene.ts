/** One provider on the stage: a dressed server, its control plane, a shop's tables in it, and the commands that a user would give. Used by `run.ts` and by `demo --hosted`. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openCloud } from '../../src/providers/cloud/open.ts';
import { doctor, type Diagnosis } from '../../src/providers/doctor.ts';
import { passwordIn } from '../../src/providers/init-file.ts';
import type { CloudApi, TableName } from '../../src/providers/model.ts';
import { setup, type SetupOptions, type SetupResult } from '../../src/providers/setup.ts';
import { parseConnectionString, type ConnectionParameters } from '../../src/upstream/connection/parameters.ts';
import type { Dressed } from './dressed/dress.ts';

export const TABLES: readonly TableName[] = [
  { schema: 'public', name: 'orders' },
  { schema: 'public', name: 'visits' },
];

const SHOP = `CREATE TABLE orders (id int PRIMARY KEY, customer text NOT NULL, total numeric(12,2) NOT NULL);
  CREATE TABLE visits (customer text, page text);
  INSERT INTO orders SELECT n, 'customer ' || n % 10, n FROM generate_series(1, 100) n;
  INSERT INTO visits SELECT 'customer ' || n % 10, '/page/' || n % 7 FROM generate_series(1, 100) n;`;

/** A closed gate on this machine need not be waited for as long as a network; an open one on a busy machine may take its time. */
function impatient(url: string, dressed: Dressed): ConnectionParameters {
  return {
    ...parseConnectionString(url),
    get connectTimeoutMs() {
      return dressed.gate.open ? 15_000 : 700;
    },
  };
}

/** What a provider brings: its dressed server and the imitation of its control plane. */
export interface Stage {
  readonly dressed: Dressed;
  /** `--cloud`. */
  readonly cloud: string;
  /** Credentials and endpoints, as the SDKs take them. */
  readonly environment: NodeJS.ProcessEnv;
  /** Ends the control plane. */
  close(): Promise<void>;
}

export class Scene<S extends Stage = Stage> {
  readonly stage: S;
  readonly folder: string;
  readonly #clouds: CloudApi[] = [];

  private constructor(stage: S, folder: string) {
    this.stage = stage;
    this.folder = folder;
  }

  static async open<S extends Stage>(stage: S): Promise<Scene<S>> {
    await stage.dressed.asAdmin(SHOP);
    return new Scene(stage, await mkdtemp(path.join(tmpdir(), 'millrace-hosted-')));
  }

  get dressed(): Dressed {
    return this.stage.dressed;
  }

  get initFile(): string {
    return path.join(this.folder, 'init.sql');
  }

  openCloud(): CloudApi {
    const cloud = openCloud(this.stage.cloud, { ...process.env, ...this.stage.environment, MILLRACE_CLOUD_POLL_MS: '20' });
    this.#clouds.push(cloud);
    return cloud;
  }

  setup(more: Partial<SetupOptions> = {}): Promise<SetupResult> {
    return setup(impatient(this.dressed.url(), this.dressed), {
      cloud: this.openCloud(),
      consumer: 'millrace',
      publication: 'mz_source',
      tables: TABLES,
      role: 'millrace',
      initFile: this.initFile,
      allow: [`${this.dressed.gate.clientAddress}/32`],
      // The address that the gate sees is not in pg_stat_activity: nobody else is connected here.
      closeFirewall: true,
      undo: false,
      yes: true,
      yesRestart: true,
      ...more,
    });
  }

  /** As the role that streams; before there is one, as the administrator. */
  async doctor(url?: string): Promise<Diagnosis> {
    const password = await passwordIn(this.initFile);
    const found = url ?? (password === undefined ? this.dressed.url() : this.dressed.url('millrace', password));
    return doctor(impatient(found, this.dressed), { publication: 'mz_source', tables: TABLES, cloud: this.openCloud() });
  }

  async close(): Promise<void> {
    for (const cloud of this.#clouds) await cloud.close?.();
    await this.dressed.stop();
    await this.stage.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
