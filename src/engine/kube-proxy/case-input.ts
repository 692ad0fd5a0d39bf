import type { Cidr, IpAddress } from '../../protocol/address.ts';
import { SCHEDULERS } from '../ipvs/model.ts';
import { familyOf, type IpFamily, parseCidrSloppy, parseIpSloppy } from './addresses.ts';
import { type CaseObjects, readObjects } from './case-objects.ts';
import { parseDurationNs } from './go-duration.ts';
import type { JsonReader } from './json-reader.ts';
import type { ProxyConfig, ProxyNode } from './model.ts';
import { nodePortAddresses } from './node-port-addresses.ts';

/** What a case says about the machine, the settings and the objects: everything that rules follow from. */
export interface CaseInput {
  readonly id: string;
  readonly proxyMode: 'iptables' | 'nftables' | 'ipvs';
  readonly node: ProxyNode;
  readonly config: ProxyConfig;
  readonly objects: CaseObjects;
}

/** topology.kubernetes.io/zone, core/v1's LabelTopologyZone. */
const ZONE_LABEL = 'topology.kubernetes.io/zone';
/** iptables.masqueradeBit 14. */
const DEFAULT_MARK = 0x4000;

/** Reads the part that all forms of cases have; throws BadInput. */
export function readCaseInput(entry: JsonReader): CaseInput {
  const settings = entry.at('settings');
  const family = settings.at('ipFamily').optional((reader) => reader.oneOf('IPv4', 'IPv6')) ?? 'IPv4';
  const id = entry.at('id').text();
  const proxyMode = entry.at('proxyMode').oneOf('iptables', 'nftables', 'ipvs');
  const config = readConfig(settings, entry.at('node'), family);
  return {
    id,
    proxyMode,
    node: proxyMode === 'ipvs' ? readIpvsNode(entry.at('node'), settings, config) : readNode(entry.at('node'), family),
    config,
    objects: readObjects(entry.at('objects')),
  };
}

const address = (reader: JsonReader): IpAddress => parseIpSloppy(reader.text()) ?? reader.fail('an IP address');
const cidr = (reader: JsonReader): Cidr => parseCidrSloppy(reader.text()) ?? reader.fail('a CIDR');
const cidrText = (reader: JsonReader): string => {
  cidr(reader);
  return reader.text();
};
const cidrOrPrimary = (reader: JsonReader): string => (reader.text() === 'primary' ? 'primary' : cidrText(reader));
const flag = (reader: JsonReader, otherwise: boolean): boolean => reader.optional((present) => present.boolean()) ?? otherwise;

function readNode(node: JsonReader, family: IpFamily): ProxyNode {
  const addresses = node.at('ips').items().map(address);
  const primary = node.at('primaryIP').optional(address);
  const primaryAddress =
    primary !== undefined && familyOf(primary) === family ? primary : addresses.find((candidate) => familyOf(candidate) === family);
  if (primaryAddress === undefined) return node.at('ips').fail(`an ${family} address of the node`);
  const label = node.at('labels').at(ZONE_LABEL);
  return {
    name: node.at('name').text(),
    addresses,
    primaryAddress,
    zone: (node.at('zone').present ? node.at('zone') : label).optional((reader) => reader.text()),
  };
}

/**
 * The IPVS tests know nodes without addresses; and with `nodePortAddresses` kube-proxy looks at the interfaces, which
 * those tests name apart from the node's addresses.
 */
function readIpvsNode(node: JsonReader, settings: JsonReader, config: ProxyConfig): ProxyNode {
  const ips = node.at('ips').items().map(address);
  const unspecified = (config.family === 'IPv4' ? 0 : 0n) as IpAddress;
  const read =
    ips.some((ip) => familyOf(ip) === config.family) || node.at('primaryIP').present
      ? readNode(node, config.family)
      : { name: node.at('name').text(), addresses: ips, primaryAddress: unspecified, zone: undefined };
  if (nodePortAddresses(read, config).matchAll) return read;
  const interfaces = settings
    .at('interfaces')
    .items()
    .flatMap((entry) => entry.at('addresses').items())
    .map((entry) => parseIpSloppy(entry.text().split('/')[0] ?? '') ?? entry.fail('an address of an interface'));
  return { ...read, addresses: [...new Set([...ips, ...interfaces])] };
}

function readConfig(settings: JsonReader, node: JsonReader, family: IpFamily): ProxyConfig {
  const randomFully = settings.at('iptablesHasRandomFully');
  return {
    family,
    masqueradeAll: flag(settings.at('masqueradeAll'), false),
    masqueradeMark: settings.at('masqueradeMark').optional(readMark) ?? DEFAULT_MARK,
    detectLocalCidr: readDetector(settings.at('detectLocal'), node.at('localTraffic').at(family.toLowerCase()), family),
    nodePortAddresses: settings.at('nodePortAddresses').items().map(cidrOrPrimary),
    localhostNodePorts: flag(settings.at('localhostNodePorts'), true),
    conntrackTcpBeLiberal: flag(settings.at('conntrackTCPBeLiberal'), false),
    nfacctCounters: settings.at('nfacctCounters').texts(),
    randomFully: flag(randomFully.present ? randomFully : settings.at('randomFully'), false),
    serviceCidrs: settings.at('serviceCIDRs').items().map(cidrText),
    syncPeriodNs: settings.at('syncPeriod').optional(readDurationNs),
    ipvs: {
      scheduler: settings.at('scheduler').optional((reader) => reader.oneOf(...SCHEDULERS)) ?? 'rr',
      strictArp: flag(settings.at('strictARP'), false),
      excludeCidrs: settings.at('excludeCIDRs').items().map(cidrText),
      timeouts: {
        tcp: readSeconds(settings.at('tcpTimeout')),
        tcpFin: readSeconds(settings.at('tcpFinTimeout')),
        udp: readSeconds(settings.at('udpTimeout')),
      },
    },
  };
}

const readSeconds = (reader: JsonReader): number => Math.floor((reader.optional(readDurationNs) ?? 0) / 1e9);

function readMark(reader: JsonReader): number {
  if (typeof reader.value === 'number') return reader.integer(1, 0xffffffff);
  const value = /^(0x[0-9a-fA-F]{1,8}|\d{1,10})$/.test(reader.text()) ? Number(reader.text()) : 0;
  return value >= 1 && value <= 0xffffffff ? value : reader.fail('a mark of 32 bits');
}

function readDetector(detector: JsonReader, ofNode: JsonReader, family: IpFamily): Cidr | undefined {
  const own = (reader: JsonReader): Cidr =>
    familyOf(cidr(reader).address) === family ? cidr(reader) : reader.fail(`a CIDR of ${family}, the case's ipFamily`);
  if (!detector.present) return ofNode.optional(own);
  const mode = detector.object().at('mode').oneOf('ClusterCIDR', 'NodeCIDR', 'None');
  if (mode === 'None') return undefined;
  return own(detector.at('cidr').present ? detector.at('cidr') : ofNode);
}

/** Seconds as a number, or a duration such as `30s` or `1m30s`. */
function readDurationNs(reader: JsonReader): number {
  if (typeof reader.value === 'number') return reader.value >= 0 ? reader.value * 1e9 : reader.fail('a duration');
  return parseDurationNs(reader.text()) ?? reader.fail('a duration such as 30s');
}
