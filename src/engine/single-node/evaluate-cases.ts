import { assert } from '../../base/assert.ts';
import { ok, type Result } from '../../base/result.ts';
import type { CaseInput } from '../kube-proxy/case-input.ts';
import { type CaseFlow, readCaseInputs, readFlows } from '../kube-proxy/cases.ts';
import { IptablesProxier } from '../kube-proxy/iptables/proxier.ts';
import { NftablesProxier } from '../kube-proxy/nftables/proxier.ts';
import type { BaseChain, ChainVerdict, RuleHost } from '../netfilter/evaluation.ts';
import type { Rule } from '../netfilter/iptables/model.ts';
import { IptablesTables } from '../netfilter/iptables/table.ts';
import { NftRuleset } from '../netfilter/nftables/ruleset.ts';
import { followAllWays } from '../outcomes.ts';
import { LoneHost, LonePacket } from './lone-packet.ts';

/** What becomes of the first packet of one flow. */
export interface EvaluatedFlow {
  readonly id: string;
  readonly flow: string;
  readonly verdict: 'DNAT' | 'DROP' | 'REJECT' | 'NONE' | 'ACCEPT';
  /** All that may be chosen, `ip:port`, in the order of the rules. */
  readonly endpoints: readonly string[];
  /** Its source will be translated, in whichever way chance goes. */
  readonly masquerade: boolean;
}

/**
 * Puts the first packet of flows through the rules that kube-proxy writes for the state that each case
 * describes. Like the tests that such cases come from it looks at the nat chains first and then, with the
 * new destination, at all filter chains of Services, whatever hook they are for.
 */
export function evaluateCases(cases: unknown): Result<readonly EvaluatedFlow[], string> {
  const inputs = readCaseInputs(cases);
  if (!inputs.ok) return inputs;
  const flows = readFlows(cases);
  if (!flows.ok) return flows;
  return ok(
    inputs.value.flatMap((input, i) => {
      const walk = input.proxyMode === 'iptables' ? iptablesWalk(input) : nftablesWalk(input);
      return (flows.value[i] ?? []).map((flow) => evaluateFlow(input, flow, walk));
    }),
  );
}

interface Way {
  readonly verdict: EvaluatedFlow['verdict'];
  readonly endpoint: string | undefined;
  readonly masquerade: boolean;
}

type Walk = (packet: LonePacket, host: RuleHost) => Way;

function evaluateFlow(input: CaseInput, flow: CaseFlow, walk: Walk): EvaluatedFlow {
  const local = new Set(input.node.addresses);
  const { ways } = followAllWays((draws) => walk(new LonePacket(flow), new LoneHost(local, draws)));
  const endpoints = ways.flatMap(({ result }) => result.endpoint ?? []);
  const first = ways[0];
  assert(first !== undefined, 'there is always a way');
  return {
    id: input.id,
    flow: flow.name,
    verdict: ways.find(({ result }) => result.verdict === 'DNAT')?.result.verdict ?? first.result.verdict,
    endpoints: [...new Set(endpoints)],
    masquerade: ways.some(({ result }) => result.masquerade),
  };
}

const FILTER_CHAINS = ['KUBE-SERVICES', 'KUBE-EXTERNAL-SERVICES', 'KUBE-NODEPORTS', 'KUBE-PROXY-FIREWALL'];

function iptablesWalk(input: CaseInput): Walk {
  const proxier = new IptablesProxier(input.node, input.config);
  proxier.update(input.objects);
  const sync = proxier.sync(0);
  const tables = new IptablesTables(input.config.family === 'IPv6' ? 'ip6' : 'ip');
  for (const { table, chain } of sync.ensuredChains) written(tables.patch({ table, chains: new Map([[chain, []]]), deleted: [] }));
  for (const patch of sync.patches) written(tables.patch(patch));
  for (const { table, chain, rule } of sync.jumpRules) if (table === 'nat') written(tables.insert(table, chain, 1, rule));
  for (const chain of FILTER_CHAINS) {
    const jump: Rule = { matches: [], target: { type: 'jump', chain } };
    written(tables.append('filter', 'FORWARD', jump));
  }
  const chains = tables.baseChains();
  const nat = named(chains, 'nat', 'PREROUTING');
  const filter = named(chains, 'filter', 'FORWARD');
  return (packet, host) => {
    const decided = evaluate(nat, packet, host);
    const endpoint = packet.translate(decided.verdict);
    const filtered = evaluate(filter, packet, host);
    const masquerade = (packet.mark & input.config.masqueradeMark) !== 0;
    return { verdict: verdictOf(endpoint, filtered.verdict, filtered.accepted), endpoint, masquerade };
  };
}

function nftablesWalk(input: CaseInput): Walk {
  const proxier = new NftablesProxier(input.node, input.config);
  proxier.update(input.objects);
  const ruleset = new NftRuleset();
  written(ruleset.apply(proxier.sync(0), 0));
  const chains = ruleset.baseChains();
  const before = named(chains, 'kube-proxy', 'filter-prerouting-pre-dnat');
  const nat = named(chains, 'kube-proxy', 'nat-prerouting');
  const after = ['filter-forward', 'filter-input', 'filter-output'].map((name) => named(chains, 'kube-proxy', name));
  const last = named(chains, 'kube-proxy', 'nat-postrouting');
  return (packet, host) => {
    const refused = evaluate(before, packet, host).verdict;
    if (refused.kind !== 'accept') return { verdict: verdictOf(undefined, refused, false), endpoint: undefined, masquerade: false };
    const endpoint = packet.translate(evaluate(nat, packet, host).verdict);
    for (const chain of after) {
      const { verdict } = evaluate(chain, packet, host);
      if (verdict.kind === 'drop' || verdict.kind === 'reject')
        return { verdict: verdictOf(undefined, verdict, false), endpoint: undefined, masquerade: false };
    }
    const masquerade = evaluate(last, packet, host).verdict.kind === 'nat';
    return { verdict: verdictOf(endpoint, { kind: 'accept' }, false), endpoint, masquerade };
  };
}

function evaluate(chain: BaseChain, packet: LonePacket, host: RuleHost): { readonly verdict: ChainVerdict; readonly accepted: boolean } {
  let accepted = false;
  packet.hook = chain.hook;
  const verdict = chain.evaluate(
    packet,
    host,
    { rules: 0, lookups: 0 },
    {
      matched: ({ action }) => {
        accepted = action === 'accept';
      },
    },
  );
  return { verdict, accepted };
}

function verdictOf(endpoint: string | undefined, filtered: ChainVerdict, accepted: boolean): Way['verdict'] {
  if (filtered.kind === 'drop') return 'DROP';
  if (filtered.kind === 'reject') return 'REJECT';
  if (endpoint !== undefined) return 'DNAT';
  return accepted ? 'ACCEPT' : 'NONE';
}

function named(chains: readonly BaseChain[], table: string, name: string): BaseChain {
  const chain = chains.find((candidate) => candidate.table === table && candidate.name === name);
  assert(chain !== undefined, `kube-proxy makes the chain ${name}`);
  return chain;
}

function written(result: Result<undefined, { readonly message: string }>): void {
  assert(result.ok, result.ok ? '' : `what kube-proxy writes is valid: ${result.error.message}`);
}
