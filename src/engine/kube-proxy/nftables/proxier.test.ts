import { describe, expect, it } from 'vitest';
import type { Ipv6 } from '../../../protocol/address.ts';
import type { ServiceSpec } from '../../k8s/service.ts';
import type { Transaction } from '../../netfilter/nftables/model.ts';
import type { ProxyChanges, ProxyConfig } from '../model.ts';
import { elsewhere, HTTP, here, service, slice, TEST_CONFIG, TEST_NODE } from '../object-fixtures.ts';
import { transactionText } from './command-text.ts';
import { NftablesProxier } from './proxier.ts';
import { TableContent } from './table-content.ts';

const SECOND_NS = 1e9;
const PRIMARY: Partial<ProxyConfig> = { nodePortAddresses: ['192.168.0.2/32', '2001:db8::1/128', '127.0.0.0/8'] };

/** A proxier and the table that its transactions make. */
class Machine {
  readonly proxier: NftablesProxier;
  readonly table = new TableContent();
  readonly #family: 'ip' | 'ip6';

  constructor(objects: ProxyChanges, config: Partial<ProxyConfig> = PRIMARY) {
    this.proxier = new NftablesProxier(TEST_NODE, { ...TEST_CONFIG, ...config });
    this.#family = config.family === 'IPv6' ? 'ip6' : 'ip';
    this.proxier.update(objects);
  }

  /** The commands of each transaction, as text without the table's name. */
  sync(nowNs: number, changes: ProxyChanges = {}): string[][] {
    this.proxier.update(changes);
    return this.proxier.sync(nowNs).map((transaction) => this.#apply(transaction));
  }

  #apply(transaction: Transaction): string[] {
    this.table.apply(transaction);
    return transactionText(transaction).map((line) => line.replace(` ${this.#family} kube-proxy`, ''));
  }

  lines(): string[] {
    return this.table.lines().map((line) => line.replace(` ${this.#family} kube-proxy`, ''));
  }

  rules(chain: string): string[] {
    return this.lines().flatMap((line) => (line.startsWith(`add rule ${chain} `) ? [line.slice(`add rule ${chain} `.length)] : []));
  }

  elements(set: string): string[] {
    return this.lines().flatMap((line) => (line.startsWith(`add element ${set} `) ? [line.slice(`add element ${set} `.length)] : []));
  }

  chain(prefix: string): string {
    const [name, ...others] = this.lines().flatMap((line) => new RegExp(`^add chain (${prefix}-[^/ ]+/\\S+)`).exec(line)?.[1] ?? []);
    if (name === undefined || others.length > 0) throw new Error(`one chain ${prefix}`);
    return name;
  }
}

function machineWith(objects: ProxyChanges, config?: Partial<ProxyConfig>): Machine {
  const machine = new Machine(objects, config);
  machine.sync(0);
  return machine;
}

const CLUSTER_IP = '172.30.0.41';
const web = (spec: ServiceSpec = {}) => service('web', CLUSTER_IP, spec);
const NODE_PORT: ServiceSpec = { type: 'NodePort', ports: [{ ...HTTP, nodePort: 30080 }] };

describe('the table', () => {
  it('61 and 33: node ports on chosen addresses, never on localhost', () => {
    const chosen = machineWith({});
    expect(chosen.elements('nodeport-ips')).toEqual(['{ 192.168.0.2 }']);
    expect(chosen.rules('services').at(-1)).toBe('ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports');
    const all = machineWith({}, {});
    expect(all.lines().some((line) => line.includes('nodeport-ips'))).toBe(false);
    expect(all.rules('services').at(-1)).toBe(
      'fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @service-nodeports',
    );
    expect(all.rules('nodeport-endpoints-check')).toEqual(['ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @no-endpoint-nodeports']);
    const six = machineWith({}, { family: 'IPv6', detectLocalCidr: { address: 0n as Ipv6, length: 64 } });
    expect(six.rules('services').at(-1)).toBe('fib daddr type local ip6 daddr != ::1 meta l4proto . th dport vmap @service-nodeports');
  });

  it('24 and 65: one rule masquerades for all cluster IPs', () => {
    const first = (config: Partial<ProxyConfig>) => machineWith({}, config).rules('services')[0];
    expect(first({})).toBe(
      'ip daddr @cluster-ips ip saddr != 10.0.0.0/8 mark set mark or 0x4000 comment "masquerade clusterIP traffic from outside cluster"',
    );
    expect(first({ masqueradeAll: true })).toBe('ip daddr @cluster-ips mark set mark or 0x4000 comment "masquerade all clusterIP traffic"');
    expect(first({ detectLocalCidr: undefined })).toBe('ip daddr . meta l4proto . th dport vmap @service-ips');
    expect(machineWith({}).rules('masquerading')).toEqual([
      'mark and 0x4000 != 0 mark set mark xor 0x4000 masquerade fully-random',
      'ct status dnat ip saddr . ip daddr . meta l4proto . th dport @hairpin-connections masquerade fully-random',
    ]);
  });

  it('70: service CIDRs of the family, joined without spaces; none, no drop', () => {
    const dropped = (...serviceCidrs: string[]) => machineWith({}, { serviceCidrs }).rules('cluster-ips-check')[1];
    expect(dropped('172.30.0.0/16', 'fd00:10:96::/112', '172.50.0.0/16')).toBe(
      'ip daddr { 172.30.0.0/16,172.50.0.0/16 } drop comment "Drop traffic to unallocated ClusterIPs"',
    );
    expect(dropped('fd00:10:96::/112')).toBeUndefined();
  });

  it('59: base chains are made anew in the first sync only', () => {
    const machine = new Machine({});
    const [first = []] = machine.sync(0);
    machine.proxier.forceFullSync();
    const [second = []] = machine.sync(1);
    expect(first.length - second.length).toBe(16);
    expect(first.filter((line) => line.startsWith('delete chain'))).toHaveLength(8);
    expect(first).toContain('add chain filter-prerouting-pre-dnat { type filter hook prerouting priority -110 ; }');
    expect(second.filter((line) => line.startsWith('delete chain'))).toEqual([]);
  });
});

describe('services', () => {
  it('62 and 63: without endpoints a service is only in cluster-ips and rejected', () => {
    const machine = machineWith({ services: [web(NODE_PORT)] });
    expect(machine.elements('cluster-ips')).toEqual([`{ ${CLUSTER_IP} }`]);
    expect(machine.elements('no-endpoint-services')).toEqual([`{ ${CLUSTER_IP} . tcp . 80 comment "ns/web:http" : goto reject-chain }`]);
    expect(machine.elements('no-endpoint-nodeports')).toEqual(['{ tcp . 30080 comment "ns/web:http" : goto reject-chain }']);
    expect(machine.lines().filter((line) => /^add chain \S+\//.test(line))).toEqual([]);
  });

  it('62: without local endpoints what wants them is dropped, and pods are short-circuited', () => {
    const spec: ServiceSpec = { ...NODE_PORT, externalTrafficPolicy: 'Local', internalTrafficPolicy: 'Local' };
    const machine = machineWith({ services: [web(spec)], endpointSlices: [slice('web', [elsewhere('10.0.0.1')])] });
    expect(machine.elements('no-endpoint-services')).toEqual([`{ ${CLUSTER_IP} . tcp . 80 comment "ns/web:http" : drop }`]);
    expect(machine.elements('no-endpoint-nodeports')).toEqual(['{ tcp . 30080 comment "ns/web:http" : drop }']);
    const cluster = machine.chain('service');
    expect(machine.rules(machine.chain('external'))).toEqual([
      `ip saddr 10.0.0.0/8 goto ${cluster} comment "short-circuit pod traffic"`,
      'fib saddr type local mark set mark or 0x4000 comment "masquerade local traffic"',
      `fib saddr type local goto ${cluster} comment "short-circuit local traffic"`,
    ]);
    expect(machine.proxier.noLocalEndpoints).toEqual({ internal: 1, external: 1 });
  });

  it('26: hairpins of local endpoints, once however many services have them', () => {
    const machine = machineWith({
      services: [web(), service('api', '172.30.0.42')],
      endpointSlices: [slice('web', [here('10.0.0.1'), elsewhere('10.0.0.2')]), slice('api', [here('10.0.0.1')])],
    });
    expect(machine.elements('hairpin-connections')).toEqual(['{ 10.0.0.1 . 10.0.0.1 . tcp . 8080 }']);
    machine.sync(1, { removedServices: ['ns/api'] });
    expect(machine.elements('hairpin-connections')).toHaveLength(1);
    machine.sync(2, { removedServices: ['ns/web'] });
    expect(machine.elements('hairpin-connections')).toEqual([]);
  });

  it('67: with affinity there are endpoint chains and a set for each', () => {
    const machine = machineWith({
      services: [web({ sessionAffinity: 'ClientIP' })],
      endpointSlices: [slice('web', ['10.0.0.1', '10.0.0.2'])],
    });
    const [first, second] = machine.lines().flatMap((line) => /^add chain endpoint-(\S+)/.exec(line)?.[1] ?? []);
    expect(machine.lines()).toContain(`add set affinity-${first} { type ipv4_addr ; flags dynamic,timeout ; timeout 10800s ; }`);
    expect(machine.rules(machine.chain('service'))).toEqual([
      `ip saddr @affinity-${first} goto endpoint-${first}`,
      `ip saddr @affinity-${second} goto endpoint-${second}`,
      `numgen random mod 2 vmap { 0 : goto endpoint-${first} , 1 : goto endpoint-${second} }`,
    ]);
    expect(machine.rules(`endpoint-${first}`)).toEqual([
      `update @affinity-${first} { ip saddr }`,
      'meta l4proto tcp dnat to 10.0.0.1:8080',
    ]);
    // The set of a gone endpoint goes at once, its chain later.
    const [commands = []] = machine.sync(1, { endpointSlices: [slice('web', ['10.0.0.1'])] });
    expect(commands).toContain(`delete set affinity-${second}`);
    expect(commands).toContain(`flush chain endpoint-${second}`);
    expect(commands).not.toContain(`delete chain endpoint-${second}`);
    expect(commands.indexOf(`flush chain endpoint-${second}`)).toBeLessThan(commands.indexOf(`delete set affinity-${second}`));
  });

  it('29, 30 and 32: the firewall chain, also without endpoints, with the VIPs if the node is allowed', () => {
    const balancer = (...loadBalancerSourceRanges: string[]) => ({
      services: [service('web', CLUSTER_IP, { type: 'LoadBalancer', loadBalancerSourceRanges }, [{ ip: '1.2.3.4' }])],
    });
    const machine = machineWith(balancer('203.0.113.0/25', '192.168.0.0/24'));
    const firewall = machine.chain('firewall');
    expect(machine.rules(firewall)).toEqual(['ip saddr != { 203.0.113.0/25 , 192.168.0.0/24 , 1.2.3.4 } drop']);
    expect(machine.elements('firewall-ips')).toEqual([`{ 1.2.3.4 . tcp . 80 : goto ${firewall} }`]);
    const other = machineWith(balancer('203.0.113.0/25'));
    expect(other.rules(other.chain('firewall'))).toEqual(['ip saddr != { 203.0.113.0/25 } drop']);
  });

  it('16: an address that is both an external IP and a load balancer IP is one element', () => {
    const both = service('web', CLUSTER_IP, { type: 'LoadBalancer', externalIPs: ['1.2.3.4'] }, [{ ip: '1.2.3.4' }]);
    const machine = machineWith({ services: [both], endpointSlices: [slice('web', ['10.0.0.1'])] });
    expect(machine.elements('service-ips')).toHaveLength(2);
    machine.sync(1, { removedServices: ['ns/web'] });
    expect(machine.elements('service-ips')).toEqual([]);
  });
});

describe('syncs', () => {
  const objects: ProxyChanges = {
    services: [web(), service('api', '172.30.0.42')],
    endpointSlices: [slice('web', [here('10.0.0.1')]), slice('api', [here('10.0.0.2')])],
  };

  it('69: without changes there is nothing to do', () => {
    const machine = machineWith(objects);
    expect(machine.sync(1)).toEqual([[]]);
    expect(machine.sync(2, objects)).toEqual([[]]);
  });

  it('69: a full sync again writes no element that is there', () => {
    const machine = machineWith(objects);
    const before = machine.lines();
    machine.proxier.forceFullSync();
    const [commands = []] = machine.sync(1);
    expect(commands.filter((line) => /(add|delete) element (?!nodeport-ips)/.test(line))).toEqual([]);
    expect([...machine.lines()].sort()).toEqual(before.sort());
  });

  it('69: a changed endpoint is one chain and two elements', () => {
    const machine = machineWith(objects);
    const chain = machine.lines().flatMap((line) => /^add chain (service-\S+\/api\S+)/.exec(line)?.[1] ?? [])[0];
    expect(machine.sync(1, { endpointSlices: [slice('api', [here('10.0.0.3')])] })).toEqual([
      [
        `add chain ${chain}`,
        `flush chain ${chain}`,
        'add element hairpin-connections { 10.0.0.3 . 10.0.0.3 . tcp . 8080 }',
        `add rule ${chain} meta l4proto tcp dnat ip addr . port to numgen random mod 1 map { 0 : 10.0.0.3 . 8080 }`,
        'delete element hairpin-connections { 10.0.0.2 . 10.0.0.2 . tcp . 8080 }',
      ],
    ]);
  });

  it('68: chains of a gone service are flushed at once and deleted more than a second later', () => {
    const machine = machineWith(objects);
    const chain = machine.lines().flatMap((line) => /^add chain (service-\S+\/api\S+)/.exec(line)?.[1] ?? [])[0];
    const [gone = []] = machine.sync(SECOND_NS, { removedServices: ['ns/api'] });
    expect(gone).toHaveLength(4);
    expect(gone[0]).toBe(`flush chain ${chain}`);
    // Every sync that finds it flushes it again, and makes it wait again.
    expect(machine.sync(2 * SECOND_NS)).toEqual([[`flush chain ${chain}`]]);
    expect(machine.sync(3 * SECOND_NS + 1)).toEqual([[`delete chain ${chain}`], []]);
    expect(machine.sync(9 * SECOND_NS)).toEqual([[]]);
  });

  it('68: a chain that is needed again is kept, or, once deleted, made again', () => {
    const machine = machineWith(objects);
    const before = [...machine.lines()].sort();
    machine.sync(1, { removedEndpointSlices: ['ns/api-1'] });
    expect(machine.sync(2, { endpointSlices: [slice('api', [here('10.0.0.2')])] })).toHaveLength(1);
    expect([...machine.lines()].sort()).toEqual(before);
    expect(machine.sync(9 * SECOND_NS)).toEqual([[]]);
    machine.sync(10 * SECOND_NS, { removedEndpointSlices: ['ns/api-1'] });
    const late = machine.sync(12 * SECOND_NS, { endpointSlices: [slice('api', [here('10.0.0.2')])] });
    expect(late).toHaveLength(2);
    expect([...machine.lines()].sort()).toEqual(before);
  });

  it('a node port that goes from one service to another is replaced', () => {
    const machine = machineWith({ services: [web(NODE_PORT)], endpointSlices: objects.endpointSlices });
    machine.sync(1, { services: [service('api', '172.30.0.42', NODE_PORT)], removedServices: ['ns/web'] });
    machine.sync(2 * SECOND_NS);
    expect(machine.elements('service-nodeports')).toEqual([`{ tcp . 30080 : goto ${machine.chain('external')} }`]);
    machine.sync(3 * SECOND_NS, { services: [web(NODE_PORT)] });
    machine.sync(4 * SECOND_NS, { removedServices: ['ns/web'] });
    expect(machine.elements('service-nodeports')).toHaveLength(1);
    expect(machine.elements('service-nodeports')[0]).toContain('/api/');
  });

  it('the table follows from the state alone, whichever way it came about', () => {
    const straight = machineWith(objects);
    const machine = machineWith({
      services: [web(NODE_PORT), service('old', '172.30.0.50')],
      endpointSlices: [slice('web', ['10.0.0.9'])],
    });
    machine.sync(1, { services: [service('api', '172.30.0.42', { ...NODE_PORT, sessionAffinity: 'ClientIP' })] });
    machine.sync(2, { endpointSlices: objects.endpointSlices });
    machine.sync(3, { ...objects, removedServices: ['ns/old'] });
    machine.sync(9 * SECOND_NS);
    expect([...machine.lines()].sort()).toEqual([...straight.lines()].sort());
  });

  it('after the table was lost, everything is written again', () => {
    const machine = new Machine(objects);
    const first = machine.sync(0);
    machine.proxier.tableLost();
    expect(machine.proxier.sync(1).map(transactionText)).toEqual(
      first.map((lines) => lines.map((line) => line.replace(/^(\w+ \w+)/, '$1 ip kube-proxy'))),
    );
  });

  it('tells of stale conntrack entries when UDP endpoints changed', () => {
    const ports = [{ name: 'dns', port: 53, protocol: 'UDP' }] as const;
    const machine = machineWith({
      services: [service('dns', '172.30.0.10', { ports })],
      endpointSlices: [slice('dns', ['10.0.0.1'], ports)],
    });
    expect(machine.proxier.conntrack).toBeDefined();
    machine.sync(1);
    expect(machine.proxier.conntrack).toBeUndefined();
  });
});
