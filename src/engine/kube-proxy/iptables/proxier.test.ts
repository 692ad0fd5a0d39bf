import { describe, expect, it } from 'vitest';
import type { Ipv6 } from '../../../protocol/address.ts';
import type { EndpointSlice } from '../../k8s/endpoint-slice.ts';
import type { Service, ServiceSpec } from '../../k8s/service.ts';
import type { TableName } from '../../netfilter/iptables/model.ts';
import type { ProxyChanges, ProxyConfig } from '../model.ts';
import { elsewhere, HTTP, here, service, slice, TEST_CONFIG, TEST_NODE } from '../object-fixtures.ts';
import { IptablesProxier, type IptablesSync } from './proxier.ts';
import { restoreText, ruleText } from './restore-text.ts';

const SECOND_NS = 1e9;

function proxierWith(objects: ProxyChanges, config: Partial<ProxyConfig> = {}): IptablesProxier {
  const proxier = new IptablesProxier(TEST_NODE, { ...TEST_CONFIG, ...config });
  proxier.update(objects);
  return proxier;
}

const syncOf = (services: Service[], endpointSlices: EndpointSlice[], config: Partial<ProxyConfig> = {}): IptablesSync =>
  proxierWith({ services, endpointSlices }, config).sync(0);

/** Rules of a chain, without `-A CHAIN`. */
function rulesIn(sync: IptablesSync, table: TableName, chain: string): string[] {
  const rules = sync.patches.find((patch) => patch.table === table)?.chains.get(chain) ?? [];
  return rules.map((rule) => ruleText(chain, rule).slice(`-A ${chain} `.length));
}

const natChains = (sync: IptablesSync): string[] => [...(sync.patches[1]?.chains.keys() ?? [])];
const serviceChains = (sync: IptablesSync): string[] => natChains(sync).filter((name) => /^KUBE-(SVC|SVL|EXT|FW|SEP)-/.test(name));
const only = (sync: IptablesSync, prefix: string): string => {
  const [name, ...others] = natChains(sync).filter((chain) => chain.startsWith(prefix));
  if (name === undefined || others.length > 0) throw new Error(`one chain ${prefix}, not ${natChains(sync).join(' ')}`);
  return name;
};

const CLUSTER_IP = '172.30.0.41';
const LOCAL_NODE_PORT: ServiceSpec = { type: 'NodePort', ports: [{ ...HTTP, nodePort: 30080 }], externalTrafficPolicy: 'Local' };
const two = [elsewhere('10.0.0.1'), here('10.0.0.2')];

describe('hooks', () => {
  it('39: on an empty machine the jumps end up in this order', () => {
    const { jumpRules } = syncOf([], []);
    const chains = new Map<string, string[]>();
    for (const { table, chain, rule } of jumpRules) {
      const name = `${table} ${chain}`;
      chains.set(name, [ruleText(chain, rule), ...(chains.get(name) ?? [])]);
    }
    const targets = [...chains].map(([name, rules]) => [name, ...rules.map((rule) => rule.split(' ').at(-1))]);
    expect(targets).toEqual([
      ['filter INPUT', 'KUBE-FIREWALL', 'KUBE-PROXY-FIREWALL', 'KUBE-NODEPORTS', 'KUBE-EXTERNAL-SERVICES'],
      ['filter FORWARD', 'KUBE-PROXY-FIREWALL', 'KUBE-FORWARD', 'KUBE-SERVICES', 'KUBE-EXTERNAL-SERVICES'],
      ['filter OUTPUT', 'KUBE-FIREWALL', 'KUBE-PROXY-FIREWALL', 'KUBE-SERVICES'],
      ['nat OUTPUT', 'KUBE-SERVICES'],
      ['nat PREROUTING', 'KUBE-SERVICES'],
      ['nat POSTROUTING', 'KUBE-POSTROUTING'],
    ]);
    expect(chains.get('filter INPUT')).toEqual([
      '-A INPUT -j KUBE-FIREWALL',
      '-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL',
      '-A INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS',
      '-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES',
    ]);
  });

  it('38 and 40: only a full sync ensures jumps, their chains and the canaries', () => {
    const proxier = proxierWith({});
    const full = proxier.sync(0);
    expect(full.full).toBe(true);
    expect(full.ensuredChains).toContainEqual({ table: 'mangle', chain: 'KUBE-PROXY-CANARY' });
    expect(full.ensuredChains).toContainEqual({ table: 'filter', chain: 'KUBE-FIREWALL' });
    expect(new Set(full.ensuredChains.map(({ table, chain }) => `${table} ${chain}`)).size).toBe(full.ensuredChains.length);
    expect(proxier.sync(1)).toMatchObject({ full: false, ensuredChains: [], jumpRules: [] });
    proxier.forceFullSync();
    expect(proxier.sync(2)).toMatchObject({ full: true, jumpRules: full.jumpRules });
  });
});

describe('policies', () => {
  it('24 and 48: masqueradeAll, a detector, or neither', () => {
    const masquerade = (config: Partial<ProxyConfig>): string[] => {
      const sync = syncOf([service('web', CLUSTER_IP)], [slice('web', ['10.0.0.1'])], config);
      return rulesIn(sync, 'nat', only(sync, 'KUBE-SVC-')).filter((rule) => rule.endsWith('KUBE-MARK-MASQ'));
    };
    const match = `-m comment --comment "ns/web:http cluster IP" -m tcp -p tcp -d ${CLUSTER_IP} --dport 80`;
    expect(masquerade({})).toEqual([`${match} ! -s 10.0.0.0/8 -j KUBE-MARK-MASQ`]);
    expect(masquerade({ masqueradeAll: true })).toEqual([`${match} -j KUBE-MARK-MASQ`]);
    expect(masquerade({ masqueradeAll: true, detectLocalCidr: undefined })).toEqual([`${match} -j KUBE-MARK-MASQ`]);
    expect(masquerade({ detectLocalCidr: undefined })).toEqual([]);
  });

  it('51 and 25: external traffic with policy Local, with and without a detector', () => {
    const objects = [[service('web', CLUSTER_IP, LOCAL_NODE_PORT)], [slice('web', two)]] as const;
    const sync = syncOf([...objects[0]], [...objects[1]]);
    const external = rulesIn(sync, 'nat', only(sync, 'KUBE-EXT-'));
    const cluster = only(sync, 'KUBE-SVC-');
    const local = only(sync, 'KUBE-SVL-');
    expect(external).toEqual([
      `-m comment --comment "pod traffic for ns/web:http external destinations" -s 10.0.0.0/8 -j ${cluster}`,
      '-m comment --comment "masquerade LOCAL traffic for ns/web:http external destinations" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ',
      `-m comment --comment "route LOCAL traffic for ns/web:http external destinations" -m addrtype --src-type LOCAL -j ${cluster}`,
      `-j ${local}`,
    ]);
    const without = syncOf([...objects[0]], [...objects[1]], { detectLocalCidr: undefined });
    expect(rulesIn(without, 'nat', only(without, 'KUBE-EXT-'))).toEqual(external.slice(1));
    // The masquerading rule is in the chain that serves the cluster IP, and only there.
    expect(rulesIn(sync, 'nat', local)).toHaveLength(1);
  });

  it('21 to 23: no local endpoint is a DROP for the policy that wants one, no endpoint a REJECT for all', () => {
    const spec: ServiceSpec = { ...LOCAL_NODE_PORT, internalTrafficPolicy: 'Local', externalIPs: ['192.168.99.22'] };
    const remote = syncOf([service('web', CLUSTER_IP, spec)], [slice('web', [elsewhere('10.0.0.1')])]);
    const refused = (text: string, target: string) => [
      `-m comment --comment "ns/web:http has no ${text}" -m tcp -p tcp -d 192.168.99.22 --dport 80 -j ${target}`,
      `-m comment --comment "ns/web:http has no ${text}" -m addrtype --dst-type LOCAL -m tcp -p tcp --dport 30080 -j ${target}`,
    ];
    expect(rulesIn(remote, 'filter', 'KUBE-SERVICES')).toEqual([
      `-m comment --comment "ns/web:http has no local endpoints" -m tcp -p tcp -d ${CLUSTER_IP} --dport 80 -j DROP`,
    ]);
    expect(rulesIn(remote, 'filter', 'KUBE-EXTERNAL-SERVICES')).toEqual(refused('local endpoints', 'DROP'));
    expect(remote.noLocalEndpoints).toEqual({ internal: 1, external: 1 });
    // Pods and the node still get through: there is an external chain, and what it short-circuits to.
    expect(serviceChains(remote).map((name) => name.slice(0, 8))).toEqual(['KUBE-EXT', 'KUBE-SVC', 'KUBE-SEP']);

    const none = syncOf([service('web', CLUSTER_IP, spec)], []);
    expect(rulesIn(none, 'filter', 'KUBE-EXTERNAL-SERVICES')).toEqual(refused('endpoints', 'REJECT'));
    expect(rulesIn(none, 'nat', 'KUBE-SERVICES')).toHaveLength(1);
    expect(serviceChains(none)).toEqual([]);
    expect(none.noLocalEndpoints).toEqual({ internal: 0, external: 0 });
  });

  it('27: ports that differ in protocol alone are independent', () => {
    const ports = [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns', port: 53, protocol: 'TCP' },
      { name: 'sctp', port: 53, protocol: 'SCTP' },
    ] as const;
    const sync = syncOf(
      [service('dns', CLUSTER_IP, { ports })],
      [slice('dns', ['10.0.0.1'], [{ name: 'dns', port: 53, protocol: 'UDP' }])],
    );
    expect(rulesIn(sync, 'nat', 'KUBE-SERVICES').map((rule) => rule.replace(/KUBE-SVC-\w+/, 'KUBE-SVC'))[0]).toBe(
      `-m comment --comment "ns/dns:dns cluster IP" -m udp -p udp -d ${CLUSTER_IP} --dport 53 -j KUBE-SVC`,
    );
    expect(rulesIn(sync, 'filter', 'KUBE-SERVICES')).toEqual([
      `-m comment --comment "ns/dns:dns has no endpoints" -m tcp -p tcp -d ${CLUSTER_IP} --dport 53 -j REJECT`,
      `-m comment --comment "ns/dns:sctp has no endpoints" -m sctp -p sctp -d ${CLUSTER_IP} --dport 53 -j REJECT`,
    ]);
  });
});

describe('source ranges', () => {
  const balancer = (...ranges: string[]) =>
    service('web', CLUSTER_IP, { type: 'LoadBalancer', loadBalancerSourceRanges: ranges }, [{ ip: '1.2.3.4' }, { ip: '1.2.3.5' }]);

  it('29 and 52: only load balancer IPs lead to the firewall chain', () => {
    const sync = syncOf([balancer('203.0.113.0/25')], [slice('web', ['10.0.0.1'])]);
    const [external, firewall] = [only(sync, 'KUBE-EXT-'), only(sync, 'KUBE-FW-')];
    expect(rulesIn(sync, 'nat', firewall)).toEqual([
      `-m comment --comment "ns/web:http loadbalancer IP" -s 203.0.113.0/25 -j ${external}`,
      '-m comment --comment "other traffic to ns/web:http will be dropped by KUBE-PROXY-FIREWALL"',
    ]);
    expect(rulesIn(sync, 'filter', 'KUBE-PROXY-FIREWALL')).toHaveLength(2);
    expect(rulesIn(sync, 'nat', 'KUBE-SERVICES').filter((rule) => rule.endsWith(firewall))).toHaveLength(2);
  });

  it('30: a range with the address of the node lets all load balancer IPs in as sources', () => {
    const sync = syncOf([balancer('203.0.113.7/32', '192.168.0.0/24')], [slice('web', ['10.0.0.1'])]);
    const sources = rulesIn(sync, 'nat', only(sync, 'KUBE-FW-')).flatMap((rule) => / -s (\S+)/.exec(rule)?.[1] ?? []);
    expect(sources).toEqual(['203.0.113.7/32', '192.168.0.0/24', '1.2.3.4', '1.2.3.5']);
  });

  it('32: without endpoints there is no firewall, but a REJECT for everybody', () => {
    const sync = syncOf([balancer('203.0.113.0/25')], []);
    expect(rulesIn(sync, 'filter', 'KUBE-PROXY-FIREWALL')).toEqual([]);
    expect(rulesIn(sync, 'filter', 'KUBE-EXTERNAL-SERVICES')).toHaveLength(2);
    expect(serviceChains(sync)).toEqual([]);
  });
});

describe('node ports', () => {
  const last = (config: Partial<ProxyConfig>): string[] =>
    rulesIn(syncOf([], [], config), 'nat', 'KUBE-SERVICES').map((rule) => rule.replace(/^-m comment --comment "[^"]*" /, ''));
  const IPV6: Partial<ProxyConfig> = { family: 'IPv6', detectLocalCidr: { address: 0xfdn as Ipv6, length: 64 } };

  it('34 and 46: the jump to KUBE-NODEPORTS', () => {
    expect(last({})).toEqual(['-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS']);
    expect(last({ localhostNodePorts: false })).toEqual(['-m addrtype --dst-type LOCAL ! -d 127.0.0.0/8 -j KUBE-NODEPORTS']);
    expect(last(IPV6)).toEqual(['-m addrtype --dst-type LOCAL ! -d ::1/128 -j KUBE-NODEPORTS']);
    const nodePortAddresses = ['192.168.0.0/24', '127.0.0.0/8', '2001:db8::/64', '::1/128'];
    expect(last({ nodePortAddresses })).toEqual(['-d 192.168.0.2 -j KUBE-NODEPORTS', '-d 127.0.0.1 -j KUBE-NODEPORTS']);
    expect(last({ nodePortAddresses, localhostNodePorts: false })).toEqual(['-d 192.168.0.2 -j KUBE-NODEPORTS']);
    expect(last({ ...IPV6, nodePortAddresses })).toEqual(['-d 2001:db8::1 -j KUBE-NODEPORTS']);
    expect(last({ ...IPV6, nodePortAddresses: ['192.168.0.0/24'] })).toHaveLength(1);
    expect(last({ nodePortAddresses: ['0.0.0.0/0'] })).toEqual(['-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS']);
    expect(last({ nodePortAddresses: ['primary'] })).toEqual(['-d 192.168.0.2 -j KUBE-NODEPORTS']);
    expect(last({ nodePortAddresses: ['198.51.100.0/24'] })).toEqual([]);
  });

  it('47: connections to localhost are counted where the counter could be made', () => {
    const objects = [[service('web', CLUSTER_IP, { ...LOCAL_NODE_PORT })], [slice('web', two)]] as const;
    const rules = (config: Partial<ProxyConfig>) => rulesIn(syncOf([...objects[0]], [...objects[1]], config), 'nat', 'KUBE-NODEPORTS');
    const nfacctCounters = ['localhost_nps_accepted_pkts'];
    const counted = rules({ nfacctCounters });
    expect(counted).toHaveLength(2);
    expect(counted[0]).toMatch(/^-m comment --comment ns\/web:http -m tcp -p tcp -d 127.0.0.0\/8 --dport 30080 -m nfacct .* -j KUBE-EXT-/);
    expect(rules({})).toEqual([counted[1]]);
    expect(rules({ nfacctCounters, localhostNodePorts: false })).toEqual([counted[1]]);
  });

  it('36: a health check node port is accepted over TCP, with or without endpoints', () => {
    const spec: ServiceSpec = {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 30000,
      ports: [{ name: 'dns', port: 53, protocol: 'UDP' }],
    };
    const sync = syncOf([service('web', CLUSTER_IP, spec)], [], { nodePortAddresses: ['127.0.0.0/8'] });
    expect(rulesIn(sync, 'filter', 'KUBE-NODEPORTS')).toEqual([
      '-m comment --comment "ns/web:dns health check node port" -m tcp -p tcp --dport 30000 -j ACCEPT',
    ]);
  });

  it('56: KUBE-FIREWALL is written where node ports answer on localhost', () => {
    const written = (config: Partial<ProxyConfig>) => syncOf([], [], config).patches[0]?.chains.has('KUBE-FIREWALL');
    expect(written({})).toBe(true);
    expect(written({ localhostNodePorts: false })).toBe(false);
    expect(written(IPV6)).toBe(false);
    expect(written({ nodePortAddresses: ['192.168.0.0/24'] })).toBe(false);
    expect(proxierWith({}).routeLocalnet).toBe(true);
    expect(proxierWith({}, IPV6).routeLocalnet).toBe(false);
  });
});

describe('load balancing', () => {
  it('50: probabilities as kube-proxy writes them and as the kernel keeps them', () => {
    const addresses = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'];
    const sync = syncOf([service('web', CLUSTER_IP)], [slice('web', addresses)], { detectLocalCidr: undefined });
    const chain = only(sync, 'KUBE-SVC-');
    const rules = rulesIn(sync, 'nat', chain);
    expect(rules.map((rule) => / --probability (\S+)/.exec(rule)?.[1])).toEqual([
      '0.2500000000',
      '0.3333333333',
      '0.5000000000',
      undefined,
    ]);
    const matches = sync.patches[1]?.chains.get(chain)?.map((rule) => rule.matches.at(-1));
    expect(matches).toMatchObject([{ numerator: 2 ** 29 }, { numerator: 715_827_883 }, { numerator: 2 ** 30 }, { type: 'comment' }]);
    // What a node's iptables-save prints for one in three.
    expect((715_827_883 / 2 ** 31).toFixed(11)).toBe('0.33333333349');
  });

  it('49 and 53: with affinity, the endpoint used before comes first', () => {
    const spec: ServiceSpec = { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } };
    const sync = syncOf([service('web', CLUSTER_IP, spec)], [slice('web', ['10.0.0.1', '10.0.0.2'])]);
    const [first, second] = natChains(sync).filter((name) => name.startsWith('KUBE-SEP-'));
    expect(rulesIn(sync, 'nat', only(sync, 'KUBE-SVC-')).slice(1)).toEqual([
      `-m comment --comment "ns/web:http -> 10.0.0.1:8080" -m recent --name ${first} --rcheck --seconds 60 --reap -j ${first}`,
      `-m comment --comment "ns/web:http -> 10.0.0.2:8080" -m recent --name ${second} --rcheck --seconds 60 --reap -j ${second}`,
      `-m comment --comment "ns/web:http -> 10.0.0.1:8080" -m statistic --mode random --probability 0.5000000000 -j ${first}`,
      `-m comment --comment "ns/web:http -> 10.0.0.2:8080" -j ${second}`,
    ]);
    expect(rulesIn(sync, 'nat', first ?? '')[1]).toBe(
      `-m comment --comment ns/web:http -m recent --name ${first} --set -m tcp -p tcp -j DNAT --to-destination 10.0.0.1:8080`,
    );
  });

  it('proxiers of several nodes that are told the same objects share rules, and each has its own where it differs', () => {
    const objects = { services: [service('web', CLUSTER_IP, LOCAL_NODE_PORT)], endpointSlices: [slice('web', two)] };
    const one = proxierWith(objects).sync(0);
    const other = new IptablesProxier({ ...TEST_NODE, name: 'other-node' }, TEST_CONFIG);
    other.update(objects);
    const two2 = other.sync(0);
    const sep = natChains(one).find((name) => name.startsWith('KUBE-SEP-')) ?? '';
    expect(two2.patches[1]?.chains.get(sep)).toBe(one.patches[1]?.chains.get(sep));
    const local = (sync: IptablesSync) => rulesIn(sync, 'nat', only(sync, 'KUBE-SVL-'));
    expect(local(one)[0]).toContain('10.0.0.2:8080');
    expect(local(two2)[0]).toContain('10.0.0.1:8080');
  });
});

describe('syncs', () => {
  const many = (name: string, count: number, net: number) =>
    slice(
      name,
      Array.from({ length: count }, (_, i) => `10.${net}.${i % 256}.${i >> 8}`),
    );
  const comments = (sync: IptablesSync) => {
    const endpoints = restoreText(sync.patches).filter((line) => line.startsWith('-A KUBE-SEP-') && line.includes('-j DNAT'));
    return [endpoints.length, endpoints.filter((line) => line.includes('--comment')).length];
  };

  it('58: a partial sync writes the chains of what changed, and deletes stale ones', () => {
    const proxier = proxierWith({
      services: [service('a', '172.30.0.1'), service('b', '172.30.0.2')],
      endpointSlices: [slice('a', ['10.0.0.1']), slice('b', ['10.0.0.2'])],
    });
    const first = serviceChains(proxier.sync(0));
    expect(first).toHaveLength(4);
    const unchanged = proxier.sync(1);
    expect(serviceChains(unchanged)).toEqual([]);
    expect(rulesIn(unchanged, 'nat', 'KUBE-SERVICES')).toHaveLength(3);
    expect(natChains(unchanged)).toEqual(['KUBE-SERVICES', 'KUBE-NODEPORTS', 'KUBE-POSTROUTING', 'KUBE-MARK-MASQ']);

    // Told again what is known already: no change.
    proxier.update({ services: [service('b', '172.30.0.2')], endpointSlices: [slice('b', ['10.0.0.2'])] });
    expect(serviceChains(proxier.sync(2))).toEqual([]);

    proxier.update({ endpointSlices: [slice('b', ['10.0.0.3'])] });
    const changed = proxier.sync(3);
    const deleted = changed.patches[1]?.deleted ?? [];
    expect(deleted).toEqual([first[3]]);
    expect(changed.patches[1]?.chains.get(deleted[0] ?? '')).toEqual([]);
    expect(serviceChains(changed)).toHaveLength(3);

    proxier.update({ removedServices: ['ns/b'] });
    const removed = proxier.sync(4);
    expect(removed.patches[1]?.deleted).toHaveLength(2);
    expect(rulesIn(removed, 'nat', 'KUBE-SERVICES')).toHaveLength(2);
  });

  it('what is changed and changed back before a sync is no change', () => {
    const proxier = proxierWith({ services: [service('a', '172.30.0.1')], endpointSlices: [slice('a', ['10.0.0.1'])] });
    proxier.sync(0);
    proxier.update({ services: [service('a', '172.30.0.9')] });
    proxier.update({ services: [service('a', '172.30.0.1')] });
    expect(serviceChains(proxier.sync(1))).toEqual([]);
  });

  it('rules follow from the state alone, whichever way it came about', () => {
    const objects = {
      services: [service('b', '172.30.0.2', LOCAL_NODE_PORT), service('a', '172.30.0.1'), service('c', '172.30.0.3')],
      endpointSlices: [slice('a', ['10.0.0.1']), slice('b', two)],
    };
    const straight = proxierWith(objects).sync(0);
    const proxier = proxierWith({ services: [service('a', '172.30.0.7'), service('d', '172.30.0.4', LOCAL_NODE_PORT)] });
    proxier.sync(0);
    proxier.update({ endpointSlices: [slice('a', two), slice('d', two)], services: objects.services.slice(0, 1) });
    proxier.sync(1);
    proxier.update({ ...objects, removedServices: ['ns/d'], removedEndpointSlices: ['ns/d-1'] });
    const partial = proxier.sync(2);
    for (const chain of ['KUBE-SERVICES', 'KUBE-NODEPORTS']) {
      expect(rulesIn(partial, 'nat', chain)).toEqual(rulesIn(straight, 'nat', chain));
    }
    expect(restoreText(partial.patches.slice(0, 1))).toEqual(restoreText(straight.patches.slice(0, 1)));
    proxier.forceFullSync();
    expect(restoreText(proxier.sync(3).patches)).toEqual(restoreText(straight.patches));
    expect(partial.noLocalEndpoints).toEqual(straight.noLocalEndpoints);
  });

  it('57: a large cluster has no comments on endpoints, and its stale chains stay for a while', () => {
    const services = [service('a', '172.30.0.1'), service('b', '172.30.0.2'), service('c', '172.30.0.3')];
    const proxier = proxierWith({ services, endpointSlices: [many('a', 499, 0), many('b', 499, 1)] });
    expect(comments(proxier.sync(0))).toEqual([998, 998]);
    proxier.update({ endpointSlices: [slice('c', ['203.0.113.4', '203.0.113.8', '203.0.113.12'])] });
    // Crossing the limit does not rewrite the others.
    const crossed = proxier.sync(SECOND_NS);
    expect(comments(crossed)).toEqual([3, 0]);
    expect(rulesIn(crossed, 'nat', only(crossed, 'KUBE-SVC-'))[0]).toContain('--comment "ns/c:http cluster IP"');
    proxier.forceFullSync();
    expect(comments(proxier.sync(2 * SECOND_NS))).toEqual([1001, 0]);

    proxier.update({ services: [service('d', '172.30.0.4')], endpointSlices: [slice('d', ['10.4.0.1'])] });
    expect(comments(proxier.sync(31 * SECOND_NS))).toEqual([1, 0]);
    proxier.update({ removedServices: ['ns/d'] });
    const soon = proxier.sync(32 * SECOND_NS);
    expect(soon.patches[1]?.deleted).toEqual([]);
    expect(comments(soon)).toEqual([0, 0]);
    expect(proxier.sync(61 * SECOND_NS).patches[1]?.deleted).toEqual([]);
    expect(proxier.sync(61 * SECOND_NS + 1).patches[1]?.deleted).toHaveLength(2);
    expect(proxier.sync(200 * SECOND_NS).patches[1]?.deleted).toEqual([]);
  });

  it('57: a stale chain that is needed again before it went is not deleted', () => {
    const proxier = proxierWith({
      services: [service('a', '172.30.0.1'), service('b', '172.30.0.2')],
      endpointSlices: [many('a', 1001, 0), slice('b', ['10.4.0.1'])],
    });
    proxier.sync(0);
    proxier.update({ removedEndpointSlices: ['ns/b-1'] });
    proxier.sync(1);
    proxier.update({ endpointSlices: [slice('b', ['10.4.0.1'])] });
    proxier.sync(2);
    expect(proxier.sync(100 * SECOND_NS).patches[1]?.deleted).toEqual([]);
  });

  it('tells of stale conntrack entries when UDP endpoints changed', () => {
    const ports = [{ name: 'dns', port: 53, protocol: 'UDP' }] as const;
    const proxier = proxierWith({
      services: [service('dns', '172.30.0.10', { ports })],
      endpointSlices: [slice('dns', ['10.0.0.1'], ports)],
    });
    expect(proxier.sync(0).conntrack).toBeDefined();
    expect(proxier.sync(1).conntrack).toBeUndefined();
  });
});
