import type { SourceFile } from '../protocol/engine.ts';

/** A part of a file between document markers, still as text. */
export interface Chunk {
  readonly text: string;
  /** Offset of `text` in the file. */
  readonly start: number;
}

/** A file cut into documents, and lines found from offsets. */
export class SourceText {
  readonly name: string;
  readonly text: string;
  private lineStarts: readonly number[] | undefined;

  constructor(file: SourceFile) {
    this.name = file.name;
    this.text = file.text;
  }

  /** Line and column, both from 1, of an offset. */
  placeAt(offset: number): { readonly line: number; readonly column: number } {
    this.lineStarts ??= lineStartsOf(this.text);
    let low = 0;
    let high = this.lineStarts.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((this.lineStarts[middle] as number) <= offset) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: offset - (this.lineStarts[low] as number) + 1 };
  }

  /**
   * Cuts at lines that begin with `---`, which no YAML document contains otherwise, as kubectl does. The
   * marker belongs to the chunk that it opens, since text may follow it on its line.
   */
  *chunks(): Generator<Chunk, void> {
    let start = this.text.startsWith('\ufeff') ? 1 : 0;
    const marker = /^---(?=\s|$)/gm;
    marker.lastIndex = start;
    for (let match = marker.exec(this.text); match; match = marker.exec(this.text)) {
      if (match.index === start) continue;
      yield { text: this.text.slice(start, match.index), start };
      start = match.index;
    }
    yield { text: this.text.slice(start), start };
  }
}

/**
 * Cuts a chunk at markers that stand at the end of a line, before a line that begins an object: what comes
 * of joining files of which one has no line break at its end. Such a chunk is no YAML, so this is only
 * tried on those that could not be read. One chunk when there is no such place.
 */
export function cutAtLostMarkers(chunk: Chunk): readonly Chunk[] {
  const lost = /(?<=\S)---[ \t]*\r?\n(?=(?:[ \t]*(?:#.*)?\r?\n)*(?:apiVersion|kind):)/g;
  const chunks: Chunk[] = [];
  let start = 0;
  for (const match of chunk.text.matchAll(lost)) {
    chunks.push({ text: chunk.text.slice(start, match.index), start: chunk.start + start });
    start = match.index;
  }
  chunks.push({ text: chunk.text.slice(start), start: chunk.start + start });
  return chunks;
}

function lineStartsOf(text: string): readonly number[] {
  const starts = [0];
  for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) starts.push(i + 1);
  return starts;
}

/** True when there is nothing to read but comments, directives and blank lines. */
export function isBlank(chunk: Chunk): boolean {
  return !/^(?!---(?:\s|$))[ \t]*[^\s#%]|^---[ \t]+[^\s#]/m.test(chunk.text);
}

/** Offset of the first character that no text file has, or -1: a sure sign of a binary file. */
export function binaryOffset(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
  return text.search(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/);
}
