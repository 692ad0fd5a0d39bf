import type { ProxyMode } from '../../protocol/event.ts';

/** kube-proxy's modes in the order in which they are shown. */
export const MODES: readonly ProxyMode[] = ['iptables', 'nftables', 'ipvs'];

const NAMES: Readonly<Record<ProxyMode, string>> = { iptables: 'iptables', nftables: 'nftables', ipvs: 'IPVS' };

/** As people write it. */
export const modeName = (mode: ProxyMode): string => NAMES[mode];
