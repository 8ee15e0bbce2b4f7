/**
 * `npm run architecture`: draws the import graph of the rooms into ARCHITECTURE.md, from the sources. Arrows that follow from others are left out (a room may always
 * use what the rooms below it use in turn, if the table in test/tidy.test.ts says so); `base`, on which everything stands, is drawn without them.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { roomGraph, textOf } from './imports.ts';

const BEGIN = '<!-- import graph: made by `npm run architecture` -->';
const END = '<!-- end of the import graph -->';

/** The picture, as a Mermaid flow chart. */
export function drawn(graph: ReadonlyMap<string, ReadonlySet<string>>): string {
  const rooms = [...graph.keys()].filter((room) => room !== 'base');
  const below = (room: string): string[] => [...(graph.get(room) ?? [])].filter((other) => other !== 'base').sort();
  const lines = rooms.flatMap((room) => {
    const direct = below(room);
    // Left out when another direct neighbour reaches it.
    const kept = direct.filter((other) => !direct.some((via) => via !== other && reaches(graph, via, other, new Set())));
    return kept.length === 0 ? [`  ${room}`] : kept.map((other) => `  ${room} --> ${other}`);
  });
  return ['```mermaid', 'flowchart TD', ...lines, '```'].join('\n');
}

function reaches(graph: ReadonlyMap<string, ReadonlySet<string>>, from: string, to: string, seen: Set<string>): boolean {
  if (seen.has(from)) return false;
  seen.add(from);
  for (const next of graph.get(from) ?? []) if (next === to || reaches(graph, next, to, seen)) return true;
  return false;
}

/** ARCHITECTURE.md with the picture of today's sources in its place. */
export function architecture(): string {
  const page = textOf('ARCHITECTURE.md');
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`ARCHITECTURE.md has no place for the graph (${BEGIN} … ${END})`);
  return `${page.slice(0, begin)}${BEGIN}\n${drawn(roomGraph())}\n${page.slice(end)}`;
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, '../ARCHITECTURE.md'), architecture());
