import { Composer, isAlias, isMap, isScalar, isSeq, Lexer, type ParsedNode, Parser } from 'yaml';
import { err, ok, type Result } from '../base/result.ts';

/** What is wrong with a text, and at which offset of it. */
export interface TextError {
  readonly offset: number;
  readonly message: string;
}

/** No manifest nests this deep; the recursion of readers does not go deeper. */
export const DEPTH_MAX = 100;

/** Words and marks in one document of the full parser, which keeps several hundred octets for each. Block style and JSON have no such limit. */
const LEXEMES_MAX = 1_000_000;
const TOO_MANY_LEXEMES = `has more than ${LEXEMES_MAX} words and marks in one document: cut it with ---, or save it in block style or as JSON`;

/** Values that aliases may stand for in one document, counted as often as they are used: a few lines can ask for billions. */
const ALIASED_VALUES_MAX = 1_000_000;

/** YAML's core schema with every known-tag extra left out: a manifest holds plain data. */
const OPTIONS = {
  version: '1.2',
  schema: 'core',
  resolveKnownTags: false,
  uniqueKeys: false,
  prettyErrors: false,
  logLevel: 'silent',
} as const;

/**
 * The node trees of the documents in a text, with offsets. The nesting is watched while the text is read,
 * before anything recurses over it. Keys that are there twice are found by `valueOfTree`.
 */
export function parseTrees(text: string): Result<readonly (ParsedNode | undefined)[], readonly TextError[]> {
  const parser = new Parser();
  const composer = new Composer(OPTIONS);
  const trees: (ParsedNode | undefined)[] = [];
  const errors: TextError[] = [];
  const collect = (documents: ReturnType<typeof composer.end>): void => {
    for (const document of documents) {
      for (const error of document.errors) errors.push({ offset: error.pos[0], message: error.message });
      trees.push(document.contents ?? undefined);
    }
  };
  let lexemes = 0;
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) {
      // What follows such a token is read as the rest of an error, at great cost and to no use.
      if (token.type === 'error') return err([{ offset: token.offset, message: token.message }]);
      collect(composer.next(token));
    }
    if (++lexemes > LEXEMES_MAX) return err([{ offset: parser.offset, message: TOO_MANY_LEXEMES }]);
    if (parser.stack.length > DEPTH_MAX) return err([{ offset: parser.offset, message: `is nested more than ${DEPTH_MAX} levels deep` }]);
  }
  for (const token of parser.end()) collect(composer.next(token));
  collect(composer.end());
  return errors.length > 0 ? err(errors) : ok(trees);
}

/**
 * A tree as plain data. Merge keys (`<<`) and aliases are resolved, aliased values shared. Entries
 * without a value are left out, since an absent field means the same to the API server.
 */
export function valueOfTree(tree: ParsedNode): Result<unknown, readonly TextError[]> {
  const reader = new TreeReader();
  const value = reader.read(tree).value;
  return reader.errors.length > 0 ? err(reader.errors) : ok(value);
}

/** Long texts weigh more than one, so that repeating one cannot fill the memory either. */
const sizeOfScalar = (value: unknown): number => (typeof value === 'string' ? 1 + Math.floor(value.length / 16) : 1);

/** A value and how many values it holds, itself included. */
interface Sized {
  readonly value: unknown;
  readonly size: number;
}

class TreeReader {
  readonly errors: TextError[] = [];
  private readonly anchors = new Map<string, Sized>();
  private aliased = 0;

  read(node: ParsedNode | null): Sized {
    if (node === null) return NOTHING;
    if (isAlias(node)) return this.alias(node.source, node.range[0]);
    const sized = isMap(node)
      ? this.map(node as ParsedMap)
      : isSeq(node)
        ? this.list(node as ParsedSeq)
        : { value: node.value, size: sizeOfScalar(node.value) };
    if (node.anchor !== undefined) this.anchors.set(node.anchor, sized);
    return sized;
  }

  private alias(name: string, offset: number): Sized {
    const target = this.anchors.get(name);
    if (!target) {
      this.errors.push({ offset, message: `there is no anchor &${name} before this alias` });
      return NOTHING;
    }
    this.aliased += target.size;
    if (this.aliased <= ALIASED_VALUES_MAX) return target;
    if (this.aliased - target.size <= ALIASED_VALUES_MAX)
      this.errors.push({ offset, message: `aliases repeat more than ${ALIASED_VALUES_MAX} values: write out what is meant` });
    return NOTHING;
  }

  private list(node: ParsedSeq): Sized {
    let size = 1;
    const value = node.items.map((item) => {
      const sized = this.read(item);
      size += sized.size;
      return sized.value;
    });
    return { value, size };
  }

  private map(node: ParsedMap): Sized {
    const value: Record<string, unknown> = {};
    const seen = new Map<string, number>();
    const merges: unknown[] = [];
    let size = 1;
    for (const pair of node.items) {
      const offset = pair.key.range[0];
      if (!isScalar(pair.key)) {
        this.errors.push({ offset, message: 'a key must be plain text' });
        continue;
      }
      const sized = this.read(pair.value);
      size += sized.size;
      const key = pair.key.value === null ? '' : String(pair.key.value);
      if (key === '<<' && pair.key.type === 'PLAIN') merges.push(sized.value);
      else if (seen.has(key))
        this.errors.push({
          offset,
          message: `the key ${JSON.stringify(key.slice(0, 80))} is there twice in one mapping: remove one of them`,
        });
      else if (sized.value !== null) setOwn(value, key, sized.value);
      seen.set(key, offset);
    }
    for (const source of merges.flat()) this.merge(value, seen, source, node.range[0]);
    return { value, size };
  }

  /** Keys that the mapping has itself win over merged ones, and earlier merged ones over later. */
  private merge(value: Record<string, unknown>, seen: Map<string, number>, source: unknown, offset: number): void {
    if (typeof source !== 'object' || source === null || Array.isArray(source)) {
      this.errors.push({ offset, message: 'a merge key (<<) takes a mapping, or a list of mappings' });
      return;
    }
    for (const [key, merged] of Object.entries(source)) {
      if (seen.has(key)) continue;
      seen.set(key, offset);
      setOwn(value, key, merged);
    }
  }
}

type ParsedMap = Extract<ParsedNode, { items: { key: unknown }[] }>;
type ParsedSeq = Exclude<Extract<ParsedNode, { items: unknown }>, ParsedMap>;

const NOTHING: Sized = { value: null, size: 1 };

/** Also for `__proto__`, which a plain assignment would take for the prototype. */
function setOwn(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
  else target[key] = value;
}

/** The same for data that was never YAML: leaves out entries without a value, in place. False when it is nested too deep. */
export function dropNulls(value: unknown, depth = 0): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (depth > DEPTH_MAX) return false;
  if (Array.isArray(value)) return value.every((item) => dropNulls(item, depth + 1));
  const record = value as Record<string, unknown>;
  for (const key of Object.keys(record)) {
    if (record[key] === null) delete record[key];
    else if (!dropNulls(record[key], depth + 1)) return false;
  }
  return true;
}

/** Offset of the value at a path; of what is nearest above it when it is not there. */
export function offsetAt(tree: ParsedNode, path: readonly (string | number)[]): number {
  let node: ParsedNode = tree;
  let offset = node.range[0];
  for (const step of path) {
    let next: ParsedNode | null | undefined;
    if (isMap(node)) {
      const pair = (node as ParsedMap).items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      if (!pair) break;
      offset = pair.key.range[0];
      next = pair.value;
    } else if (isSeq(node)) next = (node as ParsedSeq).items[Number(step)] as ParsedNode | undefined;
    if (!next) break;
    node = next;
    offset = isAlias(node) || node.range[0] === node.range[1] ? offset : node.range[0];
  }
  return offset;
}
