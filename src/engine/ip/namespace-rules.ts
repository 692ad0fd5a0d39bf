import { err, ok, type Result } from '../../base/result.ts';
import type { RuleTableView } from '../../protocol/event.ts';
import type { RuleChainView } from '../../protocol/view.ts';
import type { BuiltInChain, Rule, TableName, TablePatch } from '../netfilter/iptables/model.ts';
import { parseTables } from '../netfilter/iptables/parse.ts';
import { isBuiltIn, ruleText, saveTables } from '../netfilter/iptables/save.ts';
import { IptablesTables } from '../netfilter/iptables/table.ts';
import type { Netns, RuleTables } from './netns.ts';
import { RuleHooks } from './rule-hooks.ts';

type ChainName = Pick<RuleChainView, 'framework' | 'family' | 'table' | 'name'>;

/** At most so many rules of a chain are listed at once. */
const LISTED_RULES_MAX = 2_000;

/** All rules of a network namespace, and their place in its hooks. */
export class NamespaceRules implements RuleTables {
  readonly iptables = new IptablesTables('ip');
  private readonly hooks: RuleHooks;

  constructor(netns: Netns) {
    this.hooks = new RuleHooks(netns);
  }

  /** Puts the rules as they are now into the hooks; to be called after writing. */
  changed(): void {
    this.hooks.register([this.iptables]);
  }

  /** `iptables-restore`: replaces the tables that the text names. */
  restore(text: string): Result<undefined, string> {
    const parsed = parseTables(text);
    if (!parsed.ok) return err(parsed.error.map(({ line, message }) => `line ${line}: ${message}`).join('\n'));
    for (const table of parsed.value) {
      const loaded = this.iptables.load(table, table.counters);
      if (!loaded.ok) return err(problemText(loaded.error));
    }
    this.changed();
    return ok(undefined);
  }

  /** `nft -f` */
  loadNftables(_text: string): Result<undefined, string> {
    return err('not yet');
  }

  /** `iptables-restore --noflush`: fills the chains that the text names, adds to the built-in ones. */
  restoreMore(text: string): Result<undefined, string> {
    const parsed = parseTables(text);
    if (!parsed.ok) return err(parsed.error.map(({ line, message }) => `line ${line}: ${message}`).join('\n'));
    for (const { table, chains } of parsed.value) {
      const patched = this.patch({
        table,
        chains: new Map(chains.map(({ name, rules }) => [name, isBuiltIn(table, name) ? [...this.rulesOf(table, name), ...rules] : rules])),
        deleted: [],
      });
      if (!patched.ok) return patched;
    }
    this.changed();
    return ok(undefined);
  }

  patch(patch: TablePatch): Result<undefined, string> {
    const patched = this.iptables.patch(patch);
    return patched.ok ? ok(undefined) : err(problemText(patched.error));
  }

  rulesOf(table: TableName, chain: string): readonly Rule[] {
    return this.iptables.rules(table)?.chains.find(({ name }) => name === chain)?.rules ?? [];
  }

  setPolicy(table: TableName, chain: BuiltInChain, policy: 'ACCEPT' | 'DROP'): Result<undefined, string> {
    const set = this.iptables.setPolicy(table, chain, policy);
    if (!set.ok) return err(problemText(set.error));
    this.changed();
    return ok(undefined);
  }

  tableViews(): RuleTableView[] {
    return this.iptables.allRules().map(({ table, chains }) => ({
      framework: 'iptables',
      family: 'ip',
      name: table,
      chains: chains.length,
      rules: chains.reduce((sum, chain) => sum + chain.rules.length, 0),
    }));
  }

  /** What `iptables-save` prints, without its comments. */
  iptablesSave(): string {
    return saveTables(this.iptables.allRules(), { counters: this.iptables.counters });
  }

  chainNames(): ChainName[] {
    return this.iptables
      .allRules()
      .flatMap(({ table, chains }) => chains.map(({ name }) => ({ framework: 'iptables' as const, family: 'ip', table, name })));
  }

  chain(wanted: ChainName): RuleChainView | undefined {
    if (wanted.framework !== 'iptables') return undefined;
    const table = wanted.table as TableName;
    const chain = this.iptables.rules(table)?.chains.find(({ name }) => name === wanted.name);
    if (!chain) return undefined;
    const base = this.iptables.baseChains().find((b) => b.table === table && b.name === chain.name);
    const counters = this.iptables.counters(table, chain.name);
    return {
      ...wanted,
      base: base && { hook: base.hook, priority: base.priority, type: base.type, policy: chain.policy ?? 'ACCEPT' },
      rules: chain.rules.slice(0, LISTED_RULES_MAX).map((rule, i) => ({
        text: ruleText('ip', chain.name, rule),
        packets: counters?.rules?.[2 * i] ?? 0,
        bytes: counters?.rules?.[2 * i + 1] ?? 0,
      })),
      ruleCount: chain.rules.length,
    };
  }
}

function problemText({ table, chain, rule, message }: { table: string; chain: string; rule: number; message: string }): string {
  return `table ${table}, chain ${chain}${rule > 0 ? `, rule ${rule}` : ''}: ${message}`;
}
