import { err, ok, type Result } from '../../base/result.ts';
import { type Cidr, type Ipv4, isIpv4, type Mac, parseCidr, parseIpv4, parseMac } from '../../protocol/address.ts';
import type { RouteType } from '../../protocol/event.ts';
import { Conntrack } from '../conntrack/table.ts';
import { NamespaceRules } from '../ip/namespace-rules.ts';
import { Netns } from '../ip/netns.ts';
import { Device, type DeviceOwner } from '../link/device.ts';
import { restoreSets } from '../netfilter/ipset-text.ts';
import type { LabContext } from '../sim/lab-context.ts';

export interface DumpProblem {
  readonly line: number | undefined;
  readonly message: string;
}

/** A node rebuilt from what its own tools printed. */
export interface DumpedNode {
  readonly netns: Netns;
  /** What was understood and has no effect here, or was assumed. */
  readonly notes: readonly string[];
}

interface Section {
  readonly kind: 'iptables' | 'nft' | 'addresses' | 'routes' | 'fdb' | 'ipset' | 'ipvs';
  /** Line of its first line, from 1. */
  readonly start: number;
  readonly lines: string[];
}

/** A device of a real node, of which only this end is known: what is sent out of it is gone. */
class LooseEnd extends Device {
  constructor(owner: DeviceOwner, name: string, mac: Mac, mtu: number) {
    super(owner, name, name.startsWith('cni') || name.startsWith('br') ? 'bridge' : 'physical', mac, mtu);
  }

  get carrier(): boolean {
    return true;
  }

  get peer(): undefined {
    return undefined;
  }

  protected transmit(): void {
    // The other end is not in the dump.
  }
}

/**
 * Rebuilds a node's namespace from the output of `iptables-save`, `nft list ruleset`, `ip addr`, `ip route`,
 * `ipset save` and `bridge fdb`, pasted one after the other in any order. What is not understood is
 * refused with its line.
 */
export function readDumps(text: string, lab: LabContext): Result<DumpedNode, readonly DumpProblem[]> {
  const sections = sectionsOf(text);
  if (!sections.ok) return sections;
  const netns = new Netns(lab, 'node/dump', 'node');
  netns.sysctls.set('net.ipv4.ip_forward', '1');
  const notes: string[] = [];
  const rules = new NamespaceRules(netns);
  netns.rules = rules;
  netns.conntrack = new Conntrack(netns, netns.hooks);
  const problems: DumpProblem[] = [];
  const all = (kind: Section['kind']): Section[] => sections.value.filter((section) => section.kind === kind);
  for (const section of all('addresses')) problems.push(...readAddresses(section, netns));
  for (const section of all('routes')) problems.push(...readRoutes(section, netns, notes));
  if (all('addresses').length === 0)
    notes.push('There is no “ip addr”: without it no address is local, and only devices that routes name exist.');
  if (all('routes').length === 0) notes.push('There is no “ip route”: only the networks of the addresses are reached.');
  for (const section of all('ipset')) {
    const restored = restoreSets(rules.iptables.sets, section.lines.join('\n'));
    if (!restored.ok) problems.push({ line: section.start, message: `ipset: ${textOf(restored.error)}` });
  }
  const byIptables = all('iptables').length > 0;
  for (const section of all('iptables')) {
    const restored = rules.restore(section.lines.join('\n'));
    if (!restored.ok) problems.push(...placed(section, restored.error));
  }
  for (const section of all('nft')) {
    if (byIptables && /^table (ip|ip6) (nat|filter|mangle|raw|security) \{/.test(section.lines[0] ?? '')) {
      notes.push(`${section.lines[0]?.replace(' {', '')} of nft belongs to iptables, and iptables-save is there: it is taken from that.`);
      continue;
    }
    const loaded = rules.loadNftables(section.lines.join('\n'));
    if (!loaded.ok) problems.push(...placed(section, loaded.error));
  }
  if (all('fdb').length > 0) notes.push('“bridge fdb” tells where the bridge sends a frame; here the packet’s way ends at the bridge.');
  if (all('ipvs').length > 0) notes.push('“ipvsadm -Sn” is not used: IPVS is not part of this walk.');
  rules.changed();
  return problems.length > 0 ? err(problems) : ok({ netns, notes });
}

/** Errors of a parser count lines within their section. */
function placed(section: Section, error: string): DumpProblem[] {
  return error.split('\n').map((message) => {
    const match = /^line (\d+): (.*)$/s.exec(message);
    return match ? { line: section.start + Number(match[1]) - 1, message: match[2] as string } : { line: section.start, message };
  });
}

const textOf = (error: unknown): string => (typeof error === 'string' ? error : JSON.stringify(error));

/** By its first words each line says which tool printed it. */
function kindOf(line: string): Section['kind'] | undefined {
  if (/^\*(raw|mangle|nat|filter|security)$/.test(line)) return 'iptables';
  if (/^table \S+ \S+ \{/.test(line)) return 'nft';
  if (/^\d+: \S+:/.test(line)) return 'addresses';
  if (/^(create|add) \S+/.test(line)) return 'ipset';
  if (/^-[Aa] -[tuf] /.test(line)) return 'ipvs';
  if (/^([0-9a-f]{2}:){5}[0-9a-f]{2} dev /.test(line)) return 'fdb';
  if (/^(default|unicast|local|broadcast|blackhole|unreachable|prohibit|throw|\d+\.\d+\.\d+\.\d+)(\/\d+)?( |$)/.test(line)) return 'routes';
  return undefined;
}

/** A table is read up to its end, whatever its lines look like. */
const isWhole = ({ kind }: Section): boolean => kind === 'iptables' || kind === 'nft';

function sectionsOf(text: string): Result<Section[], DumpProblem[]> {
  const sections: Section[] = [];
  const problems: DumpProblem[] = [];
  let open: Section | undefined;
  for (const [i, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trimEnd();
    if (open && isWhole(open)) {
      open.lines.push(line);
      if (line === (open.kind === 'iptables' ? 'COMMIT' : '}')) open = undefined;
      continue;
    }
    // Prompts and commands that were copied along, and comments of the tools.
    if (line === '' || /^(#|\$|\S+[@:]\S*[#$] )/.test(line)) continue;
    if (open?.kind === 'addresses' && /^\s/.test(line)) {
      open.lines.push(line);
      continue;
    }
    const kind = kindOf(line);
    if (!kind) {
      problems.push({
        line: i + 1,
        message: `not understood: ${JSON.stringify(line.slice(0, 80))}; expected iptables-save, nft list ruleset, ip addr, ip route, ipset save, ipvsadm -Sn or bridge fdb`,
      });
      if (problems.length >= 20) return err(problems);
      continue;
    }
    if (!open || open.kind !== kind || isWhole(open)) {
      open = { kind, start: i + 1, lines: [] };
      sections.push(open);
    }
    open?.lines.push(line);
    if (kind === 'nft' && line.endsWith('}')) open = undefined;
  }
  if (open && isWhole(open))
    problems.push({
      line: open.start,
      message: `the ${open.kind === 'iptables' ? 'table has no COMMIT' : 'table is not closed'}: was it copied whole?`,
    });
  if (sections.length === 0 && problems.length === 0)
    problems.push({ line: undefined, message: 'there is nothing to read: paste iptables-save or nft list ruleset' });
  return problems.length > 0 ? err(problems) : ok(sections);
}

function readAddresses({ start, lines }: Section, netns: Netns): DumpProblem[] {
  const problems: DumpProblem[] = [];
  let device = netns.lo;
  for (const [i, line] of lines.entries()) {
    const head = /^\d+: ([^:@]+)(?:@[^:]+)?: <([^>]*)>(?:.* mtu (\d+))?/.exec(line);
    if (head) {
      const name = head[1] as string;
      const known = netns.device(name);
      device = known ?? netns.addDevice(new LooseEnd(netns, name, 0x02_00_00_00_00_00 as Mac, Number(head[3] ?? 1500)));
      if (!known) device.device.up = (head[2] as string).split(',').includes('UP');
      continue;
    }
    const inet = /^\s+inet (\S+)/.exec(line);
    if (!inet) continue;
    const cidr = parseCidr(inet[1] as string) ?? hostCidr(inet[1] as string);
    if (!cidr) problems.push({ line: start + i, message: `expected an address after inet, got ${JSON.stringify(inet[1])}` });
    else if (device !== netns.lo && isIpv4(cidr.address)) netns.addAddress(device, cidr);
  }
  return problems;
}

const hostCidr = (text: string): Cidr | undefined => {
  const address = parseIpv4(text);
  return address === undefined ? undefined : { address, length: 32 };
};

function readRoutes({ start, lines }: Section, netns: Netns, notes: string[]): DumpProblem[] {
  const problems: DumpProblem[] = [];
  for (const [i, line] of lines.entries()) {
    const words = line.trim().split(/\s+/);
    const typed = /^(unicast|local|broadcast|blackhole|unreachable|prohibit|throw)$/.test(words[0] as string);
    const type = (typed ? words.shift() : 'unicast') as RouteType | 'throw';
    const prefix = words.shift() ?? '';
    const field = (name: string): string | undefined => {
      const at = words.indexOf(name);
      return at < 0 ? undefined : words[at + 1];
    };
    if (type === 'local' || type === 'broadcast' || field('proto') === 'kernel') continue;
    if (field('table') !== undefined && field('table') !== 'main') {
      notes.push(`line ${start + i}: routes of table ${field('table')} are left out, since policy rules are not modelled.`);
      continue;
    }
    const destination = prefix === 'default' ? { address: 0 as Ipv4, length: 0 } : (parseCidr(prefix) ?? hostCidr(prefix));
    const name = field('dev');
    const via = field('via');
    const gateway = via === undefined ? undefined : parseIpv4(via);
    if (!destination || type === 'throw' || (via !== undefined && gateway === undefined) || (type === 'unicast' && name === undefined)) {
      problems.push({ line: start + i, message: `this route is not understood: ${line.trim()}` });
      continue;
    }
    const device =
      name === undefined ? undefined : (netns.device(name) ?? netns.addDevice(new LooseEnd(netns, name, 0x02_00_00_00_00_00 as Mac, 1500)));
    netns.addRoute(destination, { via: gateway, device, type });
  }
  return problems;
}

/** Any station of a link, where the dump does not say which MAC it has. */
export const SOME_MAC = parseMac('02:00:00:00:00:01') as Mac;
