/**
 * A cloud's SDK, an optional peer: looked for beside Millrace, then where the command runs, then along NODE_PATH; absent, the error names the one line that brings it.
 * Only `cloud/open.ts` loads one, and only for `--cloud`. The SDK's types are not here either: each client writes down the few calls that it makes.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import { millraceError } from '../../base/errors.ts';

export interface SdkSource {
  readonly cloud: string;
  readonly packages: readonly string[];
}

/** The modules in the order of `packages`. */
export function loadSdk(source: SdkSource): unknown[] {
  return source.packages.map((name) => load(name, source));
}

function load(name: string, source: SdkSource): unknown {
  for (const require of [createRequire(import.meta.url), ...places().map((place) => createRequire(place))]) {
    let file: string;
    try {
      file = require.resolve(name);
    } catch (error) {
      if ((error as { code?: unknown }).code === 'MODULE_NOT_FOUND') continue;
      throw error;
    }
    return require(file);
  }
  throw millraceError('CLOUD_SDK_MISSING', source);
}

function places(): string[] {
  const extra = (process.env['NODE_PATH'] ?? '').split(path.delimiter).filter((entry) => entry !== '');
  // createRequire looks in the node_modules of the folders above the file that it is given.
  return [path.join(process.cwd(), 'index.js'), ...extra.map((entry) => path.join(path.resolve(entry), '..', 'index.js'))];
}
