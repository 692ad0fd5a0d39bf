import { assert } from '../base/assert.ts';
import { formatIp, type Ipv4 } from '../protocol/address.ts';
import type { Input, InputAnswer, ModeComparison, PossibleOutcomes, RuleChainName } from '../protocol/engine.ts';
import type { FlowOutcome, LabEvent, ProxyMode } from '../protocol/event.ts';
import { type LabState, tablesOf } from '../protocol/fold.ts';
import type { LinuxLabInput, RulesInput } from '../protocol/linux-lab.ts';
import type { ContainerView, NetnsView, PossibleOutcome, RuleChainView, Topology } from '../protocol/view.ts';
import { CLIENT, ClusterNetwork, podId, ROUTER, UNDERLAY } from './cluster-network.ts';
import { hostVethName } from './cni/bridge-plugin.ts';
import type { ClusterPlan, PodPlan } from './control-plane/plan.ts';
import { Ipvs } from './ipvs/ipvs.ts';
import { restoreText as ipvsadmRestore, saveText as ipvsadmSave } from './ipvs/text.ts';
import { saveSets } from './netfilter/ipset-text.ts';
import { followAllWays } from './outcomes.ts';
import { LabContext } from './sim/lab-context.ts';
import { resolveRef, resolveTarget, type Target } from './targets.ts';
import { Probe } from './workload/probe.ts';
import type { Stack } from './workload/stack.ts';

/** `ipvsadm` is `ipvsadm -Sn`, `ipset` is `ipset save`: what the tools can read back. */
export type RulesForm = 'iptables-save' | 'nft' | 'ipvsadm' | 'ipset';

const COUNT_MAX = 100_000;
const COMPARED_MODES: readonly ProxyMode[] = ['iptables', 'nftables', 'ipvs'];
/** Of a Service with more endpoints than these, modes may be shown with different ones. */
const COMPARED_WAYS_MAX = 40;
/** More work than any honest input makes: a bound on runaway traffic, far above a minute of computing. */
const TASKS_MAX = 200_000_000;

/** One simulated cluster: a plan brought to life, inputs in, facts out. Plan, seed and inputs determine the recording. */
export class World {
  readonly network: ClusterNetwork;
  /** Inputs that changed the cluster. */
  private readonly changes: Input[] = [];
  private readonly lab: LabContext;
  private readonly plan: ClusterPlan;

  constructor(plan: ClusterPlan) {
    this.plan = plan;
    this.lab = new LabContext(plan.seed);
    this.network = new ClusterNetwork(plan, this.lab);
    this.network.onAwake = (netns) => {
      if (this.lab.recorder.on) this.lab.recorder.fact('netnsAppeared', netns.id, undefined, { view: netns.view() });
    };
  }

  get nowNs(): number {
    return this.lab.sim.nowNs;
  }

  /** Whether events are recorded; switched off, traffic is only counted. */
  set recording(on: boolean) {
    this.lab.recorder.on = on;
  }

  /** Applies an input. Traffic it starts is under way afterwards: call `run` until `quiet`. */
  apply(input: Input): InputAnswer {
    if (input.type !== 'send' && input.type !== 'wait') this.changes.push(input);
    switch (input.type) {
      case 'send':
        return this.send(input);
      case 'setSysctl': {
        const netns = this.network.netns(input.netns);
        if (!netns) return rejected(`there is no namespace ${JSON.stringify(input.netns)}`);
        const result = netns.sysctls.set(input.key, input.value);
        if (!result.ok) return rejected(result.error);
        this.lab.recorder.fact('sysctlChanged', netns.id, undefined, { key: input.key, value: input.value.trim() });
        return { accepted: true, flows: [] };
      }
      case 'setDevice': {
        const netns = this.network.netns(input.netns);
        const dev = netns?.device(input.device);
        if (!netns || !dev) return rejected(`there is no device ${JSON.stringify(input.device)} in ${JSON.stringify(input.netns)}`);
        netns.setDeviceUp(dev, input.up);
        return { accepted: true, flows: [] };
      }
      case 'setProxyMode':
        this.network.switchProxyMode(input.mode);
        return { accepted: true, flows: [] };
      case 'wait':
        if (!Number.isSafeInteger(input.durationNs) || input.durationNs < 0)
          return rejected(`expected a whole number of nanoseconds to wait, got ${input.durationNs}`);
        this.lab.sim.runUntil(this.lab.sim.nowNs + input.durationNs, TASKS_MAX);
        return { accepted: true, flows: [] };
    }
  }

  /** Runs at most `tasksMax` tasks of the simulation; false while traffic is still on its way. */
  run(tasksMax = TASKS_MAX): boolean {
    this.lab.sim.runUntilQuiet(tasksMax);
    return this.lab.sim.quiet;
  }

  /** Events since the last call. */
  takeEvents(): LabEvent[] {
    return this.lab.recorder.take();
  }

  /** All tables of every namespace that is built: where a fold starts. */
  state(seq: number): LabState {
    return { seq, timeNs: this.nowNs, netns: new Map([...this.network.awake()].map((n) => [n.id, tablesOf(n.view())])) };
  }

  /** A namespace's tables. One that is asleep is built in a world of its own, so that looking changes nothing. */
  inspect(id: string): NetnsView | undefined {
    for (const netns of this.network.awake()) if (netns.id === id) return netns.view();
    return new ClusterNetwork(this.plan, new LabContext(this.plan.seed)).netns(id)?.view();
  }

  /** The namespace that a REF means; undefined when there is none. */
  namespaceOf(ref: string): string | undefined {
    const resolved = resolveRef(this.network, ref);
    return resolved.ok ? resolved.value : undefined;
  }

  topology(): Topology {
    const { plan } = this;
    const { underlay } = plan;
    return {
      title: plan.title,
      seed: plan.seed,
      cni: plan.cni,
      proxyMode: this.network.proxyMode,
      nodes: plan.nodes.map((n) => ({ name: n.name, netns: `node/${n.name}`, ip: n.ip, podCidr: n.podCidr, controlPlane: n.controlPlane })),
      pods: plan.pods.map((p) => ({
        namespace: p.namespace,
        name: p.name,
        netns: p.hostNetwork ? `node/${p.node}` : podId(p),
        node: p.node,
        ip: p.ip,
        hostNetwork: p.hostNetwork,
        containers: this.containersOf(p),
        owner: p.owner,
        labels: p.labels,
        hostVeth: p.hostNetwork ? undefined : hostVethName(p.namespace, p.name),
      })),
      externals: [
        { name: 'underlay', netns: UNDERLAY, role: 'underlay', ip: undefined },
        { name: 'router', netns: ROUTER, role: 'router', ip: underlay.router },
        { name: 'client', netns: CLIENT, role: 'client', ip: underlay.outsideClient },
      ],
      services: plan.services,
      traffic: plan.traffic,
      notModelled: plan.notModelled,
      problems: plan.problems,
    };
  }

  /** kube-proxy's mode at present. */
  get proxyMode(): ProxyMode {
    return this.network.proxyMode;
  }

  nodeNames(): readonly string[] {
    return this.plan.nodes.map((node) => node.name);
  }

  /** A node's rules, sets or virtual servers as the tool prints them; undefined for what is no node. */
  rulesText(netns: string, as: RulesForm, ruleCounters = false): string | undefined {
    const rules = this.rulesIn(netns);
    if (!rules) return undefined;
    switch (as) {
      case 'iptables-save':
        return rules.iptablesSave(ruleCounters);
      case 'nft':
        return rules.nftListRuleset();
      case 'ipset':
        return saveSets(rules.iptables.sets);
      case 'ipvsadm': {
        const ipvs = this.network.netns(netns)?.ipvs;
        return ipvs instanceof Ipvs ? ipvsadmSave(ipvs.servers()) : '';
      }
    }
  }

  ruleChains(netns: string): readonly RuleChainName[] {
    return this.rulesIn(netns)?.chainNames() ?? [];
  }

  ruleChain(netns: string, chain: RuleChainName): RuleChainView | undefined {
    return this.rulesIn(netns)?.chain(chain);
  }

  /**
   * What a Linux machine needs to be told to become this cluster, as it was before anything was sent; undefined
   * when it has more than `namespacesMax` namespaces.
   */
  linuxLabInput(namespacesMax: number): LinuxLabInput | undefined {
    const { plan } = this;
    if (plan.nodes.length + plan.pods.length + this.topology().externals.length > namespacesMax) return undefined;
    const network = new ClusterNetwork({ ...plan, proxy: { ...plan.proxy, mode: this.proxyMode } }, new LabContext(plan.seed));
    for (const node of plan.nodes) network.netns(`node/${node.name}`);
    for (const pod of plan.pods) network.netns(podId(pod));
    const rules = plan.nodes.map(({ name }) => {
      const own = network.rulesOf(name);
      const ipvs = network.netns(`node/${name}`)?.ipvs;
      const ofNode: RulesInput = {
        iptables: own?.iptablesSave() ?? '',
        nftables: own?.nftListRuleset() ?? '',
        sets: own ? saveSets(own.iptables.sets) : '',
        virtualServers: ipvs instanceof Ipvs ? ipvsadmRestore(ipvs.servers()) : '',
        ipvsTimeouts: ipvs instanceof Ipvs ? timeoutsOf(ipvs) : '',
      };
      return [`node/${name}`, ofNode] as const;
    });
    return {
      topology: this.topology(),
      namespaces: [...network.awake()].map((netns) => netns.view()),
      rules: new Map(rules),
      statuses: network.healthStatuses(),
      dnsAnswer: formatIp(((Number(plan.serviceCidr.address) + 1) >>> 0) as Ipv4),
    };
  }

  private rulesIn(netns: string): ReturnType<ClusterNetwork['rulesOf']> {
    return netns.startsWith('node/') ? this.network.rulesOf(netns.slice('node/'.length)) : undefined;
  }

  /**
   * Plays a probe through once for every way that chance can go, each in a world that begins as this one began, and
   * gives what `look` makes of each: the recording and the outcome.
   */
  everyWay<T>(send: SendInput, look: (world: World, events: readonly LabEvent[], outcome: FlowOutcome) => T, waysMax?: number): T[] {
    const { ways } = followAllWays((draws) => {
      const world = new World(this.plan);
      for (const input of this.changes) world.apply(input);
      world.takeEvents();
      world.lab.draws = draws;
      let ended: FlowOutcome | undefined;
      world.onFlowEnd = (_flow, outcome) => {
        ended = outcome;
      };
      const answer = world.apply(send);
      if (!answer.accepted) throw new Error(answer.reason);
      world.run();
      assert(ended !== undefined, 'a flow ends');
      return look(world, world.takeEvents(), ended);
    }, waysMax);
    return ways.map(({ result }) => result);
  }

  /**
   * The same probe in every proxy mode, each in a fresh cluster. Where modes choose by chance, the way is shown that
   * leads to the endpoint that a mode which leaves nothing to chance takes, so that what differs is the mode and not the dice.
   */
  compareModes(send: SendInput): ModeComparison {
    const from = resolveRef(this.network, send.from);
    if (!from.ok) return { known: false, reason: `from: ${from.error}` };
    const target = resolveTarget(this.network, send.to, send.protocol);
    if (!target.ok) return { known: false, reason: `to: ${target.error}` };
    const { count: _count, intervalNs: _intervalNs, ...once } = send;
    const waysByMode = COMPARED_MODES.map((mode) => {
      const world = new World({ ...this.plan, proxy: { ...this.plan.proxy, mode } });
      for (const input of this.changes) if (input.type !== 'setProxyMode') world.apply(input);
      return world.everyWay(once, (_world, events, outcome) => ({ mode, events, outcome }), COMPARED_WAYS_MAX);
    });
    const [fewest] = [...waysByMode].sort((a, b) => a.length - b.length);
    const wanted = fewest?.[0]?.outcome.endpoint;
    const runs = waysByMode.map((ways) => {
      const run = ways.find(({ outcome }) => outcome.endpoint === wanted) ?? ways[0];
      assert(run !== undefined, 'there is always a way');
      return run;
    });
    return { known: true, runs };
  }

  /**
   * Everything that could come of a probe sent now. Each way that chance can go is played through in a
   * world of its own, which begins like this one: with the inputs so far, in so far as they change anything.
   */
  outcomes(send: SendInput, inputs: readonly Input[]): PossibleOutcomes {
    const from = resolveRef(this.network, send.from);
    if (!from.ok) return { known: false, reason: `from: ${from.error}` };
    const target = resolveTarget(this.network, send.to, send.protocol);
    if (!target.ok) return { known: false, reason: `to: ${target.error}` };
    const { ways, incomplete } = followAllWays((draws) => {
      const world = new World(this.plan);
      world.recording = false;
      for (const input of inputs) {
        world.apply(input);
        world.run();
      }
      let ended: FlowOutcome | undefined;
      world.lab.draws = draws;
      world.onFlowEnd = (_flow, outcome) => {
        ended = outcome;
      };
      const { count: _count, intervalNs: _intervalNs, ...once } = send;
      world.apply(once);
      world.run();
      return ended;
    });
    const byEnd = new Map<string, PossibleOutcome>();
    for (const { result, probability } of ways) {
      if (!result) continue;
      const key = `${result.kind} ${result.endpoint ?? ''}`;
      byEnd.set(key, { outcome: result.kind, endpoint: result.endpoint, probability: (byEnd.get(key)?.probability ?? 0) + probability });
    }
    const outcomes = [...byEnd.values()].sort(
      (a, b) => b.probability - a.probability || ((a.endpoint ?? '') < (b.endpoint ?? '') ? -1 : 1),
    );
    return { known: true, outcomes, incomplete };
  }

  private containersOf(pod: PodPlan): ContainerView[] {
    return pod.containers.map((c) => ({
      name: c.name,
      image: c.image,
      listens: c.listens.map((l) => ({
        protocol: l.protocol,
        port: l.port,
        address: l.address === undefined ? undefined : formatIp(l.address),
      })),
      problem: this.network.problemOf(`${podId(pod)}/${c.name}`),
    }));
  }

  private send(input: Extract<Input, { type: 'send' }>): InputAnswer {
    const from = resolveRef(this.network, input.from);
    if (!from.ok) return rejected(`from: ${from.error}`);
    const target = resolveTarget(this.network, input.to, input.protocol);
    if (!target.ok) return rejected(`to: ${target.error}`);
    const count = input.count ?? 1;
    if (!Number.isInteger(count) || count < 1 || count > COUNT_MAX)
      return rejected(`count: expected a whole number from 1 to ${COUNT_MAX}, got ${count}`);
    if (input.ttl !== undefined && !(Number.isInteger(input.ttl) && input.ttl >= 1 && input.ttl <= 255))
      return rejected(`ttl: expected a whole number from 1 to 255, got ${input.ttl}`);
    if (input.size !== undefined && !(Number.isInteger(input.size) && input.size >= 0 && input.size <= 65_507))
      return rejected(`size: expected a whole number from 0 to 65507, got ${input.size}`);
    const stack = this.network.stack(from.value) as Stack;
    const flows: number[] = [];
    for (let i = 0; i < count; i++) flows.push(this.lab.nextFlow());
    // Each flow sets the next one going, so that the queue holds what is under way and not all that is to come.
    this.lab.sim.post(0, startFlow, { world: this, stack, input, target: target.value, last: flows.at(-1) as number }, flows[0] as number);
    return { accepted: true, flows };
  }

  static start(task: FlowTask, flow: number): void {
    const { world, stack, input, target } = task;
    const { lab } = world;
    if (flow < task.last) lab.sim.post(input.intervalNs ?? 0, startFlow, task, flow + 1);
    lab.flowNotes.set(flow, { lastDrop: undefined, endpoint: undefined, rulesEvaluated: 0, lookups: 0 });
    const protocol = target.protocol === 'http' && input.protocol !== 'icmp' && input.protocol !== 'udp' ? 'http' : input.protocol;
    const cause = lab.recorder.fact('flowStarted', stack.netns.id, undefined, { from: input.from, to: input.to, protocol }, 0, flow);
    const probe = new Probe(
      stack,
      {
        flow,
        protocol,
        to: target.address,
        port: target.port ?? 0,
        host: target.host,
        path: target.path,
        ttl: input.ttl,
        size: input.size,
      },
      cause,
      (outcome, last) => {
        lab.recorder.fact('flowEnded', stack.netns.id, undefined, outcome, last, flow);
        lab.flowNotes.delete(flow);
        world.onFlowEnd?.(flow, outcome);
      },
    );
    probe.start();
  }

  /** Called as each flow ends, also while nothing is recorded. */
  onFlowEnd: ((flow: number, outcome: LabEventOutcome) => void) | undefined = undefined;
}

type LabEventOutcome = Extract<LabEvent, { type: 'flowEnded' }>['data'];

interface FlowTask {
  readonly world: World;
  readonly stack: Stack;
  readonly input: Extract<Input, { type: 'send' }>;
  readonly target: Target;
  /** Flows of one input are numbered without a gap. */
  readonly last: number;
}

const startFlow = (task: FlowTask, flow: number): void => World.start(task, flow);
type SendInput = Extract<Input, { type: 'send' }>;
const rejected = (reason: string): InputAnswer => ({ accepted: false, reason });

function timeoutsOf(ipvs: Ipvs): string {
  const { tcp, tcpFin, udp } = ipvs.currentTimeouts();
  return `${tcp} ${tcpFin} ${udp}`;
}
