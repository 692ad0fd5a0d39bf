import type { HookName } from '../../../protocol/event.ts';
import { fieldOf, isDataType } from './data-type.ts';
import type { BaseHook, Chain, DataType, Family, Rule, SetDefinition, Table } from './model.ts';
import { parseRule } from './parse-statement.ts';
import { duration, number, parseElements } from './parse-value.ts';
import { parsePriority } from './priority.ts';
import type { TokenReader } from './tokens.ts';

/** What stands between the braces of `table … { }`. */
export function parseTableBlock(reader: TokenReader, family: Family, name: string): Table {
  const chains = new Map<string, Chain>();
  const sets: SetDefinition[] = [];
  const maps: SetDefinition[] = [];
  const setOrder: string[] = [];
  let comment: string | undefined;
  for (reader.skipEnds(); !reader.accept('}'); reader.skipEnds()) {
    if (reader.accept('comment')) comment = reader.string('a comment');
    else if (reader.accept('chain')) {
      const chain = parseChainBlock(reader, family, reader.word('the name of a chain'));
      const before = chains.get(chain.name);
      chains.set(chain.name, { ...before, ...chain, rules: [...(before?.rules ?? []), ...chain.rules] });
    } else if (reader.peek().text === 'set' || reader.peek().text === 'map') {
      const isMap = reader.take().text === 'map';
      const definition = parseSetBlock(reader, reader.word('the name of a set'), isMap);
      (isMap ? maps : sets).push(definition);
      setOrder.push(definition.name);
    } else if (reader.atEnd) reader.refuse('expected "}"');
    else reader.refuse(`"${reader.peek().text}" in a table is not modelled`);
    reader.endOfCommand();
  }
  return { family, name, comment, chains: [...chains.values()], sets, maps, setOrder };
}

/** `{ [comment "…"] [type … hook … priority … ; policy … ;] rules }` */
export function parseChainBlock(reader: TokenReader, family: Family, name: string): Chain {
  const rules: Rule[] = [];
  let base: BaseHook | undefined;
  let comment: string | undefined;
  reader.expect('{');
  for (reader.skipEnds(); !reader.accept('}'); reader.skipEnds()) {
    if (reader.accept('comment')) comment = reader.string('a comment');
    else if (reader.accept('type')) base = parseHook(reader);
    else if (reader.accept('policy')) {
      const policy = reader.accept('accept') ? 'accept' : reader.accept('drop') ? 'drop' : reader.refuse('expected "accept" or "drop"');
      if (base === undefined) reader.refuse('a policy needs a hook before it');
      base = { ...base, policy };
    } else if (reader.atEnd) reader.refuse('expected "}"');
    else rules.push(parseRule(reader, family));
    reader.endOfCommand();
  }
  return { name, base, comment, rules };
}

const HOOKS = new Map<string, HookName>([
  ['prerouting', 'PREROUTING'],
  ['input', 'INPUT'],
  ['forward', 'FORWARD'],
  ['output', 'OUTPUT'],
  ['postrouting', 'POSTROUTING'],
]);

function parseHook(reader: TokenReader): BaseHook {
  const type = reader.word('a type of chain');
  if (type !== 'filter' && type !== 'nat' && type !== 'route') reader.refuse(`the chain type "${type}" is not known`);
  reader.expect('hook');
  const hookName = reader.word('a hook');
  const hook = HOOKS.get(hookName);
  if (hook === undefined) reader.refuse(`the hook "${hookName}" is not modelled`);
  if (reader.peek().text === 'device' || reader.peek().text === 'devices') reader.refuse('chains of a device are not modelled');
  reader.expect('priority');
  const words: string[] = [];
  while (reader.peek().kind === 'word' && words.length < 3) words.push(reader.take().text);
  const priority = parsePriority(words, hook);
  if (priority === undefined) reader.refuse(`the priority "${words.join(' ')}" is not known at ${hookName}`);
  return { type, hook, priority, policy: 'accept' };
}

const FLAGS = ['constant', 'dynamic', 'interval', 'timeout'] as const;

/** `{ type … ; flags … ; timeout … ; size … ; auto-merge ; comment "…" ; elements = { … } }` */
export function parseSetBlock(reader: TokenReader, name: string, isMap: boolean): SetDefinition {
  let set: SetDefinition = { name, key: [], flags: [], elements: [] };
  reader.expect('{');
  for (reader.skipEnds(); !reader.accept('}'); reader.skipEnds()) {
    if (reader.accept('type')) {
      const key = parseTypes(reader);
      if (isMap) reader.expect(':');
      set = { ...set, key, ...(isMap ? { data: parseTypes(reader) } : {}) };
    } else if (reader.accept('flags')) set = { ...set, flags: parseFlags(reader) };
    else if (reader.accept('timeout')) set = { ...set, timeoutSeconds: duration(reader) };
    else if (reader.accept('gc-interval')) set = { ...set, gcIntervalSeconds: duration(reader) };
    else if (reader.accept('size')) set = { ...set, size: number(reader, 'a number') };
    else if (reader.accept('auto-merge')) set = { ...set, autoMerge: true };
    else if (reader.accept('comment')) set = { ...set, comment: reader.string('a comment') };
    else if (reader.accept('elements')) {
      reader.expect('=');
      if (set.key.length === 0) reader.refuse('the type must stand before the elements');
      set = { ...set, elements: parseElements(reader, set.key.map(fieldOf), set.data?.map(fieldOf)) };
    } else if (reader.atEnd) reader.refuse('expected "}"');
    else reader.refuse(`"${reader.peek().text}" in a set is not modelled`);
    reader.endOfCommand();
  }
  if (set.key.length === 0) reader.refuse(`${isMap ? 'map' : 'set'} definition does not specify key`);
  return set;
}

function parseTypes(reader: TokenReader): DataType[] {
  const types: DataType[] = [];
  do {
    const text = reader.word('a type');
    if (!isDataType(text) || text === 'integer') reader.refuse(`the type "${text}" is not modelled`);
    types.push(text);
  } while (reader.accept('.'));
  return types;
}

function parseFlags(reader: TokenReader): SetDefinition['flags'] {
  const flags: SetDefinition['flags'][number][] = [];
  do {
    const text = reader.word('a flag');
    const flag = FLAGS.find((candidate) => candidate === text);
    if (flag === undefined) reader.refuse(`the flag "${text}" is not modelled`);
    flags.push(flag);
  } while (reader.accept(','));
  return flags;
}
