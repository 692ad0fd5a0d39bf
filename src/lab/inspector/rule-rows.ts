import type { RuleChainName } from '../../protocol/engine.ts';
import type { RuleChainView } from '../../protocol/view.ts';

/** A line of the rules browser. */
export type RuleRow = { readonly key: string } & (
  | { readonly kind: 'table'; readonly title: string; readonly chains: number }
  | { readonly kind: 'chain'; readonly chain: RuleChainName; readonly view: RuleChainView | undefined; readonly open: boolean }
  | {
      readonly kind: 'rule';
      readonly number: number;
      readonly text: string;
      readonly packets: number;
      readonly bytes: number;
      /** The chain that it hands on to, where that is one of this table. */
      readonly target: RuleChainName | undefined;
    }
  | { readonly kind: 'note'; readonly text: string }
);

export interface RuleBrowser {
  readonly chains: readonly RuleChainName[];
  readonly views: ReadonlyMap<string, RuleChainView>;
  readonly open: ReadonlySet<string>;
  /** Lower case; empty for no search. */
  readonly search: string;
}

export const chainKey = ({ framework, family, table, name }: RuleChainName): string => `${framework} ${family} ${table} ${name}`;

const tableTitle = ({ framework, family, table }: RuleChainName): string =>
  framework === 'iptables' ? `iptables -t ${table}` : `nftables ${family} ${table}`;

/** The browser's lines. A search leaves chains whose name, and rules whose text, contains it. */
export function ruleRows({ chains, views, open, search }: RuleBrowser): readonly RuleRow[] {
  const rows: RuleRow[] = [];
  const known = new Map(chains.map((chain) => [chainKey(chain), chain]));
  const perTable = new Map<string, number>();
  for (const chain of chains) perTable.set(tableTitle(chain), (perTable.get(tableTitle(chain)) ?? 0) + 1);
  let title = '';
  for (const chain of chains) {
    const key = chainKey(chain);
    const view = views.get(key);
    const named = chain.name.toLowerCase().includes(search);
    const found = search === '' || named ? undefined : (view?.rules.filter((rule) => rule.text.toLowerCase().includes(search)).length ?? 0);
    if (found === 0) continue;
    if (title !== tableTitle(chain)) {
      title = tableTitle(chain);
      rows.push({ kind: 'table', key: `table ${title}`, title, chains: perTable.get(title) as number });
    }
    const isOpen = open.has(key) || (found !== undefined && found > 0);
    rows.push({ kind: 'chain', key, chain, view, open: isOpen });
    if (!isOpen) continue;
    if (!view) {
      rows.push({ kind: 'note', key: `${key} note`, text: 'asking' });
      continue;
    }
    view.rules.forEach((rule, i) => {
      if (found !== undefined && !rule.text.toLowerCase().includes(search)) return;
      rows.push({ ...rule, kind: 'rule', key: `${key} ${i}`, number: i + 1, target: targetOf(rule.text, chain, known) });
    });
    if (view.ruleCount > view.rules.length)
      rows.push({ kind: 'note', key: `${key} note`, text: `and ${view.ruleCount - view.rules.length} more rules` });
    else if (view.ruleCount === 0) rows.push({ kind: 'note', key: `${key} note`, text: 'no rules' });
  }
  return rows;
}

/** Where a rule jumps to, from its text: `-j NAME` and `-g NAME`, or nftables' `jump NAME` and `goto NAME`. */
function targetOf(text: string, from: RuleChainName, known: ReadonlyMap<string, RuleChainName>): RuleChainName | undefined {
  const name = /(?:^| )(?:-[jg]|jump|goto) ([^\s,}]+)/.exec(text)?.[1];
  return name === undefined ? undefined : known.get(chainKey({ ...from, name }));
}
