import type { ParsedNode } from 'yaml';
import { err, ok, type Result } from '../base/result.ts';
import { clip, type FieldPath, type Locate, type Place, ProblemList } from '../engine/control-plane/problem-list.ts';
import type { ApiObject } from '../engine/k8s/metadata.ts';
import type { SourceFile } from '../protocol/engine.ts';
import type { Problem } from '../protocol/view.ts';
import { readBlockYaml } from './block-yaml.ts';
import { checkObject, expectation } from './check-object.ts';
import { configurationIn } from './kubeadm-config-maps.ts';
import { binaryOffset, type Chunk, cutAtLostMarkers, isBlank, SourceText } from './source-text.ts';
import { DEPTH_MAX, dropNulls, offsetAt, parseTrees, type TextError, valueOfTree } from './yaml-tree.ts';

/** Text of all files together, in characters. Kubernetes' own documented limits fit; what is larger is a mistake. */
export const TEXT_LENGTH_MAX = 20 * 1024 * 1024;

/** Lists within lists: kubectl prints one level. */
const LIST_DEPTH_MAX = 3;

export interface Manifests {
  readonly objects: readonly ApiObject[];
  /** Warnings and notes. */
  readonly problems: readonly Problem[];
  /** Where a field of one of `objects` was written. */
  readonly locate: Locate;
}

/** Reads YAML and JSON as kubectl prints and takes it: many documents in a file, and lists of objects. */
export function readManifests(files: readonly SourceFile[]): Result<Manifests, Problem[]> {
  return new ManifestReader().read(files);
}

/** Where an object is: enough to find its lines again when a problem is reported, without keeping any tree. */
interface Origin {
  readonly source: SourceText;
  readonly document: number;
  readonly chunk: Chunk;
  /** Of the documents within the chunk, which may end with `...`. */
  readonly treeIndex: number;
  /** Way from the document to the object: `['items', 3]` in a list. */
  readonly path: FieldPath;
}

interface FileProgress {
  readonly source: SourceText;
  /** Number of the document read last. */
  document: number;
  helmSeen: boolean;
}

class ManifestReader {
  private readonly objects: ApiObject[] = [];
  private readonly origins = new WeakMap<object, Origin>();
  private readonly locate: Locate = (object, path) => {
    const origin = this.origins.get(object);
    return origin && this.placeOf(origin, path);
  };
  private readonly problems = new ProblemList(this.locate);
  /** Trees of the chunk looked at last: problems come in the order of the documents. */
  private lastTrees: { readonly chunk: Chunk; readonly trees: readonly (ParsedNode | undefined)[] } | undefined;
  private documents = 0;

  read(files: readonly SourceFile[]): Result<Manifests, Problem[]> {
    const length = files.reduce((sum, file) => sum + file.text.length, 0);
    if (length > TEXT_LENGTH_MAX) {
      const largest = files.reduce((a, b) => (b.text.length > a.text.length ? b : a));
      const megabytes = (n: number): string => (n / 1024 / 1024).toFixed(1);
      this.problems.add(
        problemIn(
          largest.name,
          `${megabytes(length)} MB of text are too much: the limit is ${megabytes(TEXT_LENGTH_MAX)} MB for all files together, so leave out what the network does not need`,
        ),
      );
      return err(this.problems.all());
    }
    for (const file of files) this.file(new SourceText(file));
    if (this.documents === 0 && !this.problems.hasErrors) {
      this.problems.add(
        problemIn(
          files.length === 1 ? files[0]?.name : undefined,
          'nothing to load: there is no Kubernetes object in it, only blank lines or comments',
        ),
      );
    }
    if (this.problems.hasErrors) return err(this.problems.all());
    return ok({ objects: this.objects, problems: this.problems.all(), locate: this.locate });
  }

  private file(source: SourceText): void {
    const binary = binaryOffset(source.text);
    if (binary >= 0) {
      const code = source.text.charCodeAt(binary).toString(16).toUpperCase().padStart(4, '0');
      this.textError(source, undefined, {
        offset: binary,
        message: `is not a text file: it contains the control character U+${code}. Load manifests in YAML or JSON, saved as UTF-8`,
      });
      return;
    }
    const progress: FileProgress = { source, document: 0, helmSeen: false };
    const lostMarkers: Chunk[] = [];
    for (const chunk of source.chunks()) {
      if (isBlank(chunk)) {
        // Before the first marker there is no document, between two markers there is an empty one.
        if (progress.document > 0 || chunk.text.startsWith('---')) progress.document++;
        continue;
      }
      const parsed = parseChunk(chunk);
      const parts = parsed.ok ? [] : cutAtLostMarkers(chunk);
      if (parts.length <= 1) {
        this.chunk(progress, chunk, parsed);
        continue;
      }
      for (const part of parts) this.chunk(progress, part, parseChunk(part));
      lostMarkers.push(...parts.slice(1));
    }
    const first = lostMarkers[0];
    if (first) this.noteLostMarkers(source, first, lostMarkers.length);
  }

  private noteLostMarkers(source: SourceText, first: Chunk, count: number): void {
    const times = count === 1 ? '' : ` (${count} times in this file)`;
    const message = `the marker --- is at the end of a line${times}, as when files without a line break at their end are joined: it is read as if it stood on a line of its own`;
    this.problems.add({ ...problemIn(source.name, message), severity: 'warning', ...source.placeAt(first.start) });
  }

  private chunk(progress: FileProgress, chunk: Chunk, parsed: ReturnType<typeof parseChunk>): void {
    const { source } = progress;
    if (!parsed.ok) {
      progress.document++;
      this.documents++;
      const isHelm = chunk.text.includes('{{');
      if (isHelm && progress.helmSeen) return;
      progress.helmSeen ||= isHelm;
      this.syntaxError(source, progress.document, chunk, parsed.error, isHelm);
      return;
    }
    for (const [treeIndex, value] of parsed.value.entries()) {
      progress.document++;
      if (value === null || value === undefined) continue;
      this.documents++;
      this.value(value, undefined, { source, document: progress.document, chunk, treeIndex, path: [] }, 0);
    }
  }

  /** Of one document's syntax errors only the first is told: the others mostly follow from it. */
  private syntaxError(source: SourceText, document: number, chunk: Chunk, errors: readonly TextError[], isHelm: boolean): void {
    const first = errors[0] as TextError;
    const message = isHelm
      ? 'this looks like a Helm template ({{ … }}), which is no manifest yet: render it with `helm template` and load what that prints'
      : `${clip(first.message, 300)}${first.message.includes('abs are not allowed') ? ': indent with spaces' : ''}`;
    this.textError(source, document, { offset: chunk.start + first.offset, message });
  }

  private textError(source: SourceText, document: number | undefined, { offset, message }: TextError): void {
    this.problems.add({ ...problemIn(source.name, message), document, ...source.placeAt(offset) });
  }

  private value(
    value: unknown,
    inherited: { readonly apiVersion: string; readonly kind: string } | undefined,
    origin: Origin,
    listDepth: number,
  ): void {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      const advice = Array.isArray(value) ? '; put several objects into documents with --- between them' : '';
      this.shapeError(origin, [], `${expectation('an object with apiVersion and kind', value)}${advice}`);
      return;
    }
    const object: { readonly apiVersion?: unknown; readonly kind?: unknown } =
      inherited && !Object.hasOwn(value, 'kind') ? { ...inherited, ...value } : value;
    this.origins.set(object, origin);
    for (const field of ['apiVersion', 'kind'] as const) {
      const got = Object.hasOwn(object, field) ? object[field] : undefined;
      if (typeof got === 'string' && got !== '') continue;
      const example = field === 'kind' ? 'the kind of a Kubernetes object, such as Pod' : 'an API version, such as v1 or apps/v1';
      this.shapeError(origin, [field], expectation(example, got), field);
      return;
    }
    const apiObject = object as ApiObject & { readonly items?: unknown };
    if (apiObject.kind.endsWith('List') && Array.isArray(apiObject.items)) this.list(apiObject, apiObject.items, origin, listDepth);
    else if (checkObject(apiObject, this.problems)) this.object(apiObject, origin);
  }

  /** Of a ConfigMap that kubeadm keeps a configuration in, that configuration is what counts. */
  private object(object: ApiObject, origin: Origin): void {
    const found = configurationIn(object, (text) => readDocuments({ name: origin.source.name, text }));
    if (!found) {
      this.objects.push(object);
      return;
    }
    this.origins.set(found.configuration, { ...origin, path: [...origin.path, 'data', found.key] });
    if (checkObject(found.configuration, this.problems)) this.objects.push(found.configuration);
  }

  /** `kind: List`, and lists of one kind as the API itself answers, whose items leave out their kind. */
  private list(list: ApiObject, items: readonly unknown[], origin: Origin, listDepth: number): void {
    if (listDepth >= LIST_DEPTH_MAX) {
      this.shapeError(origin, [], `lists are nested more than ${LIST_DEPTH_MAX} levels deep`);
      return;
    }
    const inherited = list.kind === 'List' ? undefined : { apiVersion: list.apiVersion, kind: list.kind.slice(0, -'List'.length) };
    for (const [i, item] of items.entries()) this.value(item, inherited, { ...origin, path: [...origin.path, 'items', i] }, listDepth + 1);
  }

  private shapeError(origin: Origin, path: FieldPath, message: string, field?: string): void {
    const place = this.placeOf(origin, path);
    this.problems.add({ ...problemIn(place.file, message), document: place.document, line: place.line, column: place.column, field });
  }

  private placeOf(origin: Origin, path: FieldPath): Place {
    const { source, document, chunk } = origin;
    if (this.lastTrees?.chunk !== chunk) {
      const parsed = parseTrees(chunk.text);
      this.lastTrees = { chunk, trees: parsed.ok ? parsed.value : [] };
    }
    const tree = this.lastTrees.trees[origin.treeIndex];
    const place = tree && source.placeAt(chunk.start + offsetAt(tree, [...origin.path, ...path]));
    return { file: source.name, document, line: place?.line, column: place?.column };
  }
}

/** The documents of one file as plain data, none of them checked; undefined when it cannot be read. */
export function readDocuments(file: SourceFile): readonly unknown[] | undefined {
  if (binaryOffset(file.text) >= 0) return undefined;
  const values: unknown[] = [];
  for (const chunk of new SourceText(file).chunks()) {
    if (isBlank(chunk)) continue;
    const whole = parseChunk(chunk);
    for (const parsed of whole.ok ? [whole] : cutAtLostMarkers(chunk).map(parseChunk)) {
      if (!parsed.ok) return undefined;
      for (const value of parsed.value) if (value !== null && value !== undefined) values.push(value);
    }
  }
  return values;
}

/** The values of the documents in a chunk, from the fastest of three readers that can tell. */
function parseChunk(chunk: Chunk): Result<readonly unknown[], readonly TextError[]> {
  const json = /^(?:---)?\s*\{/.test(chunk.text) ? parseJson(chunk.text.replace(/^---/, '')) : undefined;
  if (json !== undefined) {
    return dropNulls(json) ? ok([json]) : err([{ offset: 0, message: `is nested more than ${DEPTH_MAX} levels deep` }]);
  }
  const block = readBlockYaml(chunk.text);
  if (block) return ok([block.value]);
  const trees = parseTrees(chunk.text);
  if (!trees.ok) return trees;
  const values: unknown[] = [];
  for (const tree of trees.value) {
    const value = tree ? valueOfTree(tree) : ok(undefined);
    if (!value.ok) return value;
    values.push(value.value);
  }
  return ok(values);
}

/** undefined when it is not JSON: then it is YAML in flow style, or an error that the YAML parser explains with its place. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function problemIn(file: string | undefined, message: string): Problem {
  return { severity: 'error', file, document: undefined, line: undefined, column: undefined, object: undefined, field: undefined, message };
}
