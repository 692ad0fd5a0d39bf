import type { HookName } from '../../protocol/event.ts';
import type { Skb } from '../link/skb.ts';

/** What a hook function decides about a packet (include/uapi/linux/netfilter.h). */
export const NF_ACCEPT = 0;
export const NF_DROP = 1;
/** The function has taken the packet for itself, as IPVS does: whoever passed the hook is done with it. */
export const NF_STOLEN = 2;
export type HookVerdict = typeof NF_ACCEPT | typeof NF_DROP | typeof NF_STOLEN;

/** Where in its way a packet is when a hook sees it. */
export interface HookState {
  readonly hook: HookName;
  readonly inDevice: string | undefined;
  readonly outDevice: string | undefined;
  /** Only being switched; br_netfilter shows it to the hook. */
  readonly bridged: boolean;
  /** The bridge ports of a frame that is being switched, as far as they are known. */
  readonly physInDevice: string | undefined;
  readonly physOutDevice: string | undefined;
}

export type HookFunction = (skb: Skb, state: HookState) => HookVerdict;

/** Priorities of the IPv4 hooks (include/uapi/linux/netfilter_ipv4.h); lower runs earlier. */
export const PRIORITY_CONNTRACK = -200;
export const PRIORITY_NAT_DESTINATION = -100;
export const PRIORITY_NAT_SOURCE = 100;
export const PRIORITY_CONNTRACK_CONFIRM = 2_147_483_647;

export interface Registration {
  readonly hook: HookName;
  readonly priority: number;
  readonly run: HookFunction;
}

/** The netfilter hooks of one namespace. A hook that nobody registered at costs a packet nothing. */
export class HookTable {
  private readonly byOwner = new Map<string, readonly Registration[]>();
  private readonly chains: Record<HookName, readonly HookFunction[]> = {
    PREROUTING: [],
    INPUT: [],
    FORWARD: [],
    OUTPUT: [],
    POSTROUTING: [],
  };
  /** No hook has a function, as in every pod: asked for each packet five times. */
  private none = true;

  /** Sets what one part of the kernel has registered; an empty list takes all of it away. */
  set(owner: string, registrations: readonly Registration[]): void {
    if (registrations.length === 0) this.byOwner.delete(owner);
    else this.byOwner.set(owner, registrations);
    const all = [...this.byOwner.values()].flat();
    this.none = all.length === 0;
    for (const hook of Object.keys(this.chains) as HookName[]) {
      this.chains[hook] = all
        .filter((registration) => registration.hook === hook)
        .sort((a, b) => a.priority - b.priority)
        .map((registration) => registration.run);
    }
  }

  isEmpty(hook: HookName): boolean {
    return this.none || this.chains[hook].length === 0;
  }

  run(skb: Skb, state: HookState): HookVerdict {
    const chain = this.chains[state.hook];
    for (let i = 0; i < chain.length; i++) {
      const verdict = (chain[i] as HookFunction)(skb, state);
      if (verdict !== NF_ACCEPT) return verdict;
    }
    return NF_ACCEPT;
  }
}
