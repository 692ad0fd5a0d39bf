import { RandomStream } from '../base/prng.ts';
import type { ComparedProbe, ComparedScenario } from './scenario.ts';

/** A cluster, settings and probes drawn from a seed. Swarm style: which features may occur is drawn first, then their use. */
export function randomScenario(seed: number): ComparedScenario {
  return new Draw(seed).scenario();
}

const MODES = ['iptables', 'nftables'] as const;
const APPS = ['a', 'b', 'c'] as const;

interface DrawnPod {
  readonly name: string;
  readonly node: string;
  readonly app: string;
  readonly hostNetwork: boolean;
}

interface DrawnService {
  readonly name: string;
  readonly ip: string;
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP';
  readonly nodePort: number | undefined;
  readonly loadBalancerIp: string | undefined;
  readonly externalIp: string | undefined;
}

class Draw {
  private readonly seed: number;
  private readonly random: RandomStream;

  constructor(seed: number) {
    this.seed = seed;
    this.random = new RandomStream(seed, 'scenario');
  }

  scenario(): ComparedScenario {
    const mode = this.oneOf(MODES);
    const workers = 1 + this.below(3);
    const nodes = ['control-plane', ...Array.from({ length: workers }, (_, i) => `worker-${i + 1}`)];
    const features = { nodePorts: this.chance(0.6), loadBalancers: this.chance(0.3), policies: this.chance(0.5), states: this.chance(0.3) };
    const pods = this.pods(nodes.slice(1));
    const services = Array.from({ length: 1 + this.below(3) }, (_, i) => this.service(i, features));
    const documents = [
      this.proxyConfiguration(),
      ...nodes.map((name, i) => nodeDocument(name, i)),
      ...pods.map((pod) => this.podDocument(pod, features.states)),
      ...services.map(({ document }) => document),
    ];
    return {
      name: `seed ${this.seed}`,
      manifests: documents.map((document) => JSON.stringify(document)).join('\n---\n'),
      mode,
      sysctls: this.sysctls(nodes),
      probes: Array.from({ length: 3 + this.below(3) }, () =>
        this.probe(
          nodes,
          pods,
          services.map(({ service }) => service),
        ),
      ),
    };
  }

  private proxyConfiguration(): unknown {
    const masqueradeAll = this.chance(0.15);
    return {
      apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
      kind: 'KubeProxyConfiguration',
      ...(this.chance(0.2) ? { detectLocalMode: 'NodeCIDR' } : {}),
      iptables: { masqueradeAll, localhostNodePorts: this.chance(0.7) },
      nftables: { masqueradeAll },
    };
  }

  private pods(workers: readonly string[]): DrawnPod[] {
    return Array.from({ length: 2 + this.below(4) }, (_, i) => ({
      name: `pod-${i}`,
      node: this.oneOf(workers),
      app: this.oneOf(APPS),
      // At most one on the nodes' own network, since two would want the same ports.
      hostNetwork: i === 0 && this.chance(0.15),
    }));
  }

  private podDocument({ name, node, app, hostNetwork }: DrawnPod, states: boolean): unknown {
    const annotations: Record<string, string> = {};
    if (states && this.chance(0.3)) annotations['hoplab.dev/ready'] = 'false';
    if (states && this.chance(0.3)) annotations['hoplab.dev/terminating'] = 'true';
    const ports = [
      { name: 'http', containerPort: 80 },
      { name: 'query', containerPort: 5353, protocol: 'UDP' },
      ...(this.chance(0.3) ? [{ name: 'alt', containerPort: 8080 }] : []),
    ];
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'default', labels: { app }, annotations },
      spec: { nodeName: node, hostNetwork, containers: [{ name: 'main', image: 'example/server', ports }] },
    };
  }

  private service(
    i: number,
    features: { nodePorts: boolean; loadBalancers: boolean; policies: boolean },
  ): { service: DrawnService; document: unknown } {
    const protocol = this.chance(0.75) ? 'TCP' : 'UDP';
    const type =
      features.loadBalancers && this.chance(0.4) ? 'LoadBalancer' : features.nodePorts && this.chance(0.6) ? 'NodePort' : 'ClusterIP';
    const nodePort = type === 'ClusterIP' ? undefined : 30_000 + this.below(80);
    const loadBalancerIp = type === 'LoadBalancer' ? `198.51.100.${10 + i}` : undefined;
    const externalIp = this.chance(0.15) ? `198.51.100.${100 + i}` : undefined;
    const port = this.oneOf([80, 81, 443]);
    const service: DrawnService = { name: `svc-${i}`, ip: `10.96.1.${10 + i}`, port, protocol, nodePort, loadBalancerIp, externalIp };
    const outside = type !== 'ClusterIP' || externalIp !== undefined;
    const targetPort = protocol === 'UDP' ? this.oneOf([5353, 'query']) : this.oneOf([80, 80, 'http', 'alt', 9999]);
    return {
      service,
      document: {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: service.name, namespace: 'default' },
        spec: {
          type,
          clusterIP: service.ip,
          selector: { app: this.oneOf([...APPS, 'nobody']) },
          ports: [{ name: 'main', port, targetPort, protocol, ...(nodePort === undefined ? {} : { nodePort: nodePort + 100 * i }) }],
          ...(externalIp === undefined ? {} : { externalIPs: [externalIp] }),
          ...(features.policies && this.chance(0.4) ? { internalTrafficPolicy: 'Local' } : {}),
          ...(features.policies && outside && this.chance(0.5) ? { externalTrafficPolicy: 'Local' } : {}),
          ...(this.chance(0.2) ? { sessionAffinity: 'ClientIP' } : {}),
          ...(type === 'LoadBalancer' && this.chance(0.4)
            ? { loadBalancerSourceRanges: [this.oneOf(['203.0.113.0/24', '192.0.2.0/24', '10.244.0.0/16', '0.0.0.0/0'])] }
            : {}),
        },
        ...(loadBalancerIp === undefined
          ? {}
          : { status: { loadBalancer: { ingress: [{ ip: loadBalancerIp, ...(this.chance(0.2) ? { ipMode: 'Proxy' } : {}) }] } } }),
      },
    };
  }

  private sysctls(nodes: readonly string[]): ComparedScenario['sysctls'] {
    const found: ComparedScenario['sysctls'][number][] = [];
    if (this.chance(0.15))
      for (const node of nodes) found.push({ netns: `node/${node}`, key: 'net.bridge.bridge-nf-call-iptables', value: '0' });
    if (this.chance(0.05)) found.push({ netns: `node/${this.oneOf(nodes)}`, key: 'net.ipv4.ip_forward', value: '0' });
    if (this.chance(0.1))
      found.push({ netns: `node/${this.oneOf(nodes)}`, key: 'net.ipv4.conf.all.rp_filter', value: String(1 + this.below(2)) });
    return found;
  }

  private probe(nodes: readonly string[], pods: readonly DrawnPod[], services: readonly DrawnService[]): ComparedProbe {
    const from = this.source(nodes, pods);
    if (this.chance(0.65)) return { from, ...this.serviceTarget(nodes, services) };
    return { from, ...this.otherTarget(nodes, pods) };
  }

  private source(nodes: readonly string[], pods: readonly DrawnPod[]): string {
    const kind = this.below(10);
    if (kind < 6) return `pod/default/${this.oneOf(pods).name}`;
    return kind < 8 ? `node/${this.oneOf(nodes)}` : 'external';
  }

  private serviceTarget(nodes: readonly string[], services: readonly DrawnService[]): Omit<ComparedProbe, 'from'> {
    const service = this.oneOf(services);
    const protocol = service.protocol === 'UDP' ? 'udp' : this.oneOf(['tcp', 'http'] as const);
    const addresses = [`${service.ip}:${service.port}`, `${service.ip}:${service.port}`];
    const i = services.indexOf(service);
    if (service.nodePort !== undefined) {
      addresses.push(`node/${this.oneOf(nodes)}:${service.nodePort + 100 * i}`, `127.0.0.1:${service.nodePort + 100 * i}`);
    }
    if (service.loadBalancerIp !== undefined)
      addresses.push(`${service.loadBalancerIp}:${service.port}`, `${service.loadBalancerIp}:${service.port}`);
    if (service.externalIp !== undefined) addresses.push(`${service.externalIp}:${service.port}`);
    if (this.chance(0.08)) return { to: service.ip, protocol: 'icmp' };
    if (this.chance(0.08)) return { to: `${service.ip}:${service.port + 1}`, protocol };
    return { to: this.oneOf(addresses), protocol };
  }

  private otherTarget(nodes: readonly string[], pods: readonly DrawnPod[]): Omit<ComparedProbe, 'from'> {
    const pod = `pod/default/${this.oneOf(pods).name}`;
    const targets: Omit<ComparedProbe, 'from'>[] = [
      { to: `${pod}:80`, protocol: 'tcp' },
      { to: `${pod}:80`, protocol: 'http' },
      { to: `${pod}:81`, protocol: 'tcp' },
      { to: `${pod}:5353`, protocol: 'udp' },
      { to: `${pod}:5354`, protocol: 'udp' },
      { to: pod, protocol: 'icmp' },
      { to: `node/${this.oneOf(nodes)}`, protocol: 'icmp' },
      { to: `node/${this.oneOf(nodes)}:10250`, protocol: 'tcp' },
      { to: 'external:80', protocol: 'http' },
      { to: 'external', protocol: 'icmp' },
      { to: '10.96.200.200:80', protocol: 'tcp' },
      { to: '127.0.0.1:80', protocol: 'tcp' },
      { to: '10.244.1.200:80', protocol: 'tcp' },
    ];
    return this.oneOf(targets);
  }

  private below(n: number): number {
    return this.random.below(n);
  }

  private chance(probability: number): boolean {
    return this.random.below(1_000_000) < probability * 1_000_000;
  }

  private oneOf<T>(values: readonly T[]): T {
    return values[this.random.below(values.length)] as T;
  }
}

function nodeDocument(name: string, i: number): unknown {
  const labels = i === 0 ? { 'node-role.kubernetes.io/control-plane': '' } : {};
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels },
    status: { addresses: [{ type: 'InternalIP', address: `192.168.1.${10 + i}` }] },
  };
}
