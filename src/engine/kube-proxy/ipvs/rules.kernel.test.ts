import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import type { IpAddress } from '../../../protocol/address.ts';
import type { Service, ServiceSpec } from '../../k8s/service.ts';
import { saveSets } from '../../netfilter/ipset-text.ts';
import { saveTables } from '../../netfilter/iptables/save.ts';
import { IptablesTables } from '../../netfilter/iptables/table.ts';
import { parseIpSloppy } from '../addresses.ts';
import { restoreText, ruleText } from '../iptables/restore-text.ts';
import { HTTP, here, service, slice, TEST_CONFIG, TEST_NODE } from '../object-fixtures.ts';
import { NO_CONNECTIONS } from './fixtures.ts';
import { IpvsProxier, type IpvsSync } from './proxier.ts';

/*
 * Loads sets and rules of IPVS mode into the kernel of this machine, as kube-proxy words them, and compares what
 * iptables-save and ipset save print with what is printed here of the same. Needs root, iptables and ipset; not ip_vs,
 * so the rules of KUBE-IPVS-OUT-FILTER are left out.
 */

type Family = 'IPv4' | 'IPv6';

/** Services that fill every set, at addresses of the family. */
function syncOf(family: Family, services: boolean): IpvsSync {
  const v4 = family === 'IPv4';
  const at = (text: string): IpAddress => parseIpSloppy(text) as IpAddress;
  const node = { ...TEST_NODE, addresses: [at('192.168.0.2'), at('2001:db8::1')], primaryAddress: at(v4 ? '192.168.0.2' : '2001:db8::1') };
  const detectLocalCidr = { address: at(v4 ? '10.0.0.0' : 'fd00:244::'), length: v4 ? 8 : 56 };
  const proxier = new IpvsProxier(node, { ...TEST_CONFIG, family, detectLocalCidr, randomFully: true });
  const ip = (n: number): string => (v4 ? `172.30.0.${n}` : `fd00:96::${n}`);
  const of = (name: string, n: number, spec: ServiceSpec): Service => {
    const ports = (['TCP', 'UDP', 'SCTP'] as const).map((protocol, i) => ({
      ...HTTP,
      name: protocol,
      protocol,
      nodePort: 30000 + n * 10 + i,
    }));
    const ranges = { loadBalancerSourceRanges: v4 ? ['192.168.0.0/16', '10.0.0.1/32'] : ['2001:db8::/32', 'fd00::1/128'] };
    return service(name, ip(n), { type: 'LoadBalancer', ports, externalIPs: [ip(n + 1)], ...ranges, ...spec }, [{ ip: ip(n + 2) }]);
  };
  const ports = (['TCP', 'UDP', 'SCTP'] as const).map((protocol) => ({ name: protocol, protocol, port: 8080 }));
  const endpoints = { ...slice('web', [here(v4 ? '10.0.0.1' : 'fd00:244::1')], ports), addressType: family };
  if (services)
    proxier.update({
      services: [of('web', 1, {}), of('local', 4, { externalTrafficPolicy: 'Local', healthCheckNodePort: 32000 })],
      endpointSlices: [endpoints],
    });
  return proxier.sync(0, NO_CONNECTIONS);
}

function tablesOf(family: Family, sync: IpvsSync): IptablesTables {
  const tables = new IptablesTables(family === 'IPv4' ? 'ip' : 'ip6');
  for (const { name, type, options } of sync.ensuredSets) expect(tables.sets.create(name, type, options).ok).toBe(true);
  for (const { set, added } of sync.setChanges)
    for (const element of added) expect(tables.sets.add(set, element)).toEqual({ ok: true, value: true });
  for (const { table, chain } of sync.ensuredChains)
    expect(tables.patch({ table, chains: new Map([[chain, []]]), deleted: [] }).ok).toBe(true);
  for (const { table, chain, rule } of sync.jumpRules) expect(tables.insert(table, chain, 1, rule).ok).toBe(true);
  for (const patch of sync.patches) expect(tables.patch(patch)).toMatchObject({ ok: true });
  return tables;
}

function ofKernel(family: Family, sync: IpvsSync, sets: string): { readonly rules: string; readonly sets: string } {
  const tool = family === 'IPv4' ? 'iptables' : 'ip6tables';
  const script = [
    `ipset restore <<'END'\n${sets}END`,
    ...sync.ensuredChains.map(({ table, chain }) => `${tool} -t ${table} -N ${chain}`),
    ...sync.jumpRules.map(({ table, chain, rule }) => `${tool} -t ${table} -I ${ruleText(chain, rule).slice('-A '.length)}`),
    `${tool}-restore --noflush <<'END'\n${restoreText(sync.patches).join('\n')}\nEND`,
    `${tool}-save | grep -v '^#'`,
    'echo ===',
    'ipset save',
  ];
  const output = execFileSync('unshare', ['-n', 'sh', '-e'], { input: `${script.join('\n')}\n`, encoding: 'utf8' });
  const [rules = '', saved = ''] = output.split('===\n');
  return { rules, sets: saved };
}

const comparable = (text: string): string[] =>
  text
    .replace(/initval 0x[0-9a-f]{8}$/gm, 'initval')
    .split('\n')
    .sort();

it.each([
  ['IPv4', true],
  ['IPv4', false],
  ['IPv6', true],
  ['IPv6', false],
] as const)('%s, with services: %s', (family, services) => {
  const sync = syncOf(family, services);
  const tables = tablesOf(family, sync);
  const kernel = ofKernel(family, sync, saveSets(tables.sets));
  expect(saveTables(tables.allRules(), { family: family === 'IPv4' ? 'ip' : 'ip6' }).split('\n')).toEqual(kernel.rules.split('\n'));
  expect(comparable(saveSets(tables.sets))).toEqual(comparable(kernel.sets));
  if (services) expect(sync.setChanges.map(({ set }) => set)).toHaveLength(sync.ensuredSets.length);
});
