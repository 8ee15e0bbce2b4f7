/**
 * `node bench/flame.ts [--view M] [--size 100] [--out docs/internals/hot-path.svg]`: a flame graph of the tick path, from Node's own profiler, as one SVG without scripts.
 * Width is time under `apply` (decode, step, output) of `bench:ivm`; hover for figures. Also prints the functions by their own time.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { rounded, say } from './measure.ts';

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface Frame {
  readonly name: string;
  micros: number;
  readonly children: Map<string, Frame>;
}

/** A starved sampler on a shared machine reports gaps; no sample stands for more than this. */
const SAMPLE_MICROS_MAX = 3_000;
const ROOT = 'measureSize';
const WIDTH = 1_200;
const ROW_HEIGHT = 18;
const WIDTH_SHOWN_MIN = 1.5;
const CHARACTER_WIDTH = 6.3;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      view: { type: 'string', default: 'M' },
      size: { type: 'string', default: '100' },
      out: { type: 'string', default: join(import.meta.dirname, '../docs/internals/hot-path.svg') },
    },
  });
  const profile = await profileOf(values.view, values.size);
  const root = under(profile);
  writeFileSync(values.out, svg(root, `bench:ivm, view ${values.view}, steps of ${values.size} updates`));
  const own = new Map<string, number>();
  const walk = (frame: Frame): void => {
    let below = 0;
    for (const child of frame.children.values()) {
      below += child.micros;
      walk(child);
    }
    own.set(frame.name, (own.get(frame.name) ?? 0) + frame.micros - below);
  };
  walk(root);
  for (const [name, micros] of [...own].sort((a, b) => b[1] - a[1]).slice(0, 25))
    say(`${((micros / root.micros) * 100).toFixed(1).padStart(5)} %  ${name}`);
}

async function profileOf(view: string, size: string): Promise<Profile> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-flame-'));
  try {
    const child = spawn(
      process.execPath,
      [
        '--cpu-prof',
        '--cpu-prof-interval=1000',
        `--cpu-prof-dir=${folder}`,
        join(import.meta.dirname, 'ivm.ts'),
        '--no-peers',
        '--budget-ms=4000',
        `--views=${view}`,
        `--sizes=${size}`,
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    const [code] = (await once(child, 'exit')) as [number];
    if (code !== 0) throw new Error(`bench/ivm.ts ended with ${code}`);
    // The main thread's profile has the thread number 0 in its name.
    const file = readdirSync(folder).find((name) => /\.0\.\d+\.cpuprofile$/.test(name));
    if (file === undefined) throw new Error('Node wrote no profile');
    return JSON.parse(readFileSync(join(folder, file), 'utf8')) as Profile;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** All samples below the measuring loop, as one tree. */
function under(profile: Profile): Frame {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map<number, number>();
  for (const node of profile.nodes) for (const child of node.children ?? []) parents.set(child, node.id);
  const root: Frame = { name: 'all', micros: 0, children: new Map() };
  profile.samples.forEach((sample, i) => {
    const path: string[] = [];
    let id: number | undefined = sample;
    for (; id !== undefined; id = parents.get(id)) {
      const node: ProfileNode = nodes.get(id)!;
      if (node.callFrame.functionName === ROOT) break;
      path.push(nameOf(node));
    }
    if (id === undefined) return;
    path.reverse();
    if (path[0] === undefined || !/^(apply|update|step|#pushTable)/.test(path[0])) return;
    const micros = Math.min(profile.timeDeltas[i]!, SAMPLE_MICROS_MAX);
    root.micros += micros;
    let frame = root;
    for (const name of path) {
      let child = frame.children.get(name);
      if (child === undefined) frame.children.set(name, (child = { name, micros: 0, children: new Map() }));
      child.micros += micros;
      frame = child;
    }
  });
  return root;
}

function nameOf({ callFrame: { functionName, url } }: ProfileNode): string {
  const file = url.startsWith('file:') ? basename(url) : url === '' ? 'generated' : url;
  return `${functionName === '' ? '(anonymous)' : functionName} ${file}`;
}

function svg(root: Frame, title: string): string {
  const rectangles: string[] = [];
  let depthMax = 0;
  const draw = (frame: Frame, x: number, depth: number): void => {
    const width = (frame.micros / root.micros) * WIDTH;
    if (width < WIDTH_SHOWN_MIN) return;
    depthMax = Math.max(depthMax, depth);
    const y = depth * ROW_HEIGHT;
    const share = rounded((frame.micros / root.micros) * 100);
    const letters = Math.floor((width - 6) / CHARACTER_WIDTH);
    const label = letters < 3 ? '' : `<text x="${(x + 3).toFixed(1)}" y="${y + 13}">${escaped(frame.name.slice(0, letters))}</text>`;
    rectangles.push(
      `<g><title>${escaped(frame.name)} · ${share} %</title><rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW_HEIGHT - 1}" fill="${colour(frame.name)}"/>${label}</g>`,
    );
    let at = x;
    for (const child of [...frame.children.values()].sort((a, b) => b.micros - a.micros)) {
      draw(child, at, depth + 1);
      at += (child.micros / root.micros) * WIDTH;
    }
  };
  draw(root, 0, 1);
  const height = (depthMax + 2) * ROW_HEIGHT;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="monospace" font-size="10.5"><rect width="100%" height="100%" fill="#fff"/><text x="3" y="13">${escaped(title)}: where the time goes</text>\n${rectangles.join('\n')}\n</svg>\n`;
}

/** By the file's name, so that a room has one colour. */
function colour(name: string): string {
  let hash = 7;
  for (const character of name.split(' ').at(-1)!) hash = (hash * 31 + character.charCodeAt(0)) % 360;
  return `hsl(${hash} 65% 78%)`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

await main();
