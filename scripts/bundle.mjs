// Bundles a TypeScript entry of this project for node.

import { basename, dirname } from 'node:path';
import { root } from './packages.mjs';

/** Bundles one entry and everything it imports, packages included, into one ES module file. */
export async function bundleForNode(/** @type {string} */ entry, /** @type {string} */ file) {
  const { build } = await import('vite');
  await build({
    configFile: false,
    root,
    publicDir: false,
    logLevel: 'error',
    ssr: { noExternal: true, target: 'node' },
    build: {
      ssr: entry,
      outDir: dirname(file),
      emptyOutDir: false,
      target: 'node20',
      minify: false,
      rolldownOptions: { output: { entryFileNames: basename(file), codeSplitting: false } },
    },
  });
}
