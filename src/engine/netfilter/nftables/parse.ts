import { err, ok, type Result } from '../../../base/result.ts';
import { commandsOf } from './commands-of-table.ts';
import { fieldOf } from './data-type.ts';
import type { Command, Family, SetDefinition, Table, Transaction } from './model.ts';
import { parseRule } from './parse-statement.ts';
import { parseChainBlock, parseSetBlock, parseTableBlock } from './parse-table.ts';
import { parseElements } from './parse-value.ts';
import { type ParseError, Refusal, type Token, TokenReader, tokenize } from './tokens.ts';

const FAMILIES = new Set<string>(['ip', 'ip6', 'inet', 'bridge', 'arp', 'netdev']);

/**
 * Reads what `nft list ruleset` prints and what `nft -f` is given: blocks and single commands. The
 * transactions together are one, as a file is. `known`: tables there are already, for the types of sets
 * that the text adds elements to without declaring them. Of a text that is not understood nothing is read.
 */
export function parseTransactions(text: string, known: readonly Table[] = []): Result<readonly Transaction[], readonly ParseError[]> {
  const tokens = tokenize(text);
  if (!tokens.ok) return err([tokens.error]);
  try {
    return ok(new ScriptParser(tokens.value, known).script());
  } catch (problem) {
    if (problem instanceof Refusal) return err([{ line: problem.line, message: problem.message }]);
    throw problem;
  }
}

class ScriptParser {
  private readonly reader: TokenReader;
  private readonly transactions: { readonly family: Family; readonly table: string; readonly commands: Command[] }[] = [];
  private readonly sets = new Map<string, SetDefinition>();

  constructor(tokens: readonly Token[], known: readonly Table[]) {
    this.reader = new TokenReader(tokens);
    for (const table of known) this.declareSets(table);
  }

  script(): readonly Transaction[] {
    for (this.reader.skipEnds(); !this.reader.atEnd; this.reader.skipEnds()) {
      this.say(this.command());
      this.reader.endOfCommand();
    }
    return this.transactions;
  }

  private command(): Transaction {
    const { reader } = this;
    const verb = reader.word('a command');
    switch (verb) {
      case 'table':
        return this.addTable();
      case 'add':
      case 'create':
        return this.add(reader.word('what to add'));
      case 'delete':
        return this.remove(reader.word('what to delete'));
      case 'flush':
        return this.flush(reader.word('what to flush'));
      default:
        return reader.refuse(`the command "${verb}" is not modelled`);
    }
  }

  /** The family may be left out: `ip`. */
  private tableName(): { readonly family: Family; readonly table: string } {
    const family = FAMILIES.has(this.reader.peek().text) ? (this.reader.take().text as Family) : 'ip';
    if (family !== 'ip' && family !== 'ip6' && family !== 'inet') this.reader.refuse(`the family "${family}" is not modelled`);
    return { family, table: this.reader.word('the name of a table') };
  }

  private addTable(): Transaction {
    const { family, table } = this.tableName();
    if (!this.reader.accept('{')) return of(family, table, { type: 'addTable', family, table });
    const block = parseTableBlock(this.reader, family, table);
    this.declareSets(block);
    return commandsOf(block);
  }

  private add(what: string): Transaction {
    const { reader } = this;
    if (what === 'table') return this.addTable();
    const { family, table } = this.tableName();
    const name = reader.word(`the name of a ${what}`);
    switch (what) {
      case 'chain': {
        const isBlock = reader.peek().text === '{';
        const { base, comment, rules } = isBlock
          ? parseChainBlock(reader, family, name)
          : { base: undefined, comment: undefined, rules: [] };
        const ofRules = rules.map((rule): Command => ({ type: 'addRule', chain: name, rule }));
        return of(family, table, { type: 'addChain', chain: name, base, comment }, ...ofRules);
      }
      case 'rule':
        if (/^(position|index|handle)$/.test(reader.peek().text)) reader.refuse(`"${reader.peek().text}" of a rule is not modelled`);
        return of(family, table, { type: 'addRule', chain: name, rule: parseRule(reader, family) });
      case 'set':
      case 'map': {
        const definition = parseSetBlock(reader, name, what === 'map');
        this.sets.set(`${family} ${table} ${name}`, definition);
        return of(family, table, { type: what === 'map' ? 'addMap' : 'addSet', definition });
      }
      case 'element':
        return this.elements('addElement', family, table, name);
      default:
        return reader.refuse(`"add ${what}" is not modelled`);
    }
  }

  private remove(what: string): Transaction {
    const { reader } = this;
    const { family, table } = this.tableName();
    if (what === 'table') return of(family, table, { type: 'deleteTable', family, table });
    const name = reader.word(`the name of a ${what}`);
    if (what === 'chain') return of(family, table, { type: 'deleteChain', chain: name });
    if (what === 'set') return of(family, table, { type: 'deleteSet', name });
    if (what === 'map') return of(family, table, { type: 'deleteMap', name });
    if (what === 'element') return this.elements('deleteElement', family, table, name);
    return reader.refuse(`"delete ${what}" is not modelled`);
  }

  private flush(what: string): Transaction {
    const { reader } = this;
    if (what === 'ruleset') return of('ip', '', { type: 'flushRuleset' });
    const { family, table } = this.tableName();
    if (what === 'table') return of(family, table, { type: 'flushTable' });
    const name = reader.word(`the name of a ${what}`);
    if (what === 'chain') return of(family, table, { type: 'flushChain', chain: name });
    if (what === 'set') return of(family, table, { type: 'flushSet', name });
    if (what === 'map') return of(family, table, { type: 'flushMap', name });
    return reader.refuse(`"flush ${what}" is not modelled`);
  }

  private elements(type: 'addElement' | 'deleteElement', family: Family, table: string, set: string): Transaction {
    const definition = this.sets.get(`${family} ${table} ${set}`);
    if (definition === undefined) this.reader.refuse(`the set "${set}" is not declared`);
    const elements = parseElements(this.reader, definition.key.map(fieldOf), definition.data?.map(fieldOf));
    return of(family, table, ...elements.map((element): Command => ({ type, set, element })));
  }

  private declareSets(table: Table): void {
    for (const set of [...table.sets, ...table.maps]) this.sets.set(`${table.family} ${table.name} ${set.name}`, set);
  }

  /** Commands for the same table that follow each other are one transaction. */
  private say({ family, table, commands }: Transaction): void {
    const last = this.transactions.at(-1);
    if (last?.family === family && last.table === table) for (const command of commands) last.commands.push(command);
    else this.transactions.push({ family, table, commands: [...commands] });
  }
}

const of = (family: Family, table: string, ...commands: readonly Command[]): Transaction => ({ family, table, commands });
