import { assert } from '../base/assert.ts';
import type { Cidr, Ipv4 } from '../protocol/address.ts';
import { ANY_V4, isIpv4, parseIpv4 } from '../protocol/address.ts';
import type { ProxyMode } from '../protocol/event.ts';
import type { ServiceView } from '../protocol/view.ts';
import { addPod, createBridge, hostVethName, isPodCidr, podAddressOfMac } from './cni/bridge-plugin.ts';
import { Conntrack } from './conntrack/table.ts';
import type { ClusterPlan, NodePlan, PodPlan } from './control-plane/plan.ts';
import { BridgeNetfilter } from './ip/bridge-netfilter.ts';
import { PodCidrRoutes } from './ip/fib.ts';
import type { InetDevice } from './ip/inet-device.ts';
import type { NamespaceRules } from './ip/namespace-rules.ts';
import { macOf, Netns } from './ip/netns.ts';
import type { ProxyChanges } from './kube-proxy/model.ts';
import { Bridge } from './link/bridge.ts';
import { LinkEnd } from './link/device.ts';
import type { Skb } from './link/skb.ts';
import { CABLE_DELAY_NS } from './link/timing.ts';
import { NodeRules } from './node-rules.ts';
import type { LabContext } from './sim/lab-context.ts';
import { Stack } from './workload/stack.ts';

const NODE_MAC_PREFIX = 0x5254;
const SWITCH_PORT_MAC_PREFIX = 0xfe54;
const OUTSIDE_MAC_PREFIX = 0x5255;
const MTU = 1500;
/** Up to here everything is built at once; beyond, namespaces are built when a packet or a person first needs them. */
const AWAKE_NODES_MAX = 32;
const AWAKE_PODS_MAX = 1_000;
const AWAKE_PODS_PER_NODE_MAX = 64;
const SLICES_TIMES_NODES_MAX = 1_000;

/** pkg/proxy/healthcheck/service_health.go: no endpoint on this node. */
const UNHEALTHY = '503 Service Unavailable';

export const UNDERLAY = 'external/underlay';
export const ROUTER = 'external/router';
export const CLIENT = 'external/client';

interface BuiltNode {
  readonly rules: NodeRules;
  readonly netns: Netns;
  readonly plan: NodePlan;
  bridge: Bridge | undefined;
  asleep: number;
}

/**
 * The namespaces, devices, addresses and routes of a cluster, made from its plan: an underlay switch,
 * nodes on it, pods on their nodes, and an outside client behind a router.
 */
export class ClusterNetwork {
  readonly plan: ClusterPlan;
  readonly lab: LabContext;
  /** Called when a namespace is built after the start. */
  onAwake: ((netns: Netns) => void) | undefined = undefined;
  private readonly netnsById = new Map<string, Netns>();
  private readonly stacks = new Map<string, Stack>();
  private readonly nodes = new Map<string, BuiltNode>();
  private readonly nodePlans = new Map<string, NodePlan>();
  private readonly nodeByIp = new Map<Ipv4, NodePlan>();
  private readonly podsByNode = new Map<string, PodPlan[]>();
  private readonly podById = new Map<string, PodPlan>();
  private readonly podByIp = new Map<Ipv4, PodPlan>();
  private proxyModeNow: ProxyMode;
  /** So few Services that every node's rules can be written at once. */
  private readonly small: boolean;
  private readonly services = new Map<string, ServiceView>();
  private readonly podRoutes = new PodCidrRoutes();
  private readonly underlay: Bridge;
  private readonly problems = new Map<string, string>();
  private nodesAsleep: number;
  private building: { readonly recording: boolean; readonly fresh: Netns[]; readonly grown: InetDevice[] } | undefined = undefined;

  constructor(plan: ClusterPlan, lab: LabContext) {
    this.plan = plan;
    this.lab = lab;
    this.nodesAsleep = plan.nodes.length;
    this.proxyModeNow = plan.proxy.mode;
    this.small = plan.endpointSlices.length * Math.min(plan.nodes.length, AWAKE_NODES_MAX) <= SLICES_TIMES_NODES_MAX;
    for (const node of plan.nodes) {
      this.nodePlans.set(node.name, node);
      this.nodeByIp.set(node.ip, node);
      if (node.podCidr) this.podRoutes.add(node.podCidr, node.ip);
    }
    for (const service of plan.services) this.services.set(`${service.namespace}/${service.name}`, service);
    for (const pod of plan.pods) {
      const pods = this.podsByNode.get(pod.node);
      if (pods) pods.push(pod);
      else this.podsByNode.set(pod.node, [pod]);
      this.podById.set(podId(pod), pod);
      if (!pod.hostNetwork) this.podByIp.set(pod.ip, pod);
    }
    const recording = lab.recorder.on;
    lab.recorder.on = false;
    this.underlay = this.buildUnderlay();
    this.buildOutside();
    if (plan.nodes.length <= AWAKE_NODES_MAX && plan.pods.length <= AWAKE_PODS_MAX) for (const node of plan.nodes) this.wakeNode(node);
    lab.recorder.on = recording;
  }

  /** A namespace by its id, built if it is asleep; undefined when the plan has none of that id. */
  netns(id: string): Netns | undefined {
    const built = this.netnsById.get(id);
    if (built) return built;
    const pod = this.podById.get(id);
    if (pod) this.wakePod(pod);
    const node = id.startsWith('node/') ? this.nodePlans.get(id.slice(5)) : undefined;
    if (node) this.wakeNode(node);
    return this.netnsById.get(pod?.hostNetwork ? `node/${pod.node}` : id);
  }

  stack(id: string): Stack | undefined {
    const netns = this.netns(id);
    return netns ? this.stacks.get(netns.id) : undefined;
  }

  pod(id: string): PodPlan | undefined {
    return this.podById.get(id);
  }

  /** The pod that has an address of its own. */
  podAt(address: Ipv4): PodPlan | undefined {
    return this.podByIp.get(address);
  }

  node(name: string): NodePlan | undefined {
    return this.nodePlans.get(name);
  }

  /** All namespaces that are built. */
  awake(): Iterable<Netns> {
    return this.netnsById.values();
  }

  /** kube-proxy's mode on every node. */
  get proxyMode(): ProxyMode {
    return this.proxyModeNow;
  }

  /** Restarts every kube-proxy in another mode. */
  switchProxyMode(mode: ProxyMode): void {
    this.proxyModeNow = mode;
    for (const node of this.nodes.values()) node.rules.switchTo(mode);
  }

  /** A node's rules, written if they were not. */
  rulesOf(node: string): NamespaceRules | undefined {
    const plan = this.nodePlans.get(node);
    if (!plan) return undefined;
    const { rules } = this.wakeNode(plan);
    rules.write();
    return rules.rules;
  }

  /** What health check node ports answer at present that do not answer `200 OK`, by `NAMESPACE PORT`. */
  healthStatuses(): Map<string, string> {
    const statuses = new Map<string, string>();
    for (const [name, { rules }] of this.nodes) {
      for (const { spec } of this.plan.serviceObjects) {
        const port = spec?.healthCheckNodePort;
        if (port && !rules.hasLocalEndpoint(port)) statuses.set(`node/${name} ${port}`, UNHEALTHY);
      }
    }
    return statuses;
  }

  /** Tells the kube-proxy of a node of Services or EndpointSlices that have changed. */
  updateServices(node: string, changes: ProxyChanges): void {
    const plan = this.nodePlans.get(node);
    if (plan) this.wakeNode(plan).rules.update(changes);
  }

  /** Why a container could not start, by `pod/NS/NAME/CONTAINER`. */
  problemOf(container: string): string | undefined {
    return this.problems.get(container);
  }

  private buildUnderlay(): Bridge {
    const netns = this.newNetns(UNDERLAY, 'switch');
    const bridge = new Bridge(netns, 'switch', macOf(SWITCH_PORT_MAC_PREFIX, 0 as Ipv4), MTU);
    bridge.station = false;
    netns.addBridge(bridge);
    const network = this;
    bridge.sleeping = {
      get count() {
        return network.nodesAsleep;
      },
      wake: (skb) => this.wakeStation(skb),
    };
    return bridge;
  }

  private buildOutside(): void {
    const { router, cidr, outsideRouter, outsideClient, outsideCidr, podRoutes } = this.plan.underlay;
    const gateway = this.newNetns(ROUTER, 'router');
    this.set(gateway, 'net.ipv4.ip_forward', '1');
    const eth0 = this.plug(gateway, router, cidr.length, 'router');
    if (podRoutes) gateway.fib.share(this.podRoutes, undefined, eth0);
    this.routeServiceAddresses(gateway, eth0);
    const client = this.newNetns(CLIENT, 'host');
    const here = new LinkEnd(client, 'eth0', 'physical', macOf(OUTSIDE_MAC_PREFIX, outsideClient), MTU, CABLE_DELAY_NS);
    const there = new LinkEnd(gateway, 'eth1', 'physical', macOf(OUTSIDE_MAC_PREFIX, outsideRouter), MTU, CABLE_DELAY_NS);
    LinkEnd.join(here, there);
    gateway.addAddress(gateway.addDevice(there), { address: outsideRouter, length: outsideCidr.length });
    const clientEth0 = client.addDevice(here);
    client.addAddress(clientEth0, { address: outsideClient, length: outsideCidr.length });
    client.addRoute({ address: ANY_V4, length: 0 }, { via: outsideRouter, device: clientEth0 });
    const stack = this.stacks.get(CLIENT) as Stack;
    stack.serve('www', 'tcp', 80);
    stack.serve('www', 'tcp', 443);
    stack.serve('named', 'udp', 53);
  }

  /**
   * Addresses of Services for clients outside lead to one node each, which the cloud has found healthy: what a
   * load balancer that keeps the destination address does, and what an administrator sets up for externalIPs.
   */
  private routeServiceAddresses(router: Netns, eth0: InetDevice): void {
    for (const service of this.plan.services) {
      const addresses = [...service.loadBalancerIps, ...service.externalIps];
      if (addresses.length === 0) continue;
      const node = this.ingressNode(service);
      if (!node) continue;
      for (const text of addresses) {
        const address = parseIpv4(text);
        if (address === undefined || this.nodeByIp.has(address)) continue;
        router.addRoute({ address, length: 32 }, { via: node.ip, device: eth0 });
      }
    }
  }

  /** With externalTrafficPolicy Local the health check passes on nodes with a ready endpoint only; else any worker will do. */
  private ingressNode(service: ServiceView): NodePlan | undefined {
    const workers = this.plan.nodes.filter((node) => !node.controlPlane);
    const candidates = workers.length > 0 ? workers : this.plan.nodes;
    if (service.externalTrafficPolicy !== 'Local') return candidates[0];
    const healthy = new Set(service.endpoints.filter((endpoint) => endpoint.ready).map((endpoint) => endpoint.node));
    return this.plan.nodes.find((node) => healthy.has(node.name)) ?? candidates[0];
  }

  /** A Service by its name. */
  service(namespace: string, name: string): ServiceView | undefined {
    return this.services.get(`${namespace}/${name}`);
  }

  /** Connects a namespace's eth0 to the underlay switch. */
  private plug(netns: Netns, address: Ipv4, length: number, portName: string): ReturnType<Netns['addDevice']> {
    const nic = new LinkEnd(netns, 'eth0', 'physical', macOf(NODE_MAC_PREFIX, address), MTU, CABLE_DELAY_NS);
    const switchNetns = this.netnsById.get(UNDERLAY) as Netns;
    const port = new LinkEnd(switchNetns, portName, 'physical', macOf(SWITCH_PORT_MAC_PREFIX, address), MTU, CABLE_DELAY_NS);
    LinkEnd.join(nic, port);
    const eth0 = netns.addDevice(nic);
    const switchPort = switchNetns.addDevice(port);
    this.underlay.addPort(port, false);
    this.building?.grown.push(switchPort);
    netns.addAddress(eth0, { address, length });
    return eth0;
  }

  private wakeNode(plan: NodePlan): BuiltNode {
    const known = this.nodes.get(plan.name);
    if (known) return known;
    const id = `node/${plan.name}`;
    return this.quietly(() => {
      const netns = this.newNetns(id, 'node');
      this.set(netns, 'net.ipv4.ip_forward', '1');
      // kube-proxy's and the network plugin's rules need it, so every node tracks connections.
      netns.conntrack = new Conntrack(netns, netns.hooks);
      const eth0 = this.plug(netns, plan.ip, this.plan.underlay.cidr.length, plan.name);
      netns.addRoute({ address: ANY_V4, length: 0 }, { via: this.plan.underlay.router, device: eth0 });
      netns.fib.share(this.podRoutes, plan.podCidr, eth0);
      const stack = this.stacks.get(id) as Stack;
      stack.serve('kubelet', 'tcp', 10_250);
      if (plan.controlPlane) stack.serve('kube-apiserver', 'tcp', 6_443);
      this.nodesAsleep--;
      const node: BuiltNode = {
        netns,
        plan,
        rules: new NodeRules(netns, this.plan, plan, this.proxyModeNow),
        bridge: undefined,
        asleep: 0,
      };
      if (this.small) node.rules.write();
      // kube-proxy tells load balancers whether this node has an endpoint (pkg/proxy/healthcheck/service_health.go).
      for (const { spec } of this.plan.serviceObjects) {
        const port = spec?.healthCheckNodePort;
        if (port) stack.serve('kube-proxy', 'tcp', port, undefined, () => (node.rules.hasLocalEndpoint(port) ? '200 OK' : UNHEALTHY));
      }
      this.nodes.set(plan.name, node);
      this.wakePodsOf(node);
      return node;
    });
  }

  private wakePodsOf(node: BuiltNode): void {
    const pods = this.podsByNode.get(node.plan.name) ?? [];
    const ownNamespace = pods.filter((p) => !p.hostNetwork);
    node.asleep = ownNamespace.length;
    for (const pod of pods) if (pod.hostNetwork || ownNamespace.length <= AWAKE_PODS_PER_NODE_MAX) this.wakePod(pod);
    if (ownNamespace.length > 0) this.bridgeOf(node);
  }

  private wakePod(pod: PodPlan): void {
    const node = this.wakeNode(this.nodePlans.get(pod.node) as NodePlan);
    const id = podId(pod);
    if (this.netnsById.has(id) || this.nodes.get(pod.node) !== node) return;
    if (pod.hostNetwork) {
      if (!this.startedHostPods.has(id)) this.startContainers(pod, node.netns.id);
      this.startedHostPods.add(id);
      return;
    }
    const podCidr = node.plan.podCidr;
    if (!isPodCidr(podCidr)) return;
    this.quietly(() => {
      const bridge = this.bridgeOf(node);
      const netns = this.newNetns(id, 'pod');
      this.building?.grown.push(addPod(node.netns, bridge, netns, podCidr as Cidr, pod.ip, hostVethName(pod.namespace, pod.name)));
      node.asleep--;
      this.startContainers(pod, id);
    });
  }

  private readonly startedHostPods = new Set<string>();

  private bridgeOf(node: BuiltNode): Bridge {
    if (!node.bridge) {
      node.bridge = createBridge(node.netns, node.plan.podCidr as Cidr, {
        get count() {
          return node.asleep;
        },
        wake: (skb) => this.wakeStation(skb),
      });
      node.bridge.hooks = new BridgeNetfilter(node.netns);
    }
    return node.bridge;
  }

  private startContainers(pod: PodPlan, netnsId: string): void {
    const stack = this.stacks.get(netnsId) as Stack;
    for (const container of pod.containers) {
      for (const { protocol, port, address } of container.listens) {
        const problem = stack.serve(container.name, protocol, port, address);
        if (problem) this.problems.set(`${podId(pod)}/${container.name}`, problem);
      }
    }
  }

  /** Builds the station that a flooded frame is for: who is asked for by ARP, or has the MAC. */
  private wakeStation(skb: Skb): void {
    const payload = skb.payload;
    const asked = payload.type === 'arp' && payload.op === 'request' ? payload.targetIp : undefined;
    const byMac =
      podAddressOfMac(skb.dst) ??
      (Math.floor(skb.dst / 0x1_0000_0000) === NODE_MAC_PREFIX ? ((skb.dst % 0x1_0000_0000) as Ipv4) : undefined);
    const address = asked ?? byMac;
    if (address === undefined || !isIpv4(address)) return;
    const node = this.nodeByIp.get(address);
    if (node) this.wakeNode(node);
    const pod = this.podByIp.get(address);
    if (pod) this.wakePod(pod);
  }

  private newNetns(id: string, kind: Netns['kind']): Netns {
    const netns = new Netns(this.lab, id, kind);
    this.netnsById.set(id, netns);
    this.building?.fresh.push(netns);
    const stack = new Stack(netns);
    // The Service `kubernetes` always has the first address of the Service network.
    if (kind === 'pod' && isIpv4(this.plan.serviceCidr.address)) stack.dnsAddress = ((this.plan.serviceCidr.address + 1) >>> 0) as Ipv4;
    this.stacks.set(id, stack);
    return netns;
  }

  /**
   * Builds without recording the parts. When the outermost building is done, what is new is announced
   * whole, and namespaces known before are told of the devices that they have got.
   */
  private quietly<T>(build: () => T): T {
    const { recorder } = this.lab;
    const outermost = this.building === undefined;
    this.building ??= { recording: recorder.on, fresh: [], grown: [] };
    recorder.on = false;
    const result = build();
    if (!outermost) return result;
    const { recording, fresh, grown } = this.building;
    this.building = undefined;
    recorder.on = recording;
    for (const dev of grown) {
      if (!fresh.includes(dev.netns)) recorder.fact('deviceChanged', dev.netns.id, dev.device.name, { view: dev.view() });
    }
    for (const netns of fresh) this.onAwake?.(netns);
    return result;
  }

  private set(netns: Netns, key: string, value: string): void {
    const result = netns.sysctls.set(key, value);
    assert(result.ok, `the sysctl ${key} is modelled`);
  }
}

export const podId = (pod: { namespace: string; name: string }): string => `pod/${pod.namespace}/${pod.name}`;
