import type { Rule, TablePatch } from '../../netfilter/iptables/model.ts';
import { compareText } from '../compare-text.ts';
import { NODE_PORTS, SERVICES } from './chains.ts';
import { restoreText, ruleText } from './restore-text.ts';

/**
 * The restore input in the order in which Kubernetes' own tests compare it: KUBE-NODEPORTS and
 * KUBE-SERVICES first, the other chains by name.
 */
export function canonicalText(patches: readonly TablePatch[]): string[] {
  return restoreText(
    patches.map((patch) => ({
      ...patch,
      chains: new Map([...patch.chains].sort(([a], [b]) => rank(a) - rank(b) || compareText(a, b))),
      deleted: [...patch.deleted].sort(compareText),
    })),
  );
}

const FIRST = [NODE_PORTS, SERVICES];
const rank = (chain: string): number => (FIRST.includes(chain) ? FIRST.indexOf(chain) : FIRST.length);

/** The rules of one chain; none if there is no such chain. */
export function chainText(patches: readonly TablePatch[], table: string, chain: string): string[] {
  const rules: readonly Rule[] = patches.find((patch) => patch.table === table)?.chains.get(chain) ?? [];
  return rules.map((rule) => ruleText(chain, rule));
}
