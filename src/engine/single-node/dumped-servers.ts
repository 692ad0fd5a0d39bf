import { formatIp, isIpv4 } from '../../protocol/address.ts';
import type { Netns } from '../ip/netns.ts';
import { Ipvs } from '../ipvs/ipvs.ts';
import type { IpvsCommand } from '../ipvs/model.ts';
import { parseCommands } from '../ipvs/parse.ts';
import type { IpSets } from '../netfilter/ipset.ts';
import { restoreSets } from '../netfilter/ipset-text.ts';
import { type DumpLine, type DumpProblem, PROBLEMS_MAX, type Section } from './dump-sections.ts';

/** All sets of a node together; those of 30,000 Services have about a third. */
const ELEMENTS_MAX = 1_000_000;

/**
 * Reads `ipset save`. A set that is not modelled is left out, with a note, where no rule looks into it: other
 * programs have sets, too.
 */
export function readSets(sections: readonly Section[], sets: IpSets, isUsed: (set: string) => boolean, notes: string[]): DumpProblem[] {
  const problems: DumpProblem[] = [];
  const left = new Set<string>();
  let elements = 0;
  for (const { number, text } of sections.flatMap(({ lines }) => lines)) {
    const [verb, name = ''] = text.split(/\s+/, 2);
    if (left.has(name)) continue;
    // Without "-exist" a line that adds nothing new is refused, so few lines cannot ask for much work.
    const before = sets.get(name)?.count ?? 0;
    const restored = / (-exist|-!)( |$)/.test(text) ? undefined : restoreSets(sets, text);
    elements += (sets.get(name)?.count ?? 0) - before;
    if (!restored?.ok) {
      const why = restored ? (restored.error[0]?.message ?? '') : 'expected a line of “ipset save”, without -exist';
      if (verb === 'create') left.add(name);
      if (verb === 'create' && !isUsed(name)) notes.push(`line ${number}: the set ${name} is left out: ${why}. No rule looks into it.`);
      else
        problems.push({
          line: number,
          message: `ipset: ${why}${verb === 'create' ? '; a rule looks into this set, so it is needed' : ''}`,
        });
    }
    if (elements > ELEMENTS_MAX)
      problems.push({ line: number, message: `these sets have more than ${ELEMENTS_MAX} elements: leave some out` });
    if (problems.length >= PROBLEMS_MAX || elements > ELEMENTS_MAX) return problems;
  }
  return problems;
}

/** Reads `ipvsadm -Sn`, and what `ipvsadm --set` was told. */
export function readServers(sections: readonly Section[], netns: Netns, notes: string[]): DumpProblem[] {
  const lines = sections.flatMap((section) => section.lines);
  const problems: DumpProblem[] = [];
  const commands: IpvsCommand[] = [];
  for (const { number, text } of lines) {
    const parsed = parseCommands(text);
    if (parsed.ok) commands.push(...parsed.value);
    else problems.push({ line: number, message: `ipvsadm: ${parsed.error[0]?.message}${nextStep(text)}` });
    if (problems.length >= PROBLEMS_MAX) return problems;
  }
  if (problems.length > 0) return problems;
  const ipvs = new Ipvs(netns);
  const applied = ipvs.apply(commands);
  // Each line is one command.
  if (!applied.ok) return [{ line: lines[applied.error.index]?.number, message: `ipvsadm: ${applied.error.message}; ${WITHOUT_IT}` }];
  const servers = ipvs.servers().filter(({ address }) => isIpv4(address));
  const elsewhere = servers.find(({ address }) => isIpv4(address) && !netns.fib.isLocal(address));
  if (elsewhere)
    notes.push(
      `No device has ${formatIp(elsewhere.address)}, which is a virtual server: packets for it are routed and IPVS does not see them. Is “ip addr” whole, with kube-ipvs0?`,
    );
  if (
    servers.some(({ realServers, scheduler }) => realServers.length > 1 && scheduler !== 'sh' && scheduler !== 'mh' && scheduler !== 'dh')
  )
    notes.push(
      '“ipvsadm -Sn” tells neither whose turn it is nor how many connections there are: the server is the one that the first connection gets if they were added in this order.',
    );
  return [];
}

const WITHOUT_IT = 'leave this virtual server out to see the way of other packets';

function nextStep(text: string): string {
  if (/ -f /.test(text)) return `: virtual servers by firewall mark are not modelled; ${WITHOUT_IT}`;
  return /:[a-z]|[a-z]\.[a-z]/i.test(text) ? '; with names in place of numbers it was “ipvsadm -S”: paste “ipvsadm -Sn”' : '';
}

/** Reads lines of `sysctl`: those that have an effect here. */
export function readSysctls(
  lines: readonly DumpLine[],
  netns: Netns,
): { readonly problems: DumpProblem[]; readonly given: ReadonlySet<string> } {
  const problems: DumpProblem[] = [];
  const given = new Set<string>();
  for (const { number, text } of lines) {
    const [key = '', value = ''] = text.split(/ = /, 2);
    if (!netns.sysctls.isModelled(key)) continue;
    const set = netns.sysctls.set(key, value);
    if (set.ok) given.add(key);
    else if (problems.length < PROBLEMS_MAX) problems.push({ line: number, message: `sysctl: ${set.error}` });
  }
  return { problems, given };
}
