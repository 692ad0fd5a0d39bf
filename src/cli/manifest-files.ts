import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type ClusterPlan, World } from '../engine/index.ts';
import type { SourceFile } from '../protocol/engine.ts';
import type { ProxyMode } from '../protocol/event.ts';
import type { Problem } from '../protocol/view.ts';
import { loadCluster } from '../scenario/load-cluster.ts';
import { TEXT_LENGTH_MAX } from '../scenario/read-manifests.ts';
import { type Arguments, oneOf, UsageError, wholeNumber } from './arguments.ts';

/** The files that --manifests names: files, folders (their .yaml, .yml and .json, not deeper), or `-` for standard input. */
export function readFiles(args: Arguments): SourceFile[] {
  const paths = args.options.get('manifests');
  if (!paths) throw new UsageError(`${args.command}: --manifests is missing: a file, a folder or - for standard input`);
  return paths.flatMap((path) => {
    if (path === '-') return [{ name: 'standard input', text: readFileSync(0, 'utf8') }];
    const entry = statSync(path, { throwIfNoEntry: false });
    if (!entry) throw new UsageError(`${path}: there is no such file or folder`);
    if (!entry.isDirectory()) return [readOne(path)];
    const names = readdirSync(path)
      .filter((n) => /\.(ya?ml|json)$/.test(n))
      .sort();
    if (names.length === 0) throw new UsageError(`${path}: the folder has no .yaml, .yml or .json file`);
    return names.map((n) => readOne(join(path, n)));
  });
}

/** A file as text, `-` for standard input; what cannot be read is a UsageError. */
export function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function readOne(path: string): SourceFile {
  const size = statSync(path).size;
  if (size > TEXT_LENGTH_MAX)
    throw new UsageError(
      `${path}: ${Math.round(size / 1_048_576)} MiB is too much; at most ${TEXT_LENGTH_MAX / 1_048_576} MiB can be loaded`,
    );
  return { name: path, text: readFileSync(path, 'utf8') };
}

/** The world of --manifests, --seed and --mode; warnings and notes go to standard error. */
export function openWorld(args: Arguments): World {
  const mode = oneOf<ProxyMode>(args, 'mode', ['iptables', 'ipvs', 'nftables']);
  const { world, notes } = loadWorld(readFiles(args), { seed: wholeNumber(args, 'seed', 0, 0xffffffff), mode });
  for (const note of notes) process.stderr.write(`${note}\n`);
  return world;
}

/** Builds the world, with warnings and notes for standard error; errors are a UsageError. */
export function loadWorld(
  files: readonly SourceFile[],
  choices: { readonly seed?: number | undefined; readonly mode?: ProxyMode | undefined },
): { world: World; notes: string[] } {
  const plan = loadCluster(files);
  if (!plan.ok) throw new UsageError(plan.error.map(problemText).join('\n'));
  const { seed = plan.value.seed, mode = plan.value.proxy.mode } = choices;
  const chosen: ClusterPlan = { ...plan.value, seed, proxy: { ...plan.value.proxy, mode } };
  const notes = chosen.problems.map(problemText);
  const kept = new Map<string, number>();
  for (const { kind } of chosen.notModelled) kept.set(kind, (kept.get(kind) ?? 0) + 1);
  if (kept.size > 0) notes.push(`note: kept, but not simulated yet: ${[...kept].map(([kind, n]) => `${n} ${kind}`).join(', ')}`);
  return { world: new World(chosen), notes };
}

/** `file: document 2, line 14: Pod default/web: spec.nodeName: message` */
export function problemText(p: Problem): string {
  const place = [p.document === undefined ? undefined : `document ${p.document}`, p.line === undefined ? undefined : `line ${p.line}`]
    .filter((x) => x !== undefined)
    .join(', ');
  return [
    p.severity === 'error' ? 'error' : p.severity === 'warning' ? 'warning' : 'note',
    p.file,
    place || undefined,
    p.object,
    p.field,
    p.message,
  ]
    .filter((x) => x !== undefined)
    .join(': ');
}
