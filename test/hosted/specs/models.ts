/** The vendors' own API models, read from the folder beside the checkout; undefined, with the reason said once, where it is absent. Nothing of them is kept here. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

const FOLDER = process.env['MILLRACE_SPECS'] ?? path.resolve(import.meta.dirname, '../../../../shared/specs');
const loaded = new Map<string, unknown>();

export function model(file: string): unknown {
  if (!loaded.has(file)) {
    const where = path.join(FOLDER, file);
    if (!existsSync(where)) process.stderr.write(`no ${file} beside the checkout: traffic is not held against that model\n`);
    loaded.set(file, existsSync(where) ? JSON.parse(readFileSync(where, 'utf8')) : undefined);
  }
  return loaded.get(file);
}
