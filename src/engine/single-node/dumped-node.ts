import { err, ok, type Result } from '../../base/result.ts';
import { type Mac, parseMac } from '../../protocol/address.ts';
import { Conntrack } from '../conntrack/table.ts';
import { NamespaceRules } from '../ip/namespace-rules.ts';
import { Netns } from '../ip/netns.ts';
import type { LabContext } from '../sim/lab-context.ts';
import { type DumpProblem, PROBLEMS_MAX, type Section, sectionsOf, textOf } from './dump-sections.ts';
import { readAddresses, readRoutes } from './dumped-interfaces.ts';
import { readServers, readSets, readSysctls } from './dumped-servers.ts';

/** A node rebuilt from what its own tools printed. */
export interface DumpedNode {
  readonly netns: Netns;
  /** What was understood and has no effect here, or was assumed. */
  readonly notes: readonly string[];
}

/** What every node of a cluster has, and what kube-proxy sets for IPVS (pkg/proxy/ipvs/proxier.go, sysctlVSConnTrack). */
const FORWARDS = 'net.ipv4.ip_forward';
const TRACKS = 'net.ipv4.vs.conntrack';

/**
 * Rebuilds a node's namespace from the output of `iptables-save`, `nft list ruleset`, `ip addr`, `ip route`,
 * `ipset save`, `ipvsadm -Sn`, `sysctl` and `bridge fdb`, pasted one after the other in any order. What is
 * not understood is refused with its line.
 */
export function readDumps(text: string, lab: LabContext): Result<DumpedNode, readonly DumpProblem[]> {
  const taken = sectionsOf(text);
  if (!taken.ok) return taken;
  const { sections, notes } = taken.value;
  const of = (kind: Section['kind']): Section[] => sections.filter((section) => section.kind === kind);
  const netns = new Netns(lab, 'node/dump', 'node');
  const rules = new NamespaceRules(netns);
  netns.rules = rules;
  netns.conntrack = new Conntrack(netns, netns.hooks);
  const problems: DumpProblem[] = [];

  const addresses = of('addresses');
  for (const section of addresses) problems.push(...readAddresses(section, netns));
  for (const section of of('routes')) problems.push(...readRoutes(section, netns, addresses.length > 0, notes));
  if (addresses.length === 0) notes.push('There is no “ip addr”: without it no address is local, and only devices that routes name exist.');
  if (of('routes').length === 0) notes.push('There is no “ip route”: only the networks of the addresses are reached.');

  const ipvs = of('ipvs');
  const { problems: refused, given } = readSysctls(
    of('sysctl').flatMap(({ lines }) => lines),
    netns,
  );
  problems.push(...refused);
  const assumed = [FORWARDS, ...(ipvs.length > 0 ? [TRACKS] : [])].filter((key) => !given.has(key));
  for (const key of assumed) netns.sysctls.set(key, '1');
  if (assumed.includes(TRACKS))
    notes.push(`${TRACKS} = 1 is assumed, as kube-proxy sets it: paste what “sysctl ${TRACKS}” prints if it is not so.`);

  const iptables = of('iptables');
  const used = setsIn(iptables);
  problems.push(...readSets(of('ipset'), rules.iptables.sets, (set) => used.has(set), notes));
  for (const section of iptables) {
    const restored = rules.restore(textOf(section));
    if (!restored.ok) problems.push(...placed(section, restored.error));
  }
  for (const section of of('nft')) {
    const head = section.lines[0]?.text ?? '';
    if (iptables.length > 0 && /^table (ip|ip6) (nat|filter|mangle|raw|security) \{/.test(head)) {
      notes.push(`${head.replace(' {', '')} of nft belongs to iptables, and iptables-save is there: it is taken from that.`);
      continue;
    }
    const loaded = rules.loadNftables(textOf(section));
    if (!loaded.ok) problems.push(...placed(section, loaded.error));
  }
  if (ipvs.length > 0) problems.push(...readServers(ipvs, netns, notes));
  if (of('fdb').length > 0) notes.push('“bridge fdb” tells where the bridge sends a frame; here the packet’s way ends at the bridge.');
  rules.changed();
  return problems.length > 0 ? err(problems.slice(0, PROBLEMS_MAX)) : ok({ netns, notes });
}

/** The sets that rules look into or change. */
function setsIn(iptables: readonly Section[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { lines } of iptables)
    for (const { text } of lines) for (const [, name] of text.matchAll(/--(?:match|add|del|map)-set (\S+)/g)) names.add(name as string);
  return names;
}

/** Errors of a parser count lines within their section, errors of the tables rules within their chain. */
function placed(section: Section, error: string): DumpProblem[] {
  return error
    .split('\n', PROBLEMS_MAX)
    .map((text) => {
      const atLine = /^line (\d+): (.*)$/s.exec(text);
      if (atLine) return { line: section.lines[Number(atLine[1]) - 1]?.number ?? section.lines[0]?.number, message: atLine[2] as string };
      const atRule = /^table \S+, chain (\S+), rule (\d+): /.exec(text);
      const rule = atRule && section.lines.filter((line) => line.text.includes(`-A ${atRule[1]} `))[Number(atRule[2]) - 1];
      return { line: rule?.number ?? section.lines[0]?.number, message: text };
    })
    .map(({ line, message }) => ({
      line,
      message: /\bset\b.*(exist|there is no)|there is no set/i.test(message) ? `${message}; paste what “ipset save” prints` : message,
    }));
}

/** Any station of a link, where the dump does not say which MAC it has. */
export const SOME_MAC = parseMac('02:00:00:00:00:01') as Mac;
