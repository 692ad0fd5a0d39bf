import type { Result } from '../../../base/result.ts';
import { err, ok } from '../../../base/result.ts';
import type { Chain, ChainCounters, IptablesFamily, Rule, TableName, TableRules } from './model.ts';
import { TABLE_CHAINS } from './model.ts';
import { RuleReader } from './parse-rule.ts';
import { isBuiltIn } from './save.ts';
import { ruleProblem } from './validate.ts';
import { Refusal, Words } from './words.ts';

/** What one `*table` … `COMMIT` says. */
export interface ParsedTable extends TableRules {
  /** Of the chains that had counters other than 0. */
  readonly counters: ReadonlyMap<string, ChainCounters>;
  /** Chains deleted by `-X`, which iptables-restore --noflush does last. */
  readonly deleted: readonly string[];
}

export interface LineProblem {
  /** Counted from 1. */
  readonly line: number;
  readonly message: string;
}

/** Reads what iptables-save printed, or what iptables-restore is given. All lines that are not understood are named. */
export function parseTables(text: string, family: IptablesFamily = 'ip'): Result<readonly ParsedTable[], readonly LineProblem[]> {
  const parser = new DumpParser(family);
  let line = 0;
  for (let start = 0; start <= text.length; ) {
    let end = text.indexOf('\n', start);
    if (end < 0) end = text.length;
    line++;
    try {
      parser.line(text.slice(start, text.charCodeAt(end - 1) === CARRIAGE_RETURN && end > start ? end - 1 : end));
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      parser.problems.push({ line, message: refusal.message });
    }
    start = end + 1;
  }
  if (parser.open !== undefined) parser.problems.push({ line, message: `the table ${parser.open} has no COMMIT` });
  return parser.problems.length > 0 ? err(parser.problems) : ok(parser.tables);
}

/** Reads one `-A CHAIN …` line. A list of addresses makes several rules of it. */
export function parseRule(
  line: string,
  family: IptablesFamily = 'ip',
): Result<{ readonly chain: string; readonly rules: readonly Rule[] }, string> {
  try {
    const words = new Words(line);
    const command = words.next();
    if (command !== '-A' && command !== '--append') throw new Refusal('a rule begins with "-A"');
    const chain = words.value(command);
    return ok({ chain, rules: new RuleReader(family, words).read().rules });
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    return err(refusal.message);
  }
}

const CARRIAGE_RETURN = 13;
const HASH = 35;
const COLON = 58;
const STAR = 42;
const MINUS = 45;
const BRACKET = 91;

interface OpenChain {
  readonly name: string;
  readonly policy: Chain['policy'];
  packets: number;
  bytes: number;
  rules: Rule[];
  /** By rule; shorter than `rules` where the rest has none. */
  counted: number[] | undefined;
}

class DumpParser {
  readonly tables: ParsedTable[] = [];
  readonly problems: LineProblem[] = [];
  open: TableName | undefined;
  private readonly family: IptablesFamily;
  private chains = new Map<string, OpenChain>();
  private deleted: string[] = [];
  /** The chain of the last rule: the next one mostly is in the same. */
  private last: OpenChain | undefined;

  constructor(family: IptablesFamily) {
    this.family = family;
  }

  line(text: string): void {
    const first = text.charCodeAt(0);
    if (Number.isNaN(first) || first === HASH) return;
    if (first === STAR) this.beginTable(text.slice(1).trim());
    else if (first === COLON) this.declareChain(text, this.inside());
    else if (first === MINUS || first === BRACKET) this.command(text, this.inside());
    else {
      const trimmed = text.trim();
      if (trimmed === 'COMMIT') this.commit();
      else if (trimmed !== text) this.line(trimmed);
      else throw new Refusal(`"${text.length > 40 ? `${text.slice(0, 40)}…` : text}" is not understood`);
    }
  }

  private inside(): TableName {
    if (this.open === undefined) throw new Refusal('this stands outside of a table');
    return this.open;
  }

  private beginTable(name: string): void {
    if (this.open !== undefined) throw new Refusal(`the table ${this.open} has no COMMIT`);
    if (!Object.hasOwn(TABLE_CHAINS, name)) throw new Refusal(`there is no table "${name}"`);
    if (this.tables.some(({ table }) => table === name)) throw new Refusal(`the table ${name} comes twice`);
    this.open = name as TableName;
    this.chains = new Map();
    this.deleted = [];
    this.last = undefined;
  }

  private commit(): void {
    if (this.open === undefined) throw new Refusal('COMMIT stands outside of a table');
    const chains: Chain[] = [];
    const counters = new Map<string, ChainCounters>();
    for (const { name, policy, packets, bytes, rules, counted } of this.chains.values()) {
      chains.push({ name, policy, rules });
      if (counted !== undefined || packets > 0 || bytes > 0) counters.set(name, { packets, bytes, rules: counted });
    }
    this.tables.push({ table: this.open, chains, counters, deleted: this.deleted });
    this.open = undefined;
  }

  /** `:NAME POLICY [packets:bytes]` */
  private declareChain(text: string, table: TableName): void {
    const m = /^:(\S+)\s+(\S+)(?:\s+\[(\d+):(\d+)\])?\s*$/.exec(text);
    if (m === null) throw new Refusal('a chain is declared as ":NAME POLICY [packets:bytes]"');
    const [, name = '', policy = ''] = m;
    if (name.length > 28) throw new Refusal(`the name of the chain ${name} is longer than 28 characters`);
    if (this.chains.has(name)) throw new Refusal(`the chain ${name} is declared twice`);
    // The policy that a user-defined chain is declared with is ignored by the tool.
    const kept = isBuiltIn(table, name) ? builtInPolicy(name, policy) : undefined;
    const chain: OpenChain = { name, policy: kept, packets: 0, bytes: 0, rules: [], counted: undefined };
    if (kept !== undefined && m[3] !== undefined) {
      chain.packets = Number(m[3]);
      chain.bytes = Number(m[4]);
    }
    this.chains.set(name, chain);
  }

  private command(text: string, table: TableName): void {
    let counters: readonly [number, number] | undefined;
    let line = text;
    if (text.charCodeAt(0) === BRACKET) {
      const m = /^\[(\d+):(\d+)\]\s*/.exec(text);
      if (m === null) throw new Refusal('counters are written as "[packets:bytes]"');
      counters = [Number(m[1]), Number(m[2])];
      line = text.slice(m[0].length);
    }
    const words = new Words(line);
    const command = words.next() ?? '';
    if (command === '-A' || command === '--append') {
      const chain = this.chain(words.value(command), table);
      const read = new RuleReader(this.family, words).read();
      for (const rule of read.rules) this.append(chain, rule, read.counters ?? counters, table);
    } else if (command === '-I' || command === '--insert') {
      const chain = this.chain(words.value(command), table);
      const position = /^\d+$/.test(words.peek() ?? '') ? Number(words.next()) : 1;
      if (position < 1 || position > chain.rules.length + 1) throw new Refusal(`the chain ${chain.name} has no place ${position}`);
      if (chain.counted !== undefined || counters !== undefined) throw new Refusal('counters with "-I" are not modelled');
      const { rules } = new RuleReader(this.family, words).read();
      for (const rule of rules) this.check(chain, rule, table);
      chain.rules.splice(position - 1, 0, ...rules);
    } else if (command === '-N' || command === '--new-chain') this.declareChain(`:${words.value(command)} -`, table);
    else if (command === '-X' || command === '--delete-chain') this.deleted.push(words.value(command));
    else throw new Refusal(`the command "${command}" is not modelled`);
  }

  private append(chain: OpenChain, rule: Rule, counters: readonly [number, number] | undefined, table: TableName): void {
    this.check(chain, rule, table);
    if (counters !== undefined && (counters[0] > 0 || counters[1] > 0)) {
      chain.counted ??= [];
      while (chain.counted.length < chain.rules.length * 2) chain.counted.push(0);
      chain.counted.push(...counters);
    }
    chain.rules.push(rule);
  }

  private check(chain: OpenChain, rule: Rule, table: TableName): void {
    const problem = ruleProblem(this.family, table, chain.name, rule);
    if (problem !== undefined) throw new Refusal(problem);
  }

  private chain(name: string, table: TableName): OpenChain {
    if (this.last?.name === name) return this.last;
    let chain = this.chains.get(name);
    if (chain === undefined) {
      if (!isBuiltIn(table, name)) throw new Refusal(`the chain ${name} is not declared`);
      chain = { name, policy: 'ACCEPT', packets: 0, bytes: 0, rules: [], counted: undefined };
      this.chains.set(name, chain);
    }
    this.last = chain;
    return chain;
  }
}

function builtInPolicy(chain: string, policy: string): 'ACCEPT' | 'DROP' {
  if (policy === '-') return 'ACCEPT';
  if (policy !== 'ACCEPT' && policy !== 'DROP') throw new Refusal(`the chain ${chain} cannot have the policy "${policy}"`);
  return policy;
}
