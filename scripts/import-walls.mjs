// Runs dependency-cruiser with the allow-list of .dependency-cruiser.cjs, and makes sure that it holds something:
// dependency-cruiser passes without a word when it cannot read TypeScript and sees no module at all.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { cruise } from 'dependency-cruiser';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';

const { walls, folders, ...config } = createRequire(import.meta.url)('../.dependency-cruiser.cjs');

const { output } = await cruise(['src'], { ...config.options, ruleSet: { forbidden: config.forbidden }, validate: true }, undefined, {
  tsConfig: extractTSConfig('tsconfig.json'),
});
if (typeof output === 'string') throw new Error('dependency-cruiser gave no result object');

const modules = output.modules.map((module) => module.source).filter((source) => source.startsWith('src/'));
const imports = output.modules.flatMap((module) => module.dependencies).length;
/** @type {string[]} */
const faults = output.summary.violations.map(({ rule, from, to }) => `${from} -> ${to}\n    ${rule.name}`);

if (!modules.some((source) => source.startsWith('src/engine/')) || imports === 0) {
  faults.push(
    `dependency-cruiser saw ${modules.length} modules and ${imports} imports: it cannot read TypeScript (is @swc/core installed?)`,
  );
}
for (const { source, dependencies } of output.modules) {
  // Its SWC reader overlooks `export type ... from` and types written as import('...'); the rules hold for those too.
  if (!modules.includes(source) || !/\.tsx?$/.test(source)) continue;
  const seen = new Set(dependencies.map(({ module }) => module));
  for (const [, specifier = ''] of readFileSync(source, 'utf8').matchAll(/(?:\bfrom|\bimport|\bimport\()\s*'(\.[^'\n]+)'/g)) {
    if (seen.has(specifier)) continue;
    const target = join(dirname(source), specifier);
    for (const { name, from, to } of config.forbidden) {
      if (to.path && applies(from, source) && applies(to, target)) faults.push(`${source} -> ${target}\n    ${name}`);
    }
  }
}
for (const source of modules) {
  const owners = Object.values(folders).filter((pattern) => new RegExp(pattern).test(source));
  if (owners.length !== 1 && /\.[cm]?[jt]sx?$/.test(source))
    faults.push(`${source} is in no folder of the allow-list (.dependency-cruiser.cjs)`);
}
for (const [name, pattern] of Object.entries(folders)) {
  if (!modules.some((source) => new RegExp(pattern).test(source)))
    faults.push(`the allow-list has a line for ${name}, which has no module`);
}
for (const wall of walls) {
  for (const [end, path] of [
    ['from', wall.from.path],
    ['to', wall.to.path],
  ]) {
    if (!modules.some((source) => new RegExp(path).test(source)))
      faults.push(`"${wall.name}" holds nothing: no module matches its "${end}"`);
  }
}

if (faults.length > 0) console.error(faults.join('\n'));
console.log(`${modules.length} modules, ${imports} imports, ${faults.length} faults`);
process.exitCode = faults.length > 0 ? 1 : 0;

/** Whether a module is one that this end of a rule speaks of. */
function applies(/** @type {{ path?: string, pathNot?: string | string[] }} */ { path, pathNot = [] }, /** @type {string} */ module) {
  const matches = (/** @type {string} */ pattern) => new RegExp(pattern).test(module);
  return (path === undefined || matches(path)) && ![pathNot].flat().some(matches);
}
