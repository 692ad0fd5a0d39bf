import { World } from '../engine/index.ts';
import { linuxDeviceName } from '../linux-lab/device-names.ts';
import { linuxLabScript, NAMESPACES_MAX } from '../linux-lab/script.ts';
import { formatIp } from '../protocol/address.ts';
import type { ConntrackTuple, FlowOutcome, LabEvent } from '../protocol/event.ts';
import type { Topology } from '../protocol/view.ts';
import { loadCluster } from '../scenario/load-cluster.ts';
import { difference } from './difference.ts';
import { engineHops, kernelHops, type Wording, withKnownPorts } from './hops.ts';
import { type KernelCapture, Machine } from './machine.ts';
import type { ComparedProbe, ComparedScenario } from './scenario.ts';

/** One way the engine says it can go. */
interface Way {
  readonly outcome: FlowOutcome;
  readonly events: readonly LabEvent[];
  readonly conntrack: ReadonlyMap<string, readonly string[]>;
  readonly counters: ReadonlyMap<string, string>;
  readonly clientPort: number;
}

/** How long the kernel waits for an answer that the engine says will not come. */
const PATIENCE_S = 1.4;
const SECOND_NS = 1_000_000_000;

export interface ProbeResult {
  readonly probe: string;
  /** undefined: both agree. */
  readonly difference: string | undefined;
}

/** Builds a scenario on this machine, sends its probes, and compares each with every way the engine knows. */
export async function compareScenario(scenario: ComparedScenario): Promise<ProbeResult[]> {
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
  const machine = new Machine(linuxLabScript(input));
  const results: ProbeResult[] = [];
  try {
    await machine.up();
    for (const { netns, key, value } of scenario.sysctls) await machine.inNamespace(netns, 'sysctl', '-q', '-w', `${key}=${value}`);
    for (const [i, probe] of scenario.probes.entries()) {
      const name = `${scenario.name} (${scenario.mode}): ${probe.from} to ${probe.to} by ${probe.protocol}`;
      results.push({ probe: name, difference: await compareProbe(world, machine, input.topology, probe, 40_000 + i) });
    }
  } finally {
    await machine.down();
  }
  return results;
}

async function compareProbe(
  world: () => World,
  machine: Machine,
  topology: Topology,
  probe: ComparedProbe,
  sourcePort: number,
): Promise<string | undefined> {
  const nodes = topology.nodes.map(({ netns }) => netns);
  const ways = waysOf(world, probe, nodes);
  const longestNs = Math.max(...ways.map(({ outcome, events }) => (outcome.kind === 'timeout' ? 0 : (events.at(-1)?.timeNs ?? 0))));
  const seconds = Math.max(PATIENCE_S, longestNs / SECOND_NS > 0.9 ? longestNs / SECOND_NS + 1.2 : 0);
  await machine.forget();
  for (const node of nodes) await machine.inNamespace(node, 'iptables', '-t', 'nat', '-Z');
  const options = ['--proto', probe.protocol, '--timeout', String(seconds), '--source-port', String(sourcePort)];
  const kernel = await machine.capture(probe.from, probe.to, options);
  const tables = await kernelTables(machine, nodes);
  let best: string | undefined;
  for (const way of ways) {
    const found = compareWay(way, kernel, tables, topology, probe, sourcePort, seconds);
    if (found === undefined) return undefined;
    if (best === undefined || found.length < best.length) best = found;
  }
  return `${ways.length > 1 ? `  (the nearest of ${ways.length} ways)\n` : ''}${best}`;
}

interface KernelTables {
  /** Lines of `conntrack -L`, by node. */
  readonly conntrack: ReadonlyMap<string, string>;
  /** Lines of `iptables-save -c -t nat`, by node. */
  readonly nat: ReadonlyMap<string, string>;
}

async function kernelTables(machine: Machine, nodes: readonly string[]): Promise<KernelTables> {
  const conntrack = new Map<string, string>();
  const nat = new Map<string, string>();
  for (const node of nodes) {
    conntrack.set(node, await machine.inNamespace(node, 'sh', '-c', 'conntrack -L 2>/dev/null'));
    nat.set(node, await machine.inNamespace(node, 'sh', '-c', 'iptables-save -c -t nat'));
  }
  return { conntrack, nat };
}

function compareWay(
  way: Way,
  kernel: KernelCapture,
  tables: KernelTables,
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
  for (const [node, text] of tables.conntrack) {
    const listed = conntrackOf(text, theirs, probe).sort();
    const own = (way.conntrack.get(node) ?? []).map((line) => withKnownPorts(line, ours)).sort();
    if (!slow && own.join('\n') !== listed.join('\n'))
      problems.push(`  conntrack of ${node}: engine ${own.join(' | ') || 'none'}, kernel ${listed.join(' | ') || 'none'}`);
  }
  if (!slow) {
    for (const [node, text] of tables.nat) {
      const problem = counterDifference(way.counters.get(node) ?? '', text);
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
