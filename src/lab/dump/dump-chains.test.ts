import { describe, expect, it } from 'vitest';
import type { ChainFrame } from '../netfilter/walk-tree.ts';
import { dumpChains, dumpDevices } from './dump-chains.ts';
import { EXAMPLE_DUMP } from './example-dump.ts';

const frame = (framework: ChainFrame['framework'], family: string, table: string, chain: string): ChainFrame => ({
  framework,
  family,
  table,
  chain,
  depth: 0,
  entries: [],
});

const NFT = `table ip kube-proxy { # handle 7
	comment "rules for kube-proxy"

	map service-ips {
		type ipv4_addr . inet_proto . inet_service : verdict
		elements = { 10.96.0.20 . tcp . 80 : goto service-web }
	}

	chain services {
		comment "all of them"
		ip daddr . meta l4proto . th dport vmap @service-ips # handle 9
		ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
	}

	chain service-web {
		numgen random mod 2 vmap { 0 : goto endpoint-a,
				 1 : goto endpoint-b }
	}

	chain nat-prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		jump services
	}
}
`;

describe('chains of a dump', () => {
  it('are found in iptables-save, rule by rule, by their table', () => {
    const texts = dumpChains(EXAMPLE_DUMP);
    expect(texts(frame('iptables', 'ip', 'nat', 'KUBE-MARK-MASQ'))).toEqual({
      rules: ['-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000'],
      total: 1,
    });
    expect(texts(frame('iptables', 'ip', 'nat', 'KUBE-SERVICES'))).toMatchObject({ total: 2 });
    expect(texts(frame('iptables', 'ip', 'filter', 'INPUT'))).toEqual({ rules: [], total: 0 });
    expect(texts(frame('iptables', 'ip', 'filter', 'KUBE-SERVICES'))).toBe('gone');
  });

  it('are found with counters before the rules', () => {
    const texts = dumpChains('*nat\n:A - [1:2]\n[3:180] -A A -j ACCEPT\nCOMMIT\n-A A -j DROP\n');
    expect(texts(frame('iptables', 'ip', 'nat', 'A'))).toEqual({ rules: ['-A A -j ACCEPT'], total: 1 });
  });

  it('are found in nft list ruleset: no hooks, comments and handles, and maps over several lines as one rule', () => {
    const texts = dumpChains(NFT);
    const rulesOf = (chain: string): unknown => texts(frame('nftables', 'ip', 'kube-proxy', chain));
    expect(rulesOf('nat-prerouting')).toEqual({ rules: ['jump services'], total: 1 });
    expect(rulesOf('services')).toMatchObject({ rules: ['ip daddr . meta l4proto . th dport vmap @service-ips', expect.any(String)] });
    expect(rulesOf('service-web')).toEqual({
      rules: ['numgen random mod 2 vmap { 0 : goto endpoint-a, 1 : goto endpoint-b }'],
      total: 1,
    });
  });
});

it('devices are those of ip addr, then those of routes', () => {
  expect(dumpDevices(EXAMPLE_DUMP)).toEqual(['eth0', 'cni0']);
  expect(dumpDevices('2: vethab12@if3: <UP> mtu 1500\ndefault via 10.0.0.1 dev ens3 proto dhcp\n')).toEqual(['vethab12', 'ens3']);
  expect(dumpDevices('')).toEqual([]);
});
