/**
 * `npm pack` runs it (prepack): the sources as JavaScript with type declarations in dist/, because Node strips no types below node_modules. Fails when something in
 * dist/ still names a .ts file at run time: such a worker would start in a checkout and not in the package.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from './checks.ts';

const dist = join(root, 'dist');
rmSync(dist, { recursive: true, force: true });

const emitted = await run(['tsc', '-p', 'tsconfig.build.json']);
// On stderr: npm shows nothing else of a script that fails within `npm pack`.
if (!emitted.passed) console.error(emitted.output);

const unmapped = readdirSync(dist, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.js'))
  .flatMap((path) =>
    readFileSync(join(dist, path), 'utf8')
      .split('\n')
      .filter(
        (line) =>
          /new URL\(\s*['"`][^'"`]*\.ts['"`]|import\(\s*['"`][^'"`]*\.ts['"`]|from ['"][^'"]*\.ts['"]/.test(line) &&
          !/^\s*(?:\*|\/\/)/.test(line),
      )
      .map((line) => `dist/${path}: ${line.trim()}`),
  );
if (unmapped.length > 0) console.error(`these name a .ts file (use startWorker of base/worker.ts):\n${unmapped.join('\n')}`);

process.exitCode = emitted.passed && unmapped.length === 0 ? 0 : 1;
