import { fieldOf } from './data-type.ts';
import type { Command, DataType, Transaction } from './model.ts';
import { elementText } from './print-rule.ts';

/** A command in nft's words, short: for messages. `key`: the types of the set, where it is about elements. */
export function commandText({ family, table }: Transaction, command: Command, key: readonly DataType[]): string {
  const of = `${family} ${table}`;
  switch (command.type) {
    case 'addTable':
      return `add table ${command.family} ${command.table}`;
    case 'deleteTable':
      return `delete table ${command.family} ${command.table}`;
    case 'flushTable':
      return `flush table ${of}`;
    case 'flushRuleset':
      return 'flush ruleset';
    case 'addChain':
      return `add chain ${of} ${command.chain}`;
    case 'flushChain':
      return `flush chain ${of} ${command.chain}`;
    case 'deleteChain':
      return `delete chain ${of} ${command.chain}`;
    case 'addRule':
      return `add rule ${of} ${command.chain}`;
    case 'addSet':
      return `add set ${of} ${command.definition.name}`;
    case 'addMap':
      return `add map ${of} ${command.definition.name}`;
    case 'flushSet':
      return `flush set ${of} ${command.name}`;
    case 'deleteSet':
      return `delete set ${of} ${command.name}`;
    case 'flushMap':
      return `flush map ${of} ${command.name}`;
    case 'deleteMap':
      return `delete map ${of} ${command.name}`;
    case 'addElement':
    case 'deleteElement': {
      const verb = command.type === 'addElement' ? 'add' : 'delete';
      return `${verb} element ${of} ${command.set} { ${elementText({ ...command.element, data: undefined }, key.map(fieldOf), undefined)} }`;
    }
  }
}
