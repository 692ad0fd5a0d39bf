import type { SourceFile } from '../protocol/engine.ts';
import { compactFiles } from './compact-manifests.ts';
import { packLink } from './link.ts';

/** The fragment of a scenario's link, without '#'. Files come back as they were, but for derived fields and Secrets, which stay here: see `compactFiles`. */
export const encodeLink = (files: readonly SourceFile[]): string => packLink(compactFiles(files));
