/**
 * A fast reader for the part of YAML that kubectl prints and most manifests keep to: block mappings and
 * lists, scalars that are plain or quoted, literal blocks. It builds no tree, which makes it some ten
 * times faster than the full parser and lets a dump of a whole cluster fit into memory.
 *
 * It knows what it does not know: at anything else (flow collections, anchors, tags, tabs, errors of any
 * kind) it gives up, and the full parser reads the document or explains what is wrong. Whatever it does
 * read, the full parser reads the same; a property test holds the two together.
 */
export function readBlockYaml(text: string): { readonly value: unknown } | undefined {
  const unix = text.includes('\r') ? text.replaceAll('\r\n', '\n') : text;
  if (/[\t\r\u0085\u2028\u2029\ufeff]/.test(unix)) return undefined;
  try {
    return { value: new BlockReader(unix).document() };
  } catch (error) {
    if (error === GIVE_UP) return undefined;
    throw error;
  }
}

/** Thrown where the reader gives up. A constant, since it happens on every hand-written flow collection. */
const GIVE_UP = { reason: 'not in the part of YAML that this reader knows' };

/** YAML allows 1,024 characters before the colon of a key; near that, the full parser shall count. */
const KEY_LENGTH_MAX = 1000;

/** Far more than manifests have, far less than the full parser takes. */
const DEPTH_MAX = 40;

const SPACE = 0x20;
const HASH = 0x23;
const HYPHEN = 0x2d;
const COLON = 0x3a;

/** Annotations with long texts have some hundred. */
const QUOTED_LINES_MAX = 1000;

/** What the core schema (YAML 1.2 section 10.3.2) reads as something else than a string. */
const NULL = /^(?:~|[Nn]ull|NULL)$/;
const BOOLEAN = /^(?:[Tt]rue|TRUE|[Ff]alse|FALSE)$/;
const DECIMAL = /^[-+]?(?:\d+|(?:\.\d+|\d+\.\d*)|(?:\.\d+|\d+(?:\.\d*)?)[eE][-+]?\d+)$/;
const OTHER_NUMBER = /^(?:0o[0-7]+|0x[0-9a-fA-F]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;

class BlockReader {
  private readonly text: string;
  /** Of the line that is read next: its first character, its first that is no space, and its end. */
  private start = 0;
  private content = 0;
  private end = -1;
  private depth = 0;

  constructor(text: string) {
    this.text = text;
  }

  document(): unknown {
    const marker = /^---[ ]*(?:#[^\n]*)?(?:\n|$)/.exec(this.text);
    if (!marker && this.text.startsWith('---')) throw GIVE_UP;
    this.end = (marker?.[0].length ?? 0) - 1;
    this.nextLine();
    if (this.isOver || this.indent !== 0) throw GIVE_UP;
    const value = this.node(0);
    if (!this.isOver) throw GIVE_UP;
    return value;
  }

  private get isOver(): boolean {
    return this.start > this.text.length;
  }

  private get indent(): number {
    return this.content - this.start;
  }

  /** Goes to the next line that holds more than a comment. */
  private nextLine(): void {
    for (;;) {
      this.rawLine();
      if (this.isOver) return;
      const first = this.text.charCodeAt(this.content);
      if (this.content === this.end || first === HASH) continue;
      // Markers, directives and the like are for the full parser.
      if (this.content === this.start && /^(?:---|\.\.\.)(?: |$)|^%/.test(this.text.slice(this.start, Math.min(this.end, this.start + 4))))
        throw GIVE_UP;
      return;
    }
  }

  private rawLine(): void {
    this.start = this.end + 1;
    if (this.isOver) return;
    const newline = this.text.indexOf('\n', this.start);
    this.end = newline < 0 ? this.text.length : newline;
    this.content = this.start;
    while (this.content < this.end && this.text.charCodeAt(this.content) === SPACE) this.content++;
  }

  /** The mapping or list that begins at the present line with this indentation. */
  private node(indent: number): unknown {
    if (++this.depth > DEPTH_MAX) throw GIVE_UP;
    const value = this.isItem() ? this.list(indent) : this.mapping(indent);
    this.depth--;
    return value;
  }

  private isItem(): boolean {
    return (
      this.text.charCodeAt(this.content) === HYPHEN && (this.content + 1 === this.end || this.text.charCodeAt(this.content + 1) === SPACE)
    );
  }

  private list(indent: number): unknown[] {
    const items: unknown[] = [];
    while (!this.isOver && this.indent === indent && this.isItem()) {
      let at = this.content + 1;
      while (at < this.end && this.text.charCodeAt(at) === SPACE) at++;
      if (at === this.end || this.text.charCodeAt(at) === HASH) items.push(this.nested(indent, false) ?? null);
      else if (this.text.charCodeAt(at) === HYPHEN && (at + 1 === this.end || this.text.charCodeAt(at + 1) === SPACE)) throw GIVE_UP;
      else if (this.keyEnd(at) >= 0) {
        // `- name: web`: the mapping is indented to where its first key stands.
        this.content = at;
        items.push(this.node(this.indent));
      } else items.push(this.scalar(at, indent) ?? null);
    }
    if (!this.isOver && this.indent > indent) throw GIVE_UP;
    return items;
  }

  private mapping(indent: number): Record<string, unknown> {
    const mapping: Record<string, unknown> = {};
    let withoutValue: Set<string> | undefined;
    while (!this.isOver && this.indent === indent && !this.isItem()) {
      const keyEnd = this.keyEnd(this.content);
      if (keyEnd < 0) throw GIVE_UP;
      const key = this.text.slice(this.content, keyEnd);
      if (!isPlainString(key) || key === '__proto__' || Object.hasOwn(mapping, key) || withoutValue?.has(key)) throw GIVE_UP;
      let at = keyEnd + 1;
      while (at < this.end && this.text.charCodeAt(at) === SPACE) at++;
      const isEmpty = at === this.end || (this.text.charCodeAt(at) === HASH && at > keyEnd + 1);
      const value = isEmpty ? this.nested(indent, true) : this.scalar(at, indent);
      if (value === undefined) {
        withoutValue ??= new Set();
        withoutValue.add(key);
      } else mapping[key] = value;
    }
    if (!this.isOver && this.indent > indent) throw GIVE_UP;
    return mapping;
  }

  /** What stands below a key or hyphen that has nothing after it; undefined when that is nothing. A list below a key need not be indented. */
  private nested(indent: number, isBelowKey: boolean): unknown {
    this.nextLine();
    if (this.isOver) return undefined;
    if (this.indent > indent) return this.node(this.indent);
    return isBelowKey && this.indent === indent && this.isItem() ? this.node(indent) : undefined;
  }

  /** Index of the colon that ends a plain key at `at`; -1 when there is no such key. */
  private keyEnd(at: number): number {
    if (!/[A-Za-z0-9_./$]/.test(this.text[at] as string)) return -1;
    for (let i = at + 1; i < this.end; i++) {
      const code = this.text.charCodeAt(i);
      if (code === SPACE) {
        // A space inside a key is rare; one before a colon or a comment has rules of its own.
        if (/[:# ]/.test(this.text[i + 1] ?? ' ')) return -1;
      } else if (code === COLON && (i + 1 === this.end || this.text.charCodeAt(i + 1) === SPACE)) {
        if (i - at > KEY_LENGTH_MAX) throw GIVE_UP;
        return i;
      }
    }
    return -1;
  }

  /** The scalar at `at` of the present line, below something of this indentation. Goes to the line after it. */
  private scalar(at: number, indent: number): unknown {
    const rest = this.text.slice(at, this.end);
    switch (rest[0]) {
      case '"':
        return this.doubleQuoted(rest, indent);
      case "'":
        return this.singleQuoted(rest, indent);
      case '|':
        return this.literal(rest, indent);
      case '{':
        return this.empty(rest, /^\{\}(?: *| +#.*)$/, {});
      case '[':
        return this.empty(rest, /^\[\](?: *| +#.*)$/, []);
      default:
        return this.plain(rest, indent);
    }
  }

  private empty(rest: string, form: RegExp, value: unknown): unknown {
    if (!form.test(rest)) throw GIVE_UP;
    this.nextLine();
    return value;
  }

  private doubleQuoted(rest: string, indent: number): string {
    const whole = this.quoted(
      rest,
      indent,
      /^"(?:[^"\\]|\\["\\/bfnrt ]|\\u[0-9a-fA-F]{4})*"/,
      /^"(?:[^"\\]|\\["\\/bfnrt ]|\\u[0-9a-fA-F]{4})*$/,
    );
    // But for the escaped space, which Go's printer needs at the beginning of a line, these escapes mean the same in JSON.
    return JSON.parse(whole.replaceAll(/\\(.)/g, (escaped, character) => (character === ' ' ? ' ' : escaped)));
  }

  private singleQuoted(rest: string, indent: number): string {
    return this.quoted(rest, indent, /^'(?:[^']|'')*'/, /^'(?:[^']|'')*$/)
      .slice(1, -1)
      .replaceAll("''", "'");
  }

  /** A quoted scalar with its quotes. Go's YAML printer breaks long ones at spaces; each such break stands for one space. */
  private quoted(rest: string, indent: number, closed: RegExp, open: RegExp): string {
    let whole = rest;
    for (let lines = 1; ; lines++) {
      const match = closed.exec(whole)?.[0];
      if (match !== undefined) {
        if (!/^(?: *| +#.*)$/.test(whole.slice(match.length))) throw GIVE_UP;
        this.nextLine();
        return match;
      }
      whole = whole.replace(/ +$/, '');
      // Matching again from the start with every line would take long for a text of many.
      if (!open.test(whole) || lines > QUOTED_LINES_MAX) throw GIVE_UP;
      this.rawLine();
      if (this.isOver || this.content === this.end || this.indent <= indent) throw GIVE_UP;
      whole += ` ${this.text.slice(this.content, this.end)}`;
    }
  }

  private plain(first: string, indent: number): unknown {
    let whole = plainLine(first);
    if (/^[-?:,[\]{}#&*!|>'"%@`]/.test(whole) && !/^-[^ ]/.test(whole)) throw GIVE_UP;
    if (/^(?:---|\.\.\.)/.test(whole)) throw GIVE_UP;
    const hadComment = whole.length < first.replace(/ +$/, '').length;
    this.nextLine();
    while (!this.isOver && this.indent > indent) {
      // Blank lines and comments between the lines of a scalar change what it means.
      if (hadComment || this.start === 0 || this.isAfterGap()) throw GIVE_UP;
      const line = this.text.slice(this.content, this.end);
      const part = plainLine(line);
      if (part.length < line.replace(/ +$/, '').length) throw GIVE_UP;
      whole += ` ${part}`;
      this.nextLine();
    }
    return resolvePlain(whole);
  }

  /** True when the line before the present one is blank or a comment. */
  private isAfterGap(): boolean {
    const before = this.text.lastIndexOf('\n', this.start - 2) + 1;
    return /^ *(?:#|$)/.test(this.text.slice(before, this.start - 1));
  }

  private literal(rest: string, indent: number): string {
    const header = /^\|(-?)(?: *| +#.*)$/.exec(rest);
    if (!header) throw GIVE_UP;
    const lines: string[] = [];
    this.rawLine();
    if (this.isOver || this.content === this.end || this.indent <= indent) throw GIVE_UP;
    const own = this.indent;
    while (!this.isOver) {
      const isBlank = this.content === this.end;
      if (isBlank && this.indent > own) throw GIVE_UP;
      if (!isBlank && this.indent < own) break;
      if (!isBlank && this.end === this.text.length) throw GIVE_UP;
      lines.push(this.text.slice(this.start + own, Math.max(this.start + own, this.end)));
      this.rawLine();
    }
    while (lines.at(-1) === '') lines.pop();
    // The line that ended the block may be a comment or begin something: look at it again.
    this.end = this.start - 1;
    this.nextLine();
    return lines.join('\n') + (header[1] === '-' ? '' : '\n');
  }
}

/** A line of a plain scalar without its comment and the spaces at its end. */
function plainLine(line: string): string {
  const comment = line.indexOf(' #');
  const text = (comment < 0 ? line : line.slice(0, comment)).replace(/ +$/, '');
  if (text.includes(': ') || text.endsWith(':')) throw GIVE_UP;
  return text;
}

function isPlainString(text: string): boolean {
  return !NULL.test(text) && !BOOLEAN.test(text) && !DECIMAL.test(text) && !OTHER_NUMBER.test(text);
}

/** undefined for null, as for a value that is not there. */
function resolvePlain(text: string): unknown {
  if (NULL.test(text)) return undefined;
  if (BOOLEAN.test(text)) return text[0] === 't' || text[0] === 'T';
  if (DECIMAL.test(text)) return Number(text);
  if (OTHER_NUMBER.test(text)) throw GIVE_UP;
  return text;
}
