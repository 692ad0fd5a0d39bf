import { assert } from '../../../base/assert.ts';
import type { BaseHook, Element, Rule, SetDefinition, Transaction, Value } from '../../netfilter/nftables/model.ts';
import { chainText, elementText, ruleText, setText } from './command-text.ts';

interface ChainContent {
  base: BaseHook | undefined;
  comment: string | undefined;
  rules: Rule[];
}

interface SetContent {
  readonly definition: SetDefinition;
  readonly elements: Map<string, Element>;
}

/** What is in kube-proxy's table after its transactions, written as the commands that would make it anew. */
export class TableContent {
  #name = '';
  #comment: string | undefined;
  readonly #chains = new Map<string, ChainContent>();
  readonly #sets = new Map<string, SetContent>();

  apply(transaction: Transaction): void {
    this.#name = `${transaction.family} ${transaction.table}`;
    for (const command of transaction.commands) {
      switch (command.type) {
        case 'addTable':
          this.#comment = command.comment;
          break;
        case 'addChain': {
          const chain = this.#chains.get(command.chain);
          if (chain === undefined) this.#chains.set(command.chain, { base: command.base, comment: command.comment, rules: [] });
          break;
        }
        case 'flushChain':
          this.#chain(command.chain).rules = [];
          break;
        case 'deleteChain':
          assert(this.#chains.delete(command.chain), `chain ${command.chain} exists`);
          break;
        case 'addRule':
          this.#chain(command.chain).rules.push(command.rule);
          break;
        case 'addSet':
        case 'addMap':
          if (!this.#sets.has(command.definition.name)) {
            this.#sets.set(command.definition.name, { definition: command.definition, elements: new Map() });
          }
          break;
        case 'flushSet':
        case 'flushMap':
          this.#set(command.name).elements.clear();
          break;
        case 'deleteSet':
        case 'deleteMap':
          assert(this.#sets.delete(command.name), `set ${command.name} exists`);
          break;
        case 'addElement':
          this.#set(command.set).elements.set(idOf(command.element.key), command.element);
          break;
        case 'deleteElement':
          assert(this.#set(command.set).elements.delete(idOf(command.element.key)), `the element of ${command.set} exists`);
          break;
        default:
          throw new Error(`assertion failed: kube-proxy has no command ${command.type}`);
      }
    }
  }

  /** `add rule` lines of one chain; none if there is no such chain. */
  chainLines(chain: string): string[] {
    return (this.#chains.get(chain)?.rules ?? []).map((rule) => ruleText(this.#name, chain, rule));
  }

  lines(): string[] {
    const comment = this.#comment === undefined ? '' : ` { comment "${this.#comment}" ; }`;
    const sets = [...this.#sets.values()];
    return [
      `add table ${this.#name}${comment}`,
      ...[false, true].flatMap((maps) =>
        sets.flatMap(({ definition }) => ((definition.data !== undefined) === maps ? [setText(this.#name, definition)] : [])),
      ),
      ...[...this.#chains].map(([chain, { base, comment: text }]) => chainText(this.#name, chain, base, text)),
      ...[...this.#chains.keys()].flatMap((chain) => this.chainLines(chain)),
      ...sets.flatMap(({ definition, elements }) =>
        [...elements.values()].map((element) => elementText(this.#name, definition.name, element)),
      ),
    ];
  }

  #chain(name: string): ChainContent {
    const chain = this.#chains.get(name);
    assert(chain !== undefined, `chain ${name} exists`);
    return chain;
  }

  #set(name: string): SetContent {
    const set = this.#sets.get(name);
    assert(set !== undefined, `set ${name} exists`);
    return set;
  }
}

const idOf = (key: Value): string => (key.type === 'concat' ? key.parts.map(idOf).join(' ') : key.type === 'atom' ? String(key.atom) : '');
