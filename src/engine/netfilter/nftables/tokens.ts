import { err, ok, type Result } from '../../../base/result.ts';

/** Why a text is not read: where, and what is not understood. */
export interface ParseError {
  readonly line: number;
  readonly message: string;
}

export interface Token {
  /** `word`: also numbers, addresses and ranges; `string`: what stood between quotes; `mark`: punctuation; `end`: of a line or command. */
  readonly kind: 'word' | 'string' | 'mark' | 'end';
  readonly text: string;
  readonly line: number;
}

const SPACE = /[ \t\r]+/y;
const WORD = /[^\s{};,="#@!<>&|^()]+/y;
const MARKS = ['==', '!=', '<=', '>=', '<<', '>>', '{', '}', ',', '=', '@', '!', '<', '>', '&', '|', '^', '(', ')'] as const;

/** Splits a ruleset as nft does (nftables src/scanner.l): a line ends a command unless a backslash ends the line. */
export function tokenize(text: string): Result<readonly Token[], ParseError> {
  const tokens: Token[] = [];
  let line = 1;
  let at = 0;
  const push = (kind: Token['kind'], what: string): void => {
    tokens.push({ kind, text: what, line });
  };
  while (at < text.length) {
    const char = text[at] as string;
    if (char === '\n' || char === ';') {
      push('end', char);
      if (char === '\n') line++;
      at++;
      continue;
    }
    if (char === '\\' && text[at + 1] === '\n') {
      line++;
      at += 2;
      continue;
    }
    if (char === '#') {
      while (at < text.length && text[at] !== '\n') at++;
      continue;
    }
    if (char === '"') {
      const close = text.indexOf('"', at + 1);
      const string = close < 0 ? '' : text.slice(at + 1, close);
      if (close < 0 || string.includes('\n')) return err({ line, message: 'a string does not end' });
      push('string', string);
      at = close + 1;
      continue;
    }
    SPACE.lastIndex = at;
    const space = SPACE.exec(text);
    if (space) {
      at += space[0].length;
      continue;
    }
    WORD.lastIndex = at;
    const word = WORD.exec(text);
    if (word) {
      // A colon may stand right behind the key of an element; `fd00::` is an address.
      const key = /^(.*[^:]):$/.exec(word[0])?.[1];
      push('word', key ?? word[0]);
      if (key !== undefined) push('word', ':');
      at += word[0].length;
      continue;
    }
    const mark = MARKS.find((candidate) => text.startsWith(candidate, at));
    if (mark === undefined) return err({ line, message: `the character "${char}" is not understood` });
    push('mark', mark);
    at += mark.length;
  }
  push('end', '');
  return ok(tokens);
}

/** Thrown inside the parser only, and caught where it begins. */
export class Refusal extends Error {
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

/** Goes through tokens one by one. */
export class TokenReader {
  private readonly tokens: readonly Token[];
  private at = 0;

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
  }

  /** The next token but `ahead`; the last one for ever after. */
  peek(ahead = 0): Token {
    return this.tokens[Math.min(this.at + ahead, this.tokens.length - 1)] as Token;
  }

  take(): Token {
    const token = this.peek();
    if (this.at < this.tokens.length - 1) this.at++;
    return token;
  }

  get atEnd(): boolean {
    return this.at >= this.tokens.length - 1;
  }

  /** Takes the token if it is this word or mark. */
  accept(text: string): boolean {
    const token = this.peek();
    if (token.text !== text || token.kind === 'string' || token.kind === 'end') return false;
    this.at++;
    return true;
  }

  /** Takes these words if all of them follow. */
  acceptAll(...texts: readonly string[]): boolean {
    if (!texts.every((text, i) => this.peek(i).text === text && this.peek(i).kind !== 'string')) return false;
    this.at += texts.length;
    return true;
  }

  expect(text: string): void {
    if (!this.accept(text)) this.refuse(`expected "${text}"`);
  }

  word(what: string): string {
    const token = this.peek();
    if (token.kind !== 'word') this.refuse(`expected ${what}`);
    return this.take().text;
  }

  /** A word or what stands in quotes. */
  wordOrString(what: string): string {
    const token = this.peek();
    if (token.kind !== 'word' && token.kind !== 'string') this.refuse(`expected ${what}`);
    return this.take().text;
  }

  string(what: string): string {
    if (this.peek().kind !== 'string') this.refuse(`expected ${what} in quotes`);
    return this.take().text;
  }

  skipEnds(): void {
    while (this.peek().kind === 'end' && !this.atEnd) this.at++;
  }

  /** Elements may go over several lines. */
  skipLines(): void {
    while (this.peek().kind === 'end' && this.peek().text === '\n') this.at++;
  }

  endOfCommand(): void {
    const token = this.peek();
    if (token.kind !== 'end' && token.text !== '}') this.refuse(`"${token.text}" is not expected here`);
    if (token.kind === 'end') this.take();
  }

  refuse(message: string): never {
    const { text, kind, line } = this.peek();
    const found = kind === 'end' ? 'the end of the command' : `"${text}"`;
    throw new Refusal(line, message.startsWith('expected') ? `${message}, found ${found}` : message);
  }
}
