import { cidrContains, formatIp, type IpAddress } from '../../../protocol/address.ts';
import type { Command, Element, Rule, Statement, Verdict } from '../../netfilter/nftables/model.ts';
import { nftablesEndpointBase, nftablesServiceBase } from '../chain-names.ts';
import type { Endpoint, Endpoints } from '../endpoints.ts';
import type { ProxyConfig, ProxyNode } from '../model.ts';
import type { ServicePortInfo } from '../service-port.ts';
import type { ServiceTraffic } from '../traffic.ts';
import {
  among,
  anonymous,
  atom,
  compare,
  concatValue,
  DROP,
  DROP_VERDICT,
  FROM_LOCAL,
  familyWords,
  goTo,
  named,
  notAmong,
  ofProtocol,
  prefix,
  protocolNumber,
  randomOf,
  rule,
  selector,
  setMark,
  verdict,
} from './parts.ts';
import { ELEMENT_CONTAINERS, type ElementContainer, REJECT_CHAIN } from './setup.ts';

/** An element that a service port wants in one of the shared sets and maps. */
export interface WantedElement {
  readonly container: ElementContainer;
  /** The key as text: what tells elements of one container apart. */
  readonly keyText: string;
  /** The verdict as text; empty in sets. */
  readonly valueText: string;
  readonly element: Element;
}

/** What one service port has in the table (pkg/proxy/nftables/proxier.go, syncProxyRules). */
export interface ServiceObjects {
  /** Its own chains, in the order of creation. */
  readonly chains: readonly string[];
  readonly affinitySets: readonly string[];
  readonly elements: readonly WantedElement[];
  /** Affinity sets and rules, in order. */
  readonly commands: readonly Command[];
}

const NO_SETS: readonly string[] = [];

export function serviceObjects(port: ServicePortInfo, traffic: ServiceTraffic, node: ProxyNode, config: ProxyConfig): ServiceObjects {
  const base = nftablesServiceBase(port.namespace, port.serviceName, port.protocol, port.portName);
  const names = { cluster: `service-${base}`, local: `local-${base}`, external: `external-${base}`, firewall: `firewall-${base}` };
  const usesFirewall = port.loadBalancerVips.length > 0 && port.sourceRanges.length > 0;
  const sticky = port.affinitySeconds === undefined ? undefined : new Map(traffic.reachable.map((e) => [e, stickyNames(port, e)]));

  const chains: string[] = sticky === undefined ? [] : [...sticky.values()].map(({ chain }) => chain);
  if (traffic.usesClusterChain) chains.push(names.cluster);
  if (traffic.usesLocalChain) chains.push(names.local);
  if (traffic.usesExternalChain) chains.push(names.external);
  if (usesFirewall) chains.push(names.firewall);

  const commands: Command[] = [];
  const add = (chain: string, rules: readonly Rule[]): void => {
    for (const content of rules) commands.push({ type: 'addRule', chain, rule: content });
  };
  if (traffic.usesExternalChain) add(names.external, externalRules(port, traffic, config, names));
  if (usesFirewall) add(names.firewall, [firewallRule(port, node, config)]);
  if (sticky === undefined) {
    if (traffic.usesClusterChain) add(names.cluster, [dnatRule(port, traffic.cluster, config)]);
    if (traffic.usesLocalChain) add(names.local, [dnatRule(port, traffic.local, config)]);
  } else {
    commands.push(...affinitySets(port, sticky, config));
    if (traffic.usesClusterChain) add(names.cluster, stickyRules(traffic.cluster, sticky, config));
    if (traffic.usesLocalChain) add(names.local, stickyRules(traffic.local, sticky, config));
    for (const [endpoint, { chain, set }] of sticky) add(chain, endpointRules(port, endpoint, set, config));
  }
  return {
    chains,
    affinitySets: sticky === undefined ? NO_SETS : [...sticky.values()].map(({ set }) => set),
    elements: wantedElements(port, traffic, node, names, usesFirewall),
    commands,
  };
}

interface ChainNames {
  readonly cluster: string;
  readonly local: string;
  readonly external: string;
  readonly firewall: string;
}

/** The chain of an endpoint and the set of clients that stick to it: only with session affinity. */
interface StickyNames {
  readonly chain: string;
  readonly set: string;
}

function stickyNames(port: ServicePortInfo, endpoint: Endpoint): StickyNames {
  const ip = formatIp(endpoint.address);
  const base = nftablesEndpointBase(port.namespace, port.serviceName, port.protocol, port.portName, ip, endpoint.port);
  return { chain: `endpoint-${base}`, set: `affinity-${base}` };
}

function wantedElements(
  port: ServicePortInfo,
  traffic: ServiceTraffic,
  node: ProxyNode,
  names: ChainNames,
  usesFirewall: boolean,
): readonly WantedElement[] {
  // One of each key: an external IP may also be a load balancer's.
  const elements = new Map<string, WantedElement>();
  const number = protocolNumber(port.protocol);
  const want = (container: ElementContainer, keyText: string, element: Element, valueText = ''): void => {
    elements.set(`${container} ${keyText}`, { container, keyText, valueText, element });
  };
  const wantAt = (container: ElementContainer, address: IpAddress, data: Verdict, comment?: string): void =>
    want(
      container,
      `${address} ${port.protocol} ${port.port}`,
      { key: concatValue(address, number, port.port), data, comment },
      verdictText(data),
    );
  const wantAtNodePort = (container: ElementContainer, data: Verdict, comment?: string): void =>
    want(container, `${port.protocol} ${port.nodePort}`, { key: concatValue(number, port.nodePort), data, comment }, verdictText(data));

  for (const { address, port: endpointPort, nodeName } of traffic.reachable) {
    if (node.name === '' || nodeName !== node.name) continue;
    want(ELEMENT_CONTAINERS.hairpinConnections, `${address} ${port.protocol} ${endpointPort}`, {
      key: concatValue(address, address, number, endpointPort),
    });
  }
  want(ELEMENT_CONTAINERS.clusterIps, String(port.clusterIp), { key: atom(port.clusterIp) });

  const refused = traffic.hasAny ? DROP_VERDICT : goTo(REJECT_CHAIN);
  if (traffic.hasInternal) {
    wantAt(ELEMENT_CONTAINERS.serviceIps, port.clusterIp, goTo(port.internalPolicyLocal ? names.local : names.cluster));
  } else wantAt(ELEMENT_CONTAINERS.noEndpointServices, port.clusterIp, refused, port.name);
  const toExternal = goTo(names.external);
  for (const address of port.externalIps) {
    if (traffic.hasAny) wantAt(ELEMENT_CONTAINERS.serviceIps, address, toExternal);
    if (!traffic.hasExternal) wantAt(ELEMENT_CONTAINERS.noEndpointServices, address, refused, port.name);
  }
  for (const address of port.loadBalancerVips) {
    if (traffic.hasAny) wantAt(ELEMENT_CONTAINERS.serviceIps, address, toExternal);
    if (usesFirewall) wantAt(ELEMENT_CONTAINERS.firewallIps, address, goTo(names.firewall));
  }
  if (!traffic.hasExternal) {
    for (const address of port.loadBalancerVips) wantAt(ELEMENT_CONTAINERS.noEndpointServices, address, refused, port.name);
  }
  if (port.nodePort !== 0) {
    if (traffic.hasAny) wantAtNodePort(ELEMENT_CONTAINERS.serviceNodePorts, toExternal);
    if (!traffic.hasExternal) wantAtNodePort(ELEMENT_CONTAINERS.noEndpointNodePorts, refused, port.name);
  }
  return [...elements.values()];
}

const verdictText = (value: Verdict): string => ('chain' in value ? `${value.type} ${value.chain}` : value.type);

/** The chain `external-…` */
function externalRules(port: ServicePortInfo, traffic: ServiceTraffic, config: ProxyConfig, names: ChainNames): readonly Rule[] {
  const rules: Rule[] = [];
  const masquerade = setMark('or', config.masqueradeMark);
  const toCluster = verdict(goTo(names.cluster));
  if (!port.externalPolicyLocal) rules.push(rule([masquerade], 'masquerade'));
  else {
    if (config.detectLocalCidr !== undefined) {
      const { saddr } = familyWords(config.family);
      rules.push(rule([compare(saddr, '==', prefix(config.detectLocalCidr)), toCluster], 'short-circuit pod traffic'));
    }
    rules.push(rule([FROM_LOCAL, masquerade], 'masquerade local traffic'));
    rules.push(rule([FROM_LOCAL, toCluster], 'short-circuit local traffic'));
  }
  if (traffic.hasExternal) rules.push(rule([verdict(goTo(port.externalPolicyLocal ? names.local : names.cluster))]));
  return rules;
}

/** The chain `firewall-…` */
function firewallRule(port: ServicePortInfo, node: ProxyNode, config: ProxyConfig): Rule {
  const sources: Element[] = port.sourceRanges.map((range) => ({ key: prefix(range) }));
  // A VIP may be an address of this machine; its own requests then come back with the VIP as their source.
  if (port.sourceRanges.some((range) => cidrContains(range, node.primaryAddress))) {
    for (const address of port.loadBalancerVips) sources.push({ key: atom(address) });
  }
  return rule([notAmong(selector(familyWords(config.family).saddr), anonymous(sources)), DROP]);
}

/** `dnat ip addr . port to numgen random mod N map { … }` */
function dnatRule(port: ServicePortInfo, endpoints: Endpoints, config: ProxyConfig): Rule {
  const elements = endpoints.map((endpoint, i): Element => ({ key: atom(i), data: concatValue(endpoint.address, endpoint.port) }));
  const dnat: Statement = {
    type: 'natMap',
    kind: 'dnat',
    family: familyWords(config.family).family,
    to: { type: 'map', key: randomOf(endpoints.length), map: anonymous(elements) },
  };
  return rule([ofProtocol(port.protocol), dnat]);
}

/** First the endpoint that a client had before, then one at random. */
function stickyRules(endpoints: Endpoints, sticky: ReadonlyMap<Endpoint, StickyNames>, config: ProxyConfig): readonly Rule[] {
  const source = selector(familyWords(config.family).saddr);
  const names = endpoints.map((endpoint) => sticky.get(endpoint) as StickyNames);
  const elements = names.map(({ chain }, i): Element => ({ key: atom(i), data: goTo(chain) }));
  return [
    ...names.map(({ chain, set }) => rule([among(source, named(set)), verdict(goTo(chain))])),
    rule([{ type: 'vmap', key: randomOf(endpoints.length), map: anonymous(elements) }]),
  ];
}

function affinitySets(port: ServicePortInfo, sticky: ReadonlyMap<Endpoint, StickyNames>, config: ProxyConfig): Command[] {
  const { addressType } = familyWords(config.family);
  return [...sticky.values()].map(({ set }) => ({
    type: 'addSet',
    definition: { name: set, key: [addressType], flags: ['dynamic', 'timeout'], timeoutSeconds: port.affinitySeconds, elements: [] },
  }));
}

/** The chain `endpoint-…` */
function endpointRules(port: ServicePortInfo, { address, port: number }: Endpoint, set: string, config: ProxyConfig): readonly Rule[] {
  const source = selector(familyWords(config.family).saddr);
  return [
    rule([{ type: 'setUpdate', operation: 'update', set, key: source, timeoutSeconds: undefined }]),
    rule([
      ofProtocol(port.protocol),
      {
        type: 'nat',
        nat: {
          kind: 'dnat',
          addresses: { min: address, max: address },
          ports: { min: number, max: number },
          random: false,
          fullyRandom: false,
          persistent: false,
        },
        family: undefined,
      },
    ]),
  ];
}
