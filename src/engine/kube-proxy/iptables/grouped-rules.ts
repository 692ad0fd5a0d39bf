import type { Rule } from '../../netfilter/iptables/model.ts';
import { compareText } from '../compare-text.ts';

/**
 * The rules of a chain that many services write into, in the order of the services' names. A sync writes
 * the whole chain though few services changed, so the rules stand in one array: going through ten
 * thousand services to collect them would cost a cache miss or more for each.
 */
export class GroupedRules {
  /** Services with at least one rule, in order, and how many rules each has. */
  #keys: string[] = [];
  #counts: number[] = [];
  #rules: Rule[] = [];

  /** Starts again; groups are then added in order. */
  clear(): void {
    this.#keys = [];
    this.#counts = [];
    this.#rules = [];
  }

  /** Adds the group of a service that comes after all others. */
  append(key: string, rules: readonly Rule[]): void {
    if (rules.length === 0) return;
    this.#keys.push(key);
    this.#counts.push(rules.length);
    for (const rule of rules) this.#rules.push(rule);
  }

  /** Replaces, inserts or, with no rules, removes the group of a service. */
  set(key: string, rules: readonly Rule[]): void {
    const index = this.#indexOf(key);
    const exists = this.#keys[index] === key;
    if (!exists && rules.length === 0) return;
    let offset = 0;
    for (let i = 0; i < index; i++) offset += this.#counts[i] as number;
    this.#rules.splice(offset, exists ? (this.#counts[index] as number) : 0, ...rules);
    if (rules.length === 0) {
      this.#keys.splice(index, 1);
      this.#counts.splice(index, 1);
    } else if (exists) this.#counts[index] = rules.length;
    else {
      this.#keys.splice(index, 0, key);
      this.#counts.splice(index, 0, rules.length);
    }
  }

  /** All rules, followed by some that belong to no service. A copy: what was handed out does not change. */
  list(last: readonly Rule[]): readonly Rule[] {
    return last.length === 0 ? this.#rules.slice() : this.#rules.concat(last);
  }

  /** Where a key is, or would be. */
  #indexOf(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareText(this.#keys[middle] as string, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
