import { describe, expect, it } from 'vitest';
import { oneOf, optional, parseArguments, required, UsageError, wholeNumber } from './arguments.ts';

const SPECS = { trace: { manifests: 'values', from: 'value', count: 'value', json: 'flag' } } as const;
const parse = (...argv: string[]) => parseArguments(argv, SPECS);

describe('the command line', () => {
  it('takes several manifests, in one option or in several, and - for standard input', () => {
    expect(parse('trace', '--manifests', 'a', 'b', '--from', 'x', '--manifests', '-').options.get('manifests')).toEqual(['a', 'b', '-']);
  });

  it('takes a value after a space or an equals sign, and flags without one', () => {
    const args = parse('trace', '--from=pod/a/b', '--json');
    expect(required(args, 'from')).toBe('pod/a/b');
    expect(args.options.has('json')).toBe(true);
    expect(optional(args, 'count')).toBeUndefined();
  });

  it('refuses in one clear line what it does not understand', () => {
    expect(() => parse()).toThrow('a command is missing');
    expect(() => parse('tarce')).toThrow('there is no command "tarce"');
    expect(() => parse('trace', '--frm', 'x')).toThrow('"--frm" is not understood');
    expect(() => parseArguments(['ask', 'a', 'b'], { ask: { OPERAND: 'operand' } })).toThrow('"b" is not understood; options: none');
    expect(() => parse('trace', '--from')).toThrow('--from needs a value');
    expect(() => parse('trace', '--from', '--json')).toThrow('--from needs a value');
    expect(() => parse('trace', '--from', 'a', '--from', 'b')).toThrow('given twice');
    expect(() => required(parse('trace'), 'from')).toThrow(UsageError);
    expect(() => wholeNumber(parse('trace', '--count', '1.5'), 'count', 1, 9)).toThrow('a whole number from 1 to 9');
    expect(() => wholeNumber(parse('trace', '--count', '10'), 'count', 1, 9)).toThrow('got "10"');
    expect(() => oneOf(parse('trace', '--from', 'c'), 'from', ['a', 'b'])).toThrow('expected a, b, got "c"');
  });
});
