import { err, ok, type Result } from '../../base/result.ts';
import type { RuleTableView } from '../../protocol/event.ts';
import type { RuleChainView } from '../../protocol/view.ts';
import type { BuiltInChain, Rule, TableName, TablePatch } from '../netfilter/iptables/model.ts';
import { parseTables } from '../netfilter/iptables/parse.ts';
import { isBuiltIn, ruleText, saveTables } from '../netfilter/iptables/save.ts';
import { IptablesTables } from '../netfilter/iptables/table.ts';
import type { Family, Statement, Table, Transaction } from '../netfilter/nftables/model.ts';
import { parseTransactions } from '../netfilter/nftables/parse.ts';
import { printRuleset } from '../netfilter/nftables/print.ts';
import { ruleText as nftRuleText } from '../netfilter/nftables/print-rule.ts';
import { NftRuleset } from '../netfilter/nftables/ruleset.ts';
import type { Netns, RuleTables } from './netns.ts';
import { RuleHooks } from './rule-hooks.ts';

type ChainName = Pick<RuleChainView, 'framework' | 'family' | 'table' | 'name'>;

/** At most so many rules of a chain are listed at once. */
const LISTED_RULES_MAX = 2_000;

/** All rules of a network namespace, and their place in its hooks. */
export class NamespaceRules implements RuleTables {
  readonly iptables = new IptablesTables('ip');
  readonly nftables = new NftRuleset();
  private readonly netns: Netns;
  private readonly hooks: RuleHooks;

  constructor(netns: Netns) {
    this.netns = netns;
    this.hooks = new RuleHooks(netns);
  }

  /** Puts the rules as they are now into the hooks; to be called after writing. */
  changed(): void {
    this.hooks.register([this.iptables, this.nftables]);
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

  /** `nft -f` of a text. */
  loadNftables(text: string): Result<undefined, string> {
    const parsed = parseTransactions(text);
    if (!parsed.ok) return err(parsed.error.map(({ line, message }) => `line ${line}: ${message}`).join('\n'));
    const applied = this.transact(parsed.value);
    if (applied.ok) this.changed();
    return applied;
  }

  /** `nft -f`: all commands take effect, or none. */
  transact(transactions: readonly Transaction[]): Result<undefined, string> {
    const applied = this.nftables.apply(transactions, this.netns.lab.sim.nowNs);
    return applied.ok ? ok(undefined) : err(applied.error.message);
  }

  /** Deletes every chain whose name begins so, and the rules that jump there. */
  removeIptablesChains(prefix: string): Result<undefined, string> {
    for (const { table, chains } of this.iptables.allRules()) {
      const leadsThere = ({ target }: Rule): boolean =>
        (target?.type === 'jump' || target?.type === 'goto') && target.chain.startsWith(prefix);
      const doomed = chains.filter(({ name }) => name.startsWith(prefix)).map(({ name }) => name);
      const changed = new Map<string, readonly Rule[]>(doomed.map((name) => [name, []]));
      for (const { name, rules } of chains)
        if (!changed.has(name) && rules.some(leadsThere))
          changed.set(
            name,
            rules.filter((rule) => !leadsThere(rule)),
          );
      const patched = this.patch({ table, chains: changed, deleted: doomed });
      if (!patched.ok) return patched;
    }
    return ok(undefined);
  }

  hasIptablesChain(table: TableName, chain: string): boolean {
    return this.iptables.counters(table, chain) !== undefined;
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
    return this.iptables.chain(table, chain)?.rules ?? [];
  }

  setPolicy(table: TableName, chain: BuiltInChain, policy: 'ACCEPT' | 'DROP'): Result<undefined, string> {
    const set = this.iptables.setPolicy(table, chain, policy);
    if (!set.ok) return err(problemText(set.error));
    this.changed();
    return ok(undefined);
  }

  tableViews(): RuleTableView[] {
    const iptables = this.iptables.allRules().map(({ table, chains }) => ({
      framework: 'iptables' as const,
      family: 'ip',
      name: table,
      chains: chains.length,
      rules: ruleCount(chains),
    }));
    const nftables = this.nftTables().map(({ family, name, chains }) => ({
      framework: 'nftables' as const,
      family,
      name,
      chains: chains.length,
      rules: ruleCount(chains),
    }));
    return [...iptables, ...nftables];
  }

  /** What `iptables-save` prints, without its comments; with `ruleCounters`, `iptables-save -c`. */
  iptablesSave(ruleCounters = false): string {
    return saveTables(this.iptables.allRules(), { counters: this.iptables.counters, ruleCounters });
  }

  /** What `nft list ruleset` prints of the tables that nft itself wrote. */
  nftListRuleset(): string {
    return printRuleset(this.nftTables());
  }

  chainNames(): ChainName[] {
    const iptables = this.iptables
      .allRules()
      .flatMap(({ table, chains }) => chains.map(({ name }) => ({ framework: 'iptables' as const, family: 'ip', table, name })));
    const nftables = this.nftTables().flatMap(({ family, name: table, chains }) =>
      chains.map(({ name }) => ({ framework: 'nftables' as const, family, table, name })),
    );
    return [...iptables, ...nftables];
  }

  chain(wanted: ChainName): RuleChainView | undefined {
    return wanted.framework === 'iptables' ? this.iptablesChain(wanted) : this.nftChain(wanted);
  }

  private iptablesChain(wanted: ChainName): RuleChainView | undefined {
    const table = wanted.table as TableName;
    const chain = this.iptables.chain(table, wanted.name);
    if (!chain) return undefined;
    const base = this.iptables.baseChains().find((b) => b.table === table && b.name === chain.name);
    const counted = this.iptables.counters(table, chain.name)?.rules;
    return {
      ...wanted,
      base: base && { hook: base.hook, priority: base.priority, type: base.type, policy: chain.policy ?? 'ACCEPT' },
      rules: chain.rules.slice(0, LISTED_RULES_MAX).map((rule, i) => ({
        text: ruleText('ip', chain.name, rule),
        packets: counted?.[2 * i] ?? 0,
        bytes: counted?.[2 * i + 1] ?? 0,
      })),
      ruleCount: chain.rules.length,
    };
  }

  private nftChain(wanted: ChainName): RuleChainView | undefined {
    const table = this.nftables.table(wanted.family as Family, wanted.table, this.netns.lab.sim.nowNs);
    const chain = table?.chains.find(({ name }) => name === wanted.name);
    if (!table || !chain) return undefined;
    return {
      ...wanted,
      base: chain.base,
      rules: chain.rules.slice(0, LISTED_RULES_MAX).map((rule) => {
        const counter = rule.statements.find((s): s is Extract<Statement, { type: 'counter' }> => s.type === 'counter');
        return { text: nftRuleText(rule, table), packets: counter?.packets ?? 0, bytes: counter?.bytes ?? 0 };
      }),
      ruleCount: chain.rules.length,
    };
  }

  private nftTables(): readonly Table[] {
    return this.nftables.tables(this.netns.lab.sim.nowNs);
  }
}

const ruleCount = (chains: readonly { readonly rules: readonly unknown[] }[]): number =>
  chains.reduce((sum, { rules }) => sum + rules.length, 0);

function problemText({ table, chain, rule, message }: { table: string; chain: string; rule: number; message: string }): string {
  return `table ${table}, chain ${chain}${rule > 0 ? `, rule ${rule}` : ''}: ${message}`;
}
