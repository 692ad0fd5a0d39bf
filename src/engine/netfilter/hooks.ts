import type { HookName } from '../../protocol/event.ts';
import type { Skb } from '../link/skb.ts';

/** What a hook function decides about a packet (include/uapi/linux/netfilter.h). */
export const NF_ACCEPT = 0;
export const NF_DROP = 1;
export type HookVerdict = typeof NF_ACCEPT | typeof NF_DROP;

/** Where in its way a packet is when a hook sees it. */
export interface HookState {
  readonly hook: HookName;
  readonly inDevice: string | undefined;
  readonly outDevice: string | undefined;
  /** Only being switched; br_netfilter shows it to the hook. */
  readonly bridged: boolean;
}

export type HookFunction = (skb: Skb, state: HookState) => HookVerdict;

/** Priorities of the IPv4 hooks (include/uapi/linux/netfilter_ipv4.h); lower runs earlier. */
export const PRIORITY_CONNTRACK = -200;
export const PRIORITY_CONNTRACK_CONFIRM = 2_147_483_647;

interface Registration {
  readonly priority: number;
  readonly run: HookFunction;
}

/** The netfilter hooks of one namespace. A hook that nobody registered at costs a packet nothing. */
export class HookTable {
  private readonly chains: Record<HookName, Registration[]> = { PREROUTING: [], INPUT: [], FORWARD: [], OUTPUT: [], POSTROUTING: [] };
  /** No hook has a function, as in every pod: asked for each packet five times. */
  private none = true;

  register(hook: HookName, priority: number, run: HookFunction): void {
    this.none = false;
    const chain = this.chains[hook];
    chain.push({ priority, run });
    chain.sort((a, b) => a.priority - b.priority);
  }

  /** Forgets every registration, as when the last rule that needs one goes. */
  clear(): void {
    this.none = true;
    for (const hook of Object.keys(this.chains) as HookName[]) this.chains[hook].length = 0;
  }

  isEmpty(hook: HookName): boolean {
    return this.none || this.chains[hook].length === 0;
  }

  run(skb: Skb, state: HookState): HookVerdict {
    const chain = this.chains[state.hook];
    for (let i = 0; i < chain.length; i++) {
      if ((chain[i] as Registration).run(skb, state) === NF_DROP) return NF_DROP;
    }
    return NF_ACCEPT;
  }
}
