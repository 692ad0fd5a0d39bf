import { describe, expect, it } from 'vitest';
import { ruleText } from '../iptables/restore-text.ts';
import type { ProxyConfig } from '../model.ts';
import { HTTP, service, slice } from '../object-fixtures.ts';
import { NO_CONNECTIONS, NODE_PORT, proxierWith, rulesIn, syncOf, two, web } from './fixtures.ts';

describe('rules', () => {
  it('are as many for many services as for one, and depend on what sets have', () => {
    const all = web(
      { type: 'LoadBalancer', ports: [NODE_PORT], externalIPs: ['203.0.113.7'], loadBalancerSourceRanges: ['192.168.0.0/16'] },
      [{ ip: '198.51.100.9' }],
    );
    const other = service('local', '172.30.0.42', {
      type: 'NodePort',
      ports: [{ ...HTTP, nodePort: 30081 }],
      externalTrafficPolicy: 'Local',
      externalIPs: ['203.0.113.8'],
    });
    const sync = syncOf([all, other], [slice('web', two)]);
    const lb = '"Kubernetes service lb portal"';
    const external =
      '-m comment --comment "Kubernetes service external ip + port for masquerade and filter purpose" -m set --match-set KUBE-EXTERNAL-IP dst,dst';
    const externalLocal =
      '-m comment --comment "Kubernetes service external ip + port with externalTrafficPolicy=local" -m set --match-set KUBE-EXTERNAL-IP-LOCAL dst,dst';
    const fromOutside = '-m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT';
    expect(rulesIn(sync, 'nat', 'KUBE-SERVICES')).toEqual([
      '-s 127.0.0.0/8 -j RETURN',
      `-m comment --comment ${lb} -m set --match-set KUBE-LOAD-BALANCER dst,dst -j KUBE-LOAD-BALANCER`,
      '-m comment --comment "Kubernetes service cluster ip + port for masquerade purpose" -m set --match-set KUBE-CLUSTER-IP dst,dst ! -s 10.0.0.0/8 -j KUBE-MARK-MASQ',
      `${external} -j KUBE-MARK-MASQ`,
      `${external} ${fromOutside}`,
      `${external} -m addrtype --dst-type LOCAL -j ACCEPT`,
      `${externalLocal} ${fromOutside}`,
      `${externalLocal} -m addrtype --dst-type LOCAL -j ACCEPT`,
      '-m addrtype --dst-type LOCAL -j KUBE-NODE-PORT',
      '-m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT',
      '-m set --match-set KUBE-LOAD-BALANCER dst,dst -j ACCEPT',
    ]);
    expect(rulesIn(sync, 'nat', 'KUBE-POSTROUTING')).toEqual([
      '-m comment --comment "Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose" -m set --match-set KUBE-LOOP-BACK dst,dst,src -j MASQUERADE',
      '-m mark ! --mark 0x4000/0x4000 -j RETURN',
      '-j MARK --xor-mark 0x4000',
      '-m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE',
    ]);
    expect(rulesIn(sync, 'nat', 'KUBE-NODE-PORT')).toEqual([
      '-p tcp -m comment --comment "Kubernetes nodeport TCP port with externalTrafficPolicy=local" -m set --match-set KUBE-NODE-PORT-LOCAL-TCP dst -j RETURN',
      '-p tcp -m comment --comment "Kubernetes nodeport TCP port for masquerade purpose" -m set --match-set KUBE-NODE-PORT-TCP dst -j KUBE-MARK-MASQ',
    ]);
    expect(rulesIn(sync, 'nat', 'KUBE-LOAD-BALANCER')).toEqual(['-j KUBE-MARK-MASQ']);
    expect(rulesIn(sync, 'filter', 'KUBE-FORWARD')).toEqual([
      '-m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT',
      '-m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    ]);
    expect(rulesIn(sync, 'filter', 'KUBE-SOURCE-RANGES-FIREWALL').map((rule) => rule.replace(/^.* -j/, '-j'))).toEqual([
      '-j RETURN',
      '-j RETURN',
      '-j DROP',
    ]);
  });

  it('85: KUBE-IPVS-FILTER keeps packets to service addresses from what listens on the node', () => {
    const set = (name: string, directions: string) => `-m set --match-set ${name} ${directions}`;
    expect(rulesIn(syncOf([], []), 'filter', 'KUBE-IPVS-FILTER')).toEqual([
      `${set('KUBE-LOAD-BALANCER', 'dst,dst')} -j RETURN`,
      `${set('KUBE-CLUSTER-IP', 'dst,dst')} -j RETURN`,
      `${set('KUBE-EXTERNAL-IP', 'dst,dst')} -j RETURN`,
      `${set('KUBE-EXTERNAL-IP-LOCAL', 'dst,dst')} -j RETURN`,
      `${set('KUBE-HEALTH-CHECK-NODE-PORT', 'dst')} -j RETURN`,
      `-m conntrack --ctstate NEW ${set('KUBE-IPVS-IPS', 'dst')} -j REJECT`,
    ]);
  });

  it('80: without services there are only those that are always there', () => {
    const sync = syncOf([], []);
    expect(rulesIn(sync, 'nat', 'KUBE-SERVICES')).toEqual(['-s 127.0.0.0/8 -j RETURN', '-m addrtype --dst-type LOCAL -j KUBE-NODE-PORT']);
    expect(rulesIn(sync, 'nat', 'KUBE-NODE-PORT')).toEqual([]);
    expect(rulesIn(sync, 'filter', 'KUBE-PROXY-FIREWALL')).toEqual([]);
    expect(sync.patches.map(({ table, chains }) => [table, [...chains.keys()]])).toEqual([
      ['nat', ['KUBE-SERVICES', 'KUBE-POSTROUTING', 'KUBE-NODE-PORT', 'KUBE-LOAD-BALANCER', 'KUBE-MARK-MASQ']],
      [
        'filter',
        [
          'KUBE-FORWARD',
          'KUBE-NODE-PORT',
          'KUBE-PROXY-FIREWALL',
          'KUBE-SOURCE-RANGES-FIREWALL',
          'KUBE-IPVS-FILTER',
          'KUBE-IPVS-OUT-FILTER',
        ],
      ],
    ]);
  });

  it('79: masqueradeAll, a detector, or neither', () => {
    const marking = (config: Partial<ProxyConfig>) =>
      rulesIn(syncOf([web()], [], config), 'nat', 'KUBE-SERVICES')[1]?.replace(/^.*CLUSTER-IP /, '');
    expect(marking({})).toBe('dst,dst ! -s 10.0.0.0/8 -j KUBE-MARK-MASQ');
    expect(marking({ masqueradeAll: true })).toBe('dst,dst -j KUBE-MARK-MASQ');
    expect(marking({ detectLocalCidr: undefined })).toBe('src,dst -j KUBE-MARK-MASQ');
  });

  it('on an empty machine the jumps end up in this order, and every sync ensures them', () => {
    const proxier = proxierWith({});
    const { jumpRules, ensuredChains } = proxier.sync(0, NO_CONNECTIONS);
    const chains = new Map<string, string[]>();
    for (const { table, chain, rule } of jumpRules) {
      const name = `${table} ${chain}`;
      chains.set(name, [ruleText(chain, rule).split(' ').at(-1) ?? '', ...(chains.get(name) ?? [])]);
    }
    expect(Object.fromEntries(chains)).toEqual({
      'nat OUTPUT': ['KUBE-SERVICES'],
      'nat PREROUTING': ['KUBE-SERVICES'],
      'nat POSTROUTING': ['KUBE-POSTROUTING'],
      'filter FORWARD': ['KUBE-PROXY-FIREWALL', 'KUBE-FORWARD'],
      'filter INPUT': ['KUBE-IPVS-FILTER', 'KUBE-PROXY-FIREWALL', 'KUBE-NODE-PORT'],
      'filter OUTPUT': ['KUBE-IPVS-OUT-FILTER'],
    });
    // No canary: only the mode iptables watches for flushes, this one writes everything in every sync.
    expect(ensuredChains.map(({ chain }) => chain)).not.toContain('KUBE-PROXY-CANARY');
    expect(proxier.sync(1, NO_CONNECTIONS)).toMatchObject({ jumpRules, ensuredChains });
  });
});
