import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { READY_MADE, type ReadyMade } from './scenario-index.ts';

const FOLDER = new URL('../../../public/scenarios/', import.meta.url);

/** What a file says of itself: the comment that it begins with, and its title. */
function selfDescription(file: string): ReadyMade {
  const lines = readFileSync(new URL(file, FOLDER), 'utf8').split('\n');
  const comment = lines.slice(
    0,
    lines.findIndex((line) => !line.startsWith('#')),
  );
  return {
    name: file.replace(/\.yaml$/, ''),
    title: lines.find((line) => line.startsWith('  title: '))?.slice('  title: '.length) ?? 'no title',
    shows: comment.map((line) => line.slice(1).trim()).join(' '),
  };
}

it('lists every ready-made scenario, in the words of its file', () => {
  const byName = (a: ReadyMade, b: ReadyMade): number => (a.name < b.name ? -1 : 1);
  expect([...READY_MADE].sort(byName)).toEqual(readdirSync(FOLDER).map(selfDescription).sort(byName));
});

it('has a line for each that says what it shows', () => {
  for (const { shows } of READY_MADE) expect(shows.length).toBeGreaterThan(20);
});
