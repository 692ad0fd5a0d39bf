/** Bad input on the command line: one clear line, exit code 2. */
export class UsageError extends Error {}

export interface Arguments {
  readonly command: string;
  /** Every value of an option, in order; flags without a value have `''`. */
  readonly options: ReadonlyMap<string, readonly string[]>;
  /** Words that belong to no option, where the command takes such. */
  readonly operands: readonly string[];
}

/** Options of each command: `value` takes one, `values` may repeat and takes several words, `flag` takes none; `OPERAND` allows one word without an option. */
type Spec = Readonly<Record<string, 'value' | 'values' | 'flag' | 'operand'>>;

export function parseArguments(argv: readonly string[], specs: Readonly<Record<string, Spec>>): Arguments {
  const [command, ...rest] = argv;
  if (command === undefined) throw new UsageError(`a command is missing; commands: ${Object.keys(specs).join(', ')}`);
  const spec = specs[command];
  if (!spec) throw new UsageError(`there is no command ${JSON.stringify(command)}; commands: ${Object.keys(specs).join(', ')}`);
  const options = new Map<string, string[]>();
  const operands: string[] = [];
  for (let i = 0; i < rest.length; i++) {
    const word = rest[i] as string;
    const equals = word.indexOf('=');
    const name = word.startsWith('--') ? word.slice(2, equals > 0 ? equals : undefined) : '';
    const kind = spec[name];
    if (!word.startsWith('--') && spec.OPERAND && operands.length === 0) {
      operands.push(word);
      continue;
    }
    if (!kind || kind === 'operand')
      throw new UsageError(
        `${command}: ${JSON.stringify(word)} is not understood; options: ${
          Object.keys(spec)
            .filter((o) => o !== 'OPERAND')
            .map((o) => `--${o}`)
            .join(', ') || 'none'
        }`,
      );
    const values = options.get(name) ?? [];
    if (kind === 'value' && values.length > 0) throw new UsageError(`${command}: --${name} is given twice`);
    options.set(name, values);
    if (kind === 'flag') {
      values.push('');
    } else if (equals > 0) {
      values.push(word.slice(equals + 1));
    } else {
      const first = rest[++i];
      if (first === undefined || (first.startsWith('--') && first.length > 2)) throw new UsageError(`${command}: --${name} needs a value`);
      values.push(first);
      while (kind === 'values' && rest[i + 1] !== undefined && !(rest[i + 1] as string).startsWith('--')) values.push(rest[++i] as string);
    }
  }
  return { command, options, operands };
}

export function required(args: Arguments, name: string): string {
  const value = args.options.get(name)?.[0];
  if (value === undefined) throw new UsageError(`${args.command}: --${name} is missing`);
  return value;
}

export const optional = (args: Arguments, name: string): string | undefined => args.options.get(name)?.[0];

export function oneOf<T extends string>(args: Arguments, name: string, allowed: readonly T[]): T | undefined {
  const value = optional(args, name);
  if (value === undefined) return undefined;
  const found = allowed.find((a) => a === value);
  if (found === undefined) throw new UsageError(`${args.command}: --${name}: expected ${allowed.join(', ')}, got ${JSON.stringify(value)}`);
  return found;
}

export function wholeNumber(args: Arguments, name: string, min: number, max: number): number | undefined {
  const text = optional(args, name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max)
    throw new UsageError(`${args.command}: --${name}: expected a whole number from ${min} to ${max}, got ${JSON.stringify(text)}`);
  return value;
}
