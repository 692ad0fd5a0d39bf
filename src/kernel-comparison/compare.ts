import { World } from '../engine/index.ts';
import { linuxDeviceName } from '../linux-lab/device-names.ts';
import { linuxLabScript, NAMESPACES_MAX } from '../linux-lab/script.ts';
import { formatIp } from '../protocol/address.ts';
import type { ConntrackTuple, FlowOutcome, IpvsConnectionView, LabEvent } from '../protocol/event.ts';
import type { Topology } from '../protocol/view.ts';
import { loadCluster } from '../scenario/load-cluster.ts';
import { difference } from './difference.ts';
import { engineHops, kernelHops, type Wording, withKnownPorts } from './hops.ts';
import type { Job, KernelCapture, Printed } from './machine.ts';
import type { ComparedProbe, ComparedScenario } from './scenario.ts';

/** One way the engine says it can go. */
interface Way {
  readonly outcome: FlowOutcome;
  readonly events: readonly LabEvent[];
  readonly conntrack: ReadonlyMap<string, readonly string[]>;
  readonly ipvs: ReadonlyMap<string, readonly string[]>;
  readonly counters: ReadonlyMap<string, string>;
  readonly clientPort: number;
}

/** How long the kernel waits for an answer that the engine says will not come. */
const PATIENCE_S = 1.4;
const SECOND_NS = 1_000_000_000;
/** Client ports of the probes; the engine's own are others. */
const FIRST_PORT = 40_000;

export interface ProbeResult {
  readonly probe: string;
  /** undefined: both agree. */
  readonly difference: string | undefined;
}

/** One probe: what the script is asked, and what its answers are held against. */
interface PlannedProbe {
  readonly name: string;
  readonly commands: readonly (readonly string[])[];
  readonly judge: (printed: readonly Printed[]) => string | undefined;
}

/** A scenario made ready: a job for a machine, and the verdict on what it printed. */
export interface PlannedScenario {
  readonly job: Job;
  readonly judge: (printed: readonly Printed[]) => ProbeResult[];
}

/** Plays a scenario's probes in the engine, every way each can go, and says what to ask a Linux machine. */
export function planScenario(scenario: ComparedScenario): PlannedScenario {
  const loaded = loadCluster([{ name: scenario.name, text: scenario.manifests }]);
  if (!loaded.ok) throw new Error(`${scenario.name} cannot be loaded: ${loaded.error.map((p) => p.message).join('; ')}`);
  const plan = { ...loaded.value, proxy: { ...loaded.value.proxy, mode: scenario.mode } };
  const world = (): World => {
    const made = new World(plan);
    for (const sysctl of scenario.sysctls) made.apply({ type: 'setSysctl', ...sysctl });
    return made;
  };
  const input = world().linuxLabInput(NAMESPACES_MAX);
  if (!input) throw new Error(`${scenario.name} is too large for one machine`);
  const setup = scenario.sysctls.map(({ netns, key, value }) => ['shell', netns, 'sysctl', '-q', '-w', `${key}=${value}`]);
  const probes = scenario.probes.map((probe, i): PlannedProbe => {
    const name = `${scenario.name} (${scenario.mode}): ${probe.from} to ${probe.to} by ${probe.protocol}`;
    return probe.count === undefined
      ? { name, ...planProbe(world, input.topology, probe, FIRST_PORT + i) }
      : { name: `${name}, ${probe.count} times`, ...planSequence(world(), input.topology, probe, probe.count) };
  });
  return {
    job: { script: linuxLabScript(input), commands: [...setup, ...probes.flatMap(({ commands }) => commands)] },
    judge: (printed) => {
      let at = setup.length;
      const failed = printed.slice(0, at).find(({ code }) => code !== 0);
      if (failed) return [{ probe: scenario.name, difference: `  a setting was refused: ${failed.said}` }];
      return probes.map(({ name, commands, judge }) => {
        const own = printed.slice(at, at + commands.length);
        at += commands.length;
        const broken = own.findIndex(({ code }) => code !== 0);
        if (own.length < commands.length) {
          const { code, said } = printed.at(-1) ?? { code: 0, said: '' };
          return { probe: name, difference: `  the machine did not get that far${code === 0 ? '' : `: ${said.trim()}`}` };
        }
        if (broken >= 0) return { probe: name, difference: `  ${commands[broken]?.join(' ')}: ${own[broken]?.said}` };
        return { probe: name, difference: judge(own) };
      });
    },
  };
}

function planProbe(
  world: () => World,
  topology: Topology,
  probe: ComparedProbe,
  sourcePort: number,
): Pick<PlannedProbe, 'commands' | 'judge'> {
  const nodes = topology.nodes.map(({ netns }) => netns);
  const ways = waysOf(world, probe, nodes);
  const longestNs = Math.max(...ways.map(({ outcome, events }) => (outcome.kind === 'timeout' ? 0 : (events.at(-1)?.timeNs ?? 0))));
  const seconds = Math.max(PATIENCE_S, longestNs / SECOND_NS > 0.9 ? longestNs / SECOND_NS + 1.2 : 0);
  const options = ['--proto', probe.protocol, '--timeout', String(seconds), '--source-port', String(sourcePort)];
  return {
    commands: [['forget'], ['capture', probe.from, probe.to, '--json', ...options], ['tables']],
    judge: ([, captured, remembered]) => {
      const kernel = JSON.parse((captured as Printed).out) as KernelCapture;
      const tables = new Map(
        (remembered as Printed).out
          .split(/^== /m)
          .slice(1)
          .map((part) => {
            const [node, rest] = [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1)];
            const [conntrack = '', nat = '', ipvs = ''] = rest.split(/^--\n/m);
            return [node, { conntrack, nat, ipvs }];
          }),
      );
      let best: string | undefined;
      for (const way of ways) {
        const found = compareWay(way, kernel, tables, topology, probe, sourcePort, seconds);
        if (found === undefined) return undefined;
        if (best === undefined || found.length < best.length) best = found;
      }
      return `${ways.length > 1 ? `  (the nearest of ${ways.length} ways)\n` : ''}${best}`;
    },
  };
}

/** Many connections from the same ports on both sides, as schedulers may look at those: who answers each. */
function planSequence(world: World, topology: Topology, probe: ComparedProbe, count: number): Pick<PlannedProbe, 'commands' | 'judge'> {
  const { from, to, protocol } = probe;
  const answer = world.apply({ type: 'send', from, to, protocol, count, intervalNs: SECOND_NS / 20 });
  if (!answer.accepted) throw new Error(answer.reason);
  world.run();
  const events = world.takeEvents();
  const flows = answer.flows.map((flow) => events.filter((event) => event.flow === flow));
  const ports = flows.map(clientPortOf);
  const podOf = new Map(topology.pods.map(({ ip, netns }) => [formatIp(ip), netns]));
  const ours = flows.map((own) => {
    const end = own.find((event) => event.type === 'flowEnded');
    const endpoint = end?.type === 'flowEnded' ? end.data.endpoint : undefined;
    return (endpoint !== undefined && podOf.get(endpoint.split(':')[0] as string)) || '-';
  });
  return {
    commands: [['forget'], ['probe', from, to, '--proto', protocol, '--source-port', ports.join()]],
    judge: (printed) => {
      const lines = (printed[1] as Printed).out.trimEnd().split('\n');
      const theirs = lines.map((line) => / in (pod\S+), for /.exec(line)?.[1] ?? '-');
      return ours.join() === theirs.join()
        ? undefined
        : `  who answers: engine ${ours.join(' ')}\n               kernel ${theirs.join(' ')}`;
    },
  };
}

interface KernelTables {
  /** Lines of `conntrack -L`. */
  readonly conntrack: string;
  /** Lines of `iptables-save -c -t nat`. */
  readonly nat: string;
  /** Lines of `ipvsadm -Lnc`. */
  readonly ipvs: string;
}

function compareWay(
  way: Way,
  kernel: KernelCapture,
  tables: ReadonlyMap<string, KernelTables>,
  topology: Topology,
  probe: ComparedProbe,
  sourcePort: number,
  seconds: number,
): string | undefined {
  const kind = kernel.outcome.split(' ')[0] as string;
  const problems: string[] = [];
  if (kind !== way.outcome.kind) problems.push(`  outcome: engine ${way.outcome.kind} (${way.outcome.detail}), kernel ${kernel.outcome}`);
  const knownPorts = portsOf(topology, probe);
  const ours: Wording = { device: linuxDeviceName, clientPort: way.clientPort, knownPorts };
  const theirs: Wording = { device: (name) => name, clientPort: sourcePort, knownPorts };
  const slow = way.outcome.kind === 'timeout' || seconds > PATIENCE_S;
  const limit = way.outcome.kind === 'timeout' ? PATIENCE_S * SECOND_NS : Number.POSITIVE_INFINITY;
  const inTime = way.events.filter(({ timeNs }) => timeNs <= limit);
  const hops = difference(engineHops(inTime, ours), kernelHops(kernel.hops, theirs), slow);
  if (hops !== undefined) problems.push(hops);
  for (const [node, { conntrack, ipvs }] of tables) {
    const listed = conntrackOf(conntrack, theirs, probe).sort();
    const own = (way.conntrack.get(node) ?? []).map((line) => withKnownPorts(line, ours)).sort();
    if (!slow && own.join('\n') !== listed.join('\n'))
      problems.push(`  conntrack of ${node}: engine ${own.join(' | ') || 'none'}, kernel ${listed.join(' | ') || 'none'}`);
    const entries = ipvsEntriesOf(ipvs, sourcePort)
      .map((line) => withKnownPorts(line, theirs))
      .sort();
    const ownEntries = (way.ipvs.get(node) ?? []).map((line) => withKnownPorts(line, ours)).sort();
    if (!slow && ownEntries.join('\n') !== entries.join('\n'))
      problems.push(`  IPVS connections of ${node}: engine ${ownEntries.join(' | ') || 'none'}, kernel ${entries.join(' | ') || 'none'}`);
  }
  if (!slow) {
    for (const [node, { nat }] of tables) {
      const problem = counterDifference(way.counters.get(node) ?? '', nat);
      if (problem !== undefined) problems.push(`  nat counters of ${node}: ${problem}`);
    }
  }
  return problems.length === 0 ? undefined : problems.join('\n');
}

function waysOf(world: () => World, probe: ComparedProbe, nodes: readonly string[]): Way[] {
  return world().everyWay({ type: 'send', ...probe }, (played, events, outcome) => ({
    outcome,
    events,
    conntrack: new Map(
      nodes.map((node) => [node, (played.inspect(node)?.conntrack ?? []).map(({ original, reply }) => entryText(original, reply))]),
    ),
    ipvs: new Map(nodes.map((node) => [node, (played.inspect(node)?.ipvsConnections ?? []).map(ipvsEntryText)])),
    counters: new Map(nodes.map((node) => [node, played.rulesText(node, 'iptables-save', true) ?? ''])),
    clientPort: clientPortOf(events),
  }));
}

/** Of the first packet of the flow, as its socket made it: the first routing decision comes before any rule. */
function clientPortOf(events: readonly LabEvent[]): number {
  for (const { frame, type } of events) {
    const payload = type === 'route' && frame?.payload.type === 'ipv4' ? frame.payload.payload : undefined;
    if (payload && (payload.type === 'tcp' || payload.type === 'udp')) return payload.srcPort;
  }
  return -1;
}

function entryText(original: ConntrackTuple, reply: ConntrackTuple): string {
  const text = (t: ConntrackTuple): string =>
    t.protocol === 1 ? `${formatIp(t.src)}>${formatIp(t.dst)}` : `${formatIp(t.src)}:${t.srcPort}>${formatIp(t.dst)}:${t.dstPort}`;
  return `${PROTOCOLS[original.protocol] ?? original.protocol} ${text(original)} ${text(reply)}`;
}

const PROTOCOLS: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp' };

/** The entries of `conntrack -L` that this probe made. */
function conntrackOf(text: string, wording: Wording, probe: ComparedProbe): string[] {
  const wanted = { http: 'tcp', tcp: 'tcp', udp: 'udp', icmp: 'icmp' }[probe.protocol];
  return text.split('\n').flatMap((line) => {
    const protocol = line.split(' ')[0] as string;
    if (protocol !== wanted) return [];
    const field = (name: string): string[] => [...line.matchAll(new RegExp(`\\b${name}=(\\S+)`, 'g'))].map((match) => match[1] as string);
    const [src, dst, sport, dport] = [field('src'), field('dst'), field('sport'), field('dport')];
    const tuple = (i: number): string => (sport[i] === undefined ? `${src[i]}>${dst[i]}` : `${src[i]}:${sport[i]}>${dst[i]}:${dport[i]}`);
    return [withKnownPorts(`${protocol} ${tuple(0)} ${tuple(1)}`, wording)];
  });
}

function ipvsEntryText({ protocol, client, virtual, real }: IpvsConnectionView): string {
  const [from, to, server] = [client, virtual, real].map(({ address, port }) => `${formatIp(address)}:${port}`);
  return `${protocol} ${from}>${to}>${server}`;
}

/** The entries of `ipvsadm -Lnc` that this probe made: of its port, or templates, which have none. */
function ipvsEntriesOf(text: string, sourcePort: number): string[] {
  return text.split('\n').flatMap((line) => {
    const [protocol, , , client, virtual, real] = line.trim().split(/ +/);
    if ((protocol !== 'TCP' && protocol !== 'UDP') || client === undefined) return [];
    const port = Number(client.split(':')[1]);
    // A template that was set aside shows the port 65535 for its server.
    if ((port !== sourcePort && port !== 0) || virtual?.endsWith(':65535')) return [];
    return [`${protocol.toLowerCase()} ${client}>${virtual}>${real}`];
  });
}

/** The rules of the nat table, which see the first packets only, with their packet counts. */
function counterDifference(engine: string, kernel: string): string | undefined {
  const rules = (text: string): string[] =>
    text.split('\n').flatMap((line) => {
      const match = /^\[(\d+):\d+\] (-A .*)$/.exec(line);
      return match && match[1] !== '0' ? [`${match[1]} packets ${match[2]}`] : [];
    });
  const nat = engine.slice(Math.max(0, engine.indexOf('*nat')));
  const ours = rules(nat.slice(0, nat.indexOf('COMMIT')));
  const theirs = rules(kernel);
  const onlyOurs = ours.filter((line) => !theirs.includes(line));
  const onlyTheirs = theirs.filter((line) => !ours.includes(line));
  if (onlyOurs.length + onlyTheirs.length === 0) return undefined;
  return `only the engine: ${onlyOurs.join('; ') || 'none'}; only the kernel: ${onlyTheirs.join('; ') || 'none'}`;
}

/** Every port that somebody wrote down. */
function portsOf(topology: Topology, probe: ComparedProbe): ReadonlySet<number> {
  const ports = new Set([53, 80, 443, 6443, 10_250]);
  for (const service of topology.services) {
    for (const { port, nodePort } of service.ports) for (const known of [port, nodePort]) if (known !== undefined) ports.add(known);
    for (const endpoint of service.endpoints) for (const { port } of endpoint.ports) ports.add(port);
    if (service.healthCheckNodePort !== undefined) ports.add(service.healthCheckNodePort);
  }
  for (const pod of topology.pods) for (const container of pod.containers) for (const { port } of container.listens) ports.add(port);
  const asked = /:(\d+)(\/|$)/.exec(probe.to.replace(/^https?:\/\//, ''));
  if (asked) ports.add(Number(asked[1]));
  return ports;
}
