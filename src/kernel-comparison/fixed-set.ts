import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { ProbeProtocol, ProxyMode } from '../protocol/event.ts';
import { FIRST_CLUSTER } from '../scenario/first-cluster.ts';
import type { ComparedProbe, ComparedScenario } from './scenario.ts';

const MODES: readonly ProxyMode[] = ['iptables', 'nftables'];

/** Every ready-made scenario with the traffic it asks for, and the first cluster with all that the lab can lose, in every mode. */
export function fixedSet(root: string): ComparedScenario[] {
  const scenarios = readyMade(root).flatMap(({ name, text }) => MODES.map((mode) => scenario(name, text, mode, trafficOf(text))));
  const first = firstCluster();
  for (const mode of MODES) scenarios.push(scenario('the first cluster', first, mode, FIRST_PROBES));
  scenarios.push(...faults(first));
  return scenarios;
}

/** IPVS mode: the ready-made scenarios, what is only there an address, and the choices of every scheduler. */
export function ipvsSet(root: string): ComparedScenario[] {
  const ready = readyMade(root);
  const web = ready.find(({ name }) => name === 'clusterip.yaml')?.text ?? '';
  return [
    ...ready.map(({ name, text }) => scenario(name, text, 'ipvs', trafficOf(text))),
    scenario('the first cluster', firstCluster(), 'ipvs', FIRST_PROBES),
    scenario('an address on every node', web, 'ipvs', [
      { from: 'pod/default/client', to: '10.96.0.20:81', protocol: 'tcp' },
      { from: 'pod/default/client', to: '10.96.0.20', protocol: 'icmp' },
      { from: 'node/worker-1', to: '10.96.0.20:80', protocol: 'http' },
      { from: 'node/worker-1', to: '10.96.0.20:81', protocol: 'udp' },
      { from: 'pod/default/client', to: '10.96.0.99:80', protocol: 'tcp' },
    ]),
    ...SCHEDULERS.map((name) => scheduled(name)),
  ];
}

const SCHEDULERS = ['rr', 'wrr', 'lc', 'wlc', 'lblc', 'lblcr', 'dh', 'sh', 'sed', 'nq', 'mh'] as const;

/** Three servers; connections of two clients, one after the other. */
const scheduled = (scheduler: (typeof SCHEDULERS)[number]): ComparedScenario =>
  scenario(
    `scheduler ${scheduler}`,
    `
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
ipvs: { scheduler: ${scheduler} }
---
apiVersion: v1
kind: Node
metadata: { name: worker-1 }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { clusterIP: 10.96.0.20, selector: { app: web }, ports: [{ port: 80 }] }
${['client-1', 'client-2', 'web-1', 'web-2', 'web-3']
  .map(
    (name) => `---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: ${name.split('-')[0]} } }
spec: { nodeName: worker-1, containers: [{ name: main, image: ${name.startsWith('web') ? 'nginx' : 'busybox'} }] }
`,
  )
  .join('')}`,
    'ipvs',
    // Where the choice hangs on who asks, two ask.
    (['sh', 'mh'].includes(scheduler) ? ['client-1', 'client-2'] : ['client-1']).map((client) => ({
      from: `pod/default/${client}`,
      to: 'http://10.96.0.20/',
      protocol: 'http',
      count: 8,
    })),
  );

function readyMade(root: string): { readonly name: string; readonly text: string }[] {
  const folder = join(root, 'public/scenarios');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') }));
}

const firstCluster = (): string => FIRST_CLUSTER.map(({ text }) => text).join('\n---\n');

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
