import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { ProbeProtocol, ProxyMode } from '../protocol/event.ts';
import { FIRST_CLUSTER } from '../scenario/first-cluster.ts';
import type { ComparedProbe, ComparedScenario } from './scenario.ts';

const MODES: readonly ProxyMode[] = ['iptables', 'nftables'];

/** Every ready-made scenario with the traffic it asks for, and the first cluster with all that the lab can lose, in every mode. */
export function fixedSet(root: string): ComparedScenario[] {
  const folder = join(root, 'public/scenarios');
  const ready = readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') }));
  const scenarios = ready.flatMap(({ name, text }) => MODES.map((mode) => scenario(name, text, mode, trafficOf(text))));
  const first = FIRST_CLUSTER.map(({ text }) => text).join('\n---\n');
  for (const mode of MODES) scenarios.push(scenario('the first cluster', first, mode, FIRST_PROBES));
  scenarios.push(...faults(first));
  return scenarios;
}

const FIRST_PROBES: readonly ComparedProbe[] = [
  { from: 'pod/default/client', to: 'node/worker-2:10250', protocol: 'tcp' },
  { from: 'pod/default/client', to: 'external', protocol: 'icmp' },
  { from: 'pod/default/client', to: '10.96.0.1:443', protocol: 'tcp' },
  { from: 'node/worker-1', to: '10.96.0.1:443', protocol: 'tcp' },
  { from: 'pod/default/client', to: '10.244.2.250:80', protocol: 'tcp' },
  { from: 'pod/default/client', to: '127.0.0.1:81', protocol: 'tcp' },
  { from: 'external', to: 'node/worker-1', protocol: 'icmp' },
];

/** One thing is broken in each. */
function faults(manifests: string): ComparedScenario[] {
  const broken = (name: string, netns: string, key: string, value: string, probes: readonly ComparedProbe[]): ComparedScenario => ({
    ...scenario(name, manifests, 'iptables', probes),
    sysctls: [{ netns, key, value }],
  });
  const away: ComparedProbe = { from: 'pod/default/client', to: 'node/worker-2:10250', protocol: 'tcp' };
  return [
    broken('a node that does not forward', 'node/worker-1', 'net.ipv4.ip_forward', '0', [away]),
    broken('a node without br_netfilter', 'node/worker-1', 'net.bridge.bridge-nf-call-iptables', '0', [away]),
    broken('strict reverse path filter', 'node/worker-1', 'net.ipv4.conf.all.rp_filter', '1', [
      away,
      { from: 'node/worker-1', to: 'external', protocol: 'icmp' },
    ]),
  ];
}

const scenario = (name: string, manifests: string, mode: ProxyMode, probes: readonly ComparedProbe[]): ComparedScenario => ({
  name,
  manifests,
  mode,
  sysctls: [],
  probes,
});

interface Traffic {
  readonly from: string;
  readonly to: string;
  readonly protocol?: ProbeProtocol;
}

/** What the Scenario document of a file asks to send. */
function trafficOf(text: string): ComparedProbe[] {
  for (const document of parseAllDocuments(text)) {
    const value = document.toJS() as { kind?: string; spec?: { traffic?: readonly Traffic[] } } | null;
    if (value?.kind !== 'Scenario') continue;
    return (value.spec?.traffic ?? []).map(({ from, to, protocol }) => ({
      from,
      to,
      protocol: protocol ?? (/^https?:/.test(to) ? 'http' : 'tcp'),
    }));
  }
  return [];
}
