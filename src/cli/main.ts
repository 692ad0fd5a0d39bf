import { writeFileSync } from 'node:fs';
import { encodePcapng, traceRules, type World } from '../engine/index.ts';
import { packetText } from '../explain/packet-text.ts';
import { outcomeText, sentence } from '../explain/sentence.ts';
import { goldenLine, toStep } from '../explain/step.ts';
import { linuxLabScript, NAMESPACES_MAX } from '../linux-lab/script.ts';
import type { Input } from '../protocol/engine.ts';
import type { LabEvent, ProbeProtocol } from '../protocol/event.ts';
import { encodeLink } from '../scenario/encode-link.ts';
import { type Arguments, oneOf, optional, parseArguments, required, UsageError, wholeNumber } from './arguments.ts';
import { loadWorld, openWorld, readFiles, readText } from './manifest-files.ts';
import { evaluateText, rulesText } from './rules.ts';
import { stateJson } from './state-json.ts';
import { stateText } from './state-text.ts';

const PROBE = {
  manifests: 'values',
  from: 'value',
  to: 'value',
  proto: 'value',
  mode: 'value',
  cni: 'value',
  seed: 'value',
  ttl: 'value',
  size: 'value',
} as const;
const COMMANDS = {
  trace: { ...PROBE, count: 'value', json: 'flag' },
  outcomes: { ...PROBE, json: 'flag' },
  rules: { manifests: 'values', node: 'value', as: 'value', mode: 'value', seed: 'value', cases: 'value' },
  evaluate: { OPERAND: 'operand' },
  'linux-lab': { manifests: 'values', mode: 'value', seed: 'value' },
  state: { manifests: 'values', in: 'value', json: 'flag', seed: 'value', mode: 'value' },
  pcap: { ...PROBE, at: 'values', out: 'value' },
  'rules-trace': { dump: 'values', from: 'value', to: 'value', proto: 'value', in: 'value', 'source-port': 'value', json: 'flag' },
  link: { manifests: 'values', base: 'value' },
} as const;

const USAGE = `usage: hoplab COMMAND --manifests FILE...
  trace --manifests F --from REF --to TARGET [--proto tcp|udp|icmp|http] [--mode iptables|ipvs|nftables] [--cni bridge] [--seed N] [--count N] [--ttl N] [--size N] [--json]
  outcomes --manifests F --from REF --to TARGET [--proto ...] [--mode ...]      every possible outcome with its probability
  rules --manifests F --node NAME [--as iptables-save|nft|ipvsadm|ipset] [--mode ...]    the rules of a node as the real tool prints them
  rules --cases CASES.json                                                      what kube-proxy compiles for recorded cases
  evaluate CASES.json                                                           what becomes of the flows of recorded cases
  state --manifests F --in REF [--json]
  linux-lab --manifests F [--mode ...]                                          a bash script that builds the same network on Linux
  pcap  --manifests F --from REF --to TARGET --at NAMESPACE:DEVICE... --out FILE.pcapng
  rules-trace --dump FILE... --from ADDRESS --to ADDRESS[:PORT] [--in DEVICE] [--proto tcp|udp|icmp]    one packet through a node's own dumps
  link  --manifests F [--base URL]
REF: pod/NAMESPACE/NAME, node/NAME, external.  TARGET: host:port, an address, a URL, a REF with a port, or svc/NAMESPACE/NAME:PORT.`;

const out = (text: string): void => void process.stdout.write(`${text}\n`);
const note = (text: string): void => void process.stderr.write(`${text}\n`);

function main(argv: readonly string[]): number {
  if (argv.length === 0 || argv[0] === '--help' || argv[0] === 'help') {
    out(USAGE);
    return argv.length === 0 ? 2 : 0;
  }
  try {
    const args = parseArguments(argv, COMMANDS);
    if (args.command === 'trace') trace(args);
    else if (args.command === 'state') state(args);
    else if (args.command === 'outcomes') outcomes(args);
    else if (args.command === 'linux-lab') linuxLab(args);
    else if (args.command === 'rules') out(rulesText(args));
    else if (args.command === 'rules-trace') rulesTrace(args);
    else if (args.command === 'evaluate') out(evaluateText(args));
    else if (args.command === 'pcap') pcap(args);
    else link(args);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    note(error.message);
    return 2;
  }
}

/** The probe that --from, --to and the rest describe. */
function probe(args: Arguments, count: number): Extract<Input, { type: 'send' }> {
  oneOf(args, 'cni', ['bridge']);
  const to = required(args, 'to');
  const ttl = wholeNumber(args, 'ttl', 1, 255);
  const size = wholeNumber(args, 'size', 0, 65_507);
  const protocol = oneOf<ProbeProtocol>(args, 'proto', ['tcp', 'udp', 'icmp', 'http']) ?? (/^https?:/.test(to) ? 'http' : 'tcp');
  return {
    type: 'send',
    from: required(args, 'from'),
    to,
    protocol,
    count,
    intervalNs: 1_000_000,
    ...(ttl === undefined ? {} : { ttl }),
    ...(size === undefined ? {} : { size }),
  };
}

function send(args: Arguments, world: World, count: number): void {
  const answer = world.apply(probe(args, count));
  if (!answer.accepted) throw new UsageError(`${args.command}: ${answer.reason}`);
  world.run();
}

function outcomes(args: Arguments): void {
  const answer = openWorld(args).outcomes(probe(args, 1), []);
  if (!answer.known) throw new UsageError(`outcomes: ${answer.reason}`);
  if (answer.incomplete) note('note: there are more ways than were followed, so the probabilities do not add up to 1');
  out(
    JSON.stringify(
      answer.outcomes.map(({ outcome, endpoint, probability }) => ({ outcome, endpoint: endpoint ?? null, probability })),
      undefined,
      args.options.has('json') ? undefined : 2,
    ),
  );
}

function trace(args: Arguments): void {
  const count = wholeNumber(args, 'count', 1, 100_000) ?? 1;
  const world = openWorld(args);
  if (count > 1) {
    traceMany(args, world, count);
    return;
  }
  send(args, world, 1);
  const events = world.takeEvents();
  const end = events.find((e) => e.type === 'flowEnded');
  if (end?.type !== 'flowEnded') throw new Error('assertion failed: the flow did not end');
  const outcome = { kind: end.data.kind, detail: outcomeText(end.data) };
  const steps = events.map(toStep).filter((s) => s !== undefined);
  if (args.options.has('json')) {
    out(
      JSON.stringify({
        outcome,
        endpoint: end.data.endpoint ?? null,
        steps,
        cost: costOf(events),
      }),
    );
    return;
  }
  for (const step of steps) out(goldenLine(step));
  out(`${outcome.kind}: ${outcome.detail}`);
}

/** What the rules cost over all packets of the flow, as Linux would have paid: rules looked at, and sets and maps looked into. */
function costOf(events: readonly LabEvent[]): { rulesEvaluated: number; lookups: number } {
  let rulesEvaluated = 0;
  let lookups = 0;
  for (const event of events) {
    if (event.type !== 'chain') continue;
    rulesEvaluated += event.data.rules;
    lookups += event.data.lookups;
  }
  return { rulesEvaluated, lookups };
}

function traceMany(args: Arguments, world: World, count: number): void {
  const endpoints: Record<string, number> = {};
  const outcomes: Record<string, number> = {};
  world.recording = false;
  world.onFlowEnd = (_flow, outcome) => {
    outcomes[outcome.kind] = (outcomes[outcome.kind] ?? 0) + 1;
    if (outcome.endpoint !== undefined) endpoints[outcome.endpoint] = (endpoints[outcome.endpoint] ?? 0) + 1;
  };
  send(args, world, count);
  out(JSON.stringify({ runs: count, endpoints, outcomes }, undefined, args.options.has('json') ? undefined : 2));
}

function state(args: Arguments): void {
  const world = openWorld(args);
  const ref = required(args, 'in');
  const view = world.inspect(world.namespaceOf(ref) ?? ref);
  if (!view)
    throw new UsageError(`state: --in: there is no namespace for ${JSON.stringify(ref)}; write pod/NAMESPACE/NAME, node/NAME or external`);
  const chains = world.ruleChains(view.id).flatMap((chain) => world.ruleChain(view.id, chain) ?? []);
  out(
    args.options.has('json')
      ? JSON.stringify(stateJson(view, chains))
      : Object.entries(stateText(view, chains))
          .map(([title, lines]) => `# ${title}\n${lines.length > 0 ? lines.join('\n') : '(none)'}`)
          .join('\n\n'),
  );
}

function pcap(args: Arguments): void {
  const places = args.options.get('at');
  if (!places) throw new UsageError('pcap: --at is missing: NAMESPACE:DEVICE, as in node/worker-1:cni0');
  const file = required(args, 'out');
  const world = openWorld(args);
  const interfaces = places.map((place) => {
    const colon = place.lastIndexOf(':');
    if (colon < 1) throw new UsageError(`pcap: --at: expected NAMESPACE:DEVICE, as in node/worker-1:cni0, got ${JSON.stringify(place)}`);
    const netns = world.namespaceOf(place.slice(0, colon)) ?? place.slice(0, colon);
    const device = place.slice(colon + 1);
    const view = world.inspect(netns);
    if (!view?.devices.some((d) => d.name === device))
      throw new UsageError(
        `pcap: --at: there is no device ${JSON.stringify(device)} in ${netns}; devices: ${view?.devices.map((d) => d.name).join(', ') ?? 'none, there is no such namespace'}`,
      );
    return { netns, device };
  });
  send(args, world, 1);
  const packets = world.takeEvents().flatMap((event) => {
    if ((event.type !== 'tx' && event.type !== 'rx') || !event.frame) return [];
    const index = interfaces.findIndex(({ netns, device }) => event.netns === netns && event.device === device);
    const { timeNs, frame } = event;
    return index < 0 ? [] : [{ interface: index, timeNs, frame, comment: sentence(event).title, outgoing: event.type === 'tx' }];
  });
  const names =
    interfaces.length === 1 ? interfaces.map(({ device }) => device) : interfaces.map(({ netns, device }) => `${netns}:${device}`);
  try {
    writeFileSync(file, encodePcapng({ interfaces: names, packets }));
  } catch (error) {
    throw new UsageError(`pcap: --out: ${error instanceof Error ? error.message : String(error)}`);
  }
  note(`${packets.length} packets written to ${file}${packets[0] ? `; the first: ${packetText(packets[0].frame)}` : ''}`);
}

function rulesTrace(args: Arguments): void {
  const files = args.options.get('dump');
  if (!files)
    throw new UsageError(
      'rules-trace: --dump is missing: files with what iptables-save, nft list ruleset, ip addr, ip route, ipset save, ipvsadm -Sn printed',
    );
  const texts = files.map((file) => readText(file));
  const dumps = texts.join('\n');
  const { host, port } = addressAndPort(required(args, 'to'));
  const protocol = oneOf(args, 'proto', ['tcp', 'udp', 'icmp'] as const) ?? (port === undefined ? 'icmp' : 'tcp');
  const answer = traceRules({
    dumps,
    packet: {
      protocol,
      source: required(args, 'from'),
      destination: host,
      destinationPort: port,
      sourcePort: wholeNumber(args, 'source-port', 1, 65_535),
      inDevice: optional(args, 'in'),
    },
  });
  if (!answer.ok) {
    const [first, ...more] = answer.problems.map(({ line, message }) => `${placeInDumps(files, texts, line)}${message}`);
    throw new UsageError([`rules-trace: ${first}`, ...more].join('\n'));
  }
  for (const text of answer.notes) note(`note: ${text}`);
  const steps = answer.events.map(toStep).filter((step) => step !== undefined);
  if (args.options.has('json')) {
    out(JSON.stringify({ verdict: answer.verdict, steps, cost: costOf(answer.events) }));
    return;
  }
  for (const step of steps) {
    out(goldenLine(step));
    if (step.event === 'rule') out(`${' '.repeat(16)}${step.rule}`);
  }
  out(answer.verdict);
}

/** `ADDRESS` or `ADDRESS:PORT`; an address of IPv6 is left whole, for the reason why it cannot be. */
function addressAndPort(to: string): { readonly host: string; readonly port: number | undefined } {
  const colon = to.indexOf(':');
  if (colon < 0 || to.indexOf(':', colon + 1) >= 0) return { host: to, port: undefined };
  const text = to.slice(colon + 1);
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535 || Number(text) < 1)
    throw new UsageError(`rules-trace: --to: expected a port from 1 to 65535 after the colon, got ${JSON.stringify(text)}`);
  return { host: to.slice(0, colon), port: Number(text) };
}

/** `FILE: line N: `; lines are counted through all files, which were joined with a line break. */
function placeInDumps(files: readonly string[], texts: readonly string[], line: number | undefined): string {
  if (line === undefined) return files.length === 1 ? `${files[0]}: ` : '';
  let before = 0;
  for (const [i, text] of texts.entries()) {
    const lines = text.split('\n').length;
    if (line <= before + lines) return `${files[i]}: line ${line - before}: `;
    before += lines;
  }
  return `line ${line}: `;
}

function linuxLab(args: Arguments): void {
  const input = openWorld(args).linuxLabInput(NAMESPACES_MAX);
  if (!input) throw new UsageError(`linux-lab: more than ${NAMESPACES_MAX} nodes and pods are too many for one machine; leave some out`);
  process.stdout.write(linuxLabScript(input));
}

function link(args: Arguments): void {
  const files = readFiles(args);
  loadWorld(files, {});
  out(`${optional(args, 'base') ?? 'http://localhost:4173/'}#${encodeLink(files)}`);
}

process.exitCode = main(process.argv.slice(2));
