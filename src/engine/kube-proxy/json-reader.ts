/** Thrown by readers of JSON, and caught where the whole reading began: bad input, with its place. */
export class BadInput extends Error {}

/** A value somewhere in a JSON document, with the path that leads to it. Nulls count as absent. */
export class JsonReader {
  readonly value: unknown;
  readonly path: string;

  constructor(value: unknown, path: string) {
    this.value = value ?? undefined;
    this.path = path;
  }

  get present(): boolean {
    return this.value !== undefined;
  }

  fail(expected: string): never {
    const got = this.value === undefined ? 'nothing' : JSON.stringify(this.value).slice(0, 60);
    throw new BadInput(`${this.path}: expected ${expected}, got ${got}`);
  }

  at(key: string): JsonReader {
    const { value } = this;
    if (value !== undefined && (typeof value !== 'object' || value === null || Array.isArray(value))) this.fail('an object');
    const own = value !== undefined && Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
    return new JsonReader(own, `${this.path}.${key}`);
  }

  object(): JsonReader {
    if (typeof this.value !== 'object' || Array.isArray(this.value)) this.fail('an object');
    return this;
  }

  keys(): string[] {
    return this.present ? Object.keys(this.object().value as object) : [];
  }

  /** The items of a list; an absent list is empty. */
  items(): JsonReader[] {
    if (this.value === undefined) return [];
    if (!Array.isArray(this.value)) this.fail('a list');
    return (this.value as unknown[]).map((item, i) => new JsonReader(item, `${this.path}[${i}]`));
  }

  text(): string {
    return typeof this.value === 'string' ? this.value : this.fail('a text');
  }

  boolean(): boolean {
    return typeof this.value === 'boolean' ? this.value : this.fail('true or false');
  }

  integer(min: number, max: number): number {
    const { value } = this;
    return Number.isInteger(value) && (value as number) >= min && (value as number) <= max
      ? (value as number)
      : this.fail(`a whole number from ${min} to ${max}`);
  }

  oneOf<T extends string>(...texts: readonly T[]): T {
    return texts.includes(this.value as T) ? (this.value as T) : this.fail(texts.join(', '));
  }

  texts(): string[] {
    return this.items().map((item) => item.text());
  }

  /** undefined if absent, otherwise what `read` makes of it. */
  optional<T>(read: (reader: JsonReader) => T): T | undefined {
    return this.present ? read(this) : undefined;
  }
}
