import { encodePcapng, proxyCost, traceRules, World } from '../engine/index.ts';
import { linuxLabScript, NAMESPACES_MAX } from '../linux-lab/script.ts';
import type {
  Batch,
  Capture,
  Engine,
  Input,
  InputAnswer,
  LinuxLab,
  LoadAnswer,
  ModeComparison,
  PossibleOutcomes,
  ProxyCost,
  RuleChainName,
  RulesTrace,
  RulesTraceRequest,
  SourceFile,
} from '../protocol/engine.ts';
import type { ProxyMode } from '../protocol/event.ts';
import type { NetnsView, RuleChainView } from '../protocol/view.ts';
import { loadCluster } from '../scenario/load-cluster.ts';

const NOTHING_LOADED = 'no cluster is loaded';

/** Tasks between two batches, so that the first events are on their way while the rest is still being worked out. */
const TASKS_PER_BATCH = 4_000;

/** The engine behind its door, without a worker: what the worker hosts, and what tests and the command line can use as it is. */
export class LabEngine implements Engine {
  private world: World | undefined = undefined;
  private epoch = 0;
  private log: Input[] = [];
  private readonly listeners = new Set<(batch: Batch) => void>();

  async load(files: readonly SourceFile[]): Promise<LoadAnswer> {
    const plan = loadCluster(files);
    if (!plan.ok) return { loaded: false, problems: plan.error };
    const world = new World(plan.value);
    this.world = world;
    this.epoch++;
    this.log = [];
    return { loaded: true, epoch: this.epoch, topology: world.topology(), state: world.state(0) };
  }

  async input(input: Input): Promise<InputAnswer> {
    const world = this.world;
    if (!world) return { accepted: false, reason: NOTHING_LOADED };
    const epoch = this.epoch;
    const answer = world.apply(input);
    if (!answer.accepted) return answer;
    this.log.push(input);
    for (let quiet = false; !quiet; ) {
      quiet = world.run(TASKS_PER_BATCH);
      if (this.epoch === epoch) this.publish({ epoch, timeNs: world.nowNs, events: world.takeEvents() });
    }
    return answer;
  }

  async inspect(netns: string): Promise<NetnsView | undefined> {
    return this.world?.inspect(netns);
  }

  async inputs(): Promise<readonly Input[]> {
    return this.log;
  }

  async ruleChains(netns: string): Promise<readonly RuleChainName[]> {
    return this.world?.ruleChains(netns) ?? [];
  }

  async ruleChain(netns: string, chain: RuleChainName): Promise<RuleChainView | undefined> {
    return this.world?.ruleChain(netns, chain);
  }

  async outcomes(send: Extract<Input, { type: 'send' }>): Promise<PossibleOutcomes> {
    return this.world?.outcomes(send, this.log) ?? { known: false, reason: NOTHING_LOADED };
  }

  async linuxLab(): Promise<LinuxLab> {
    const input = this.world?.linuxLabInput(NAMESPACES_MAX);
    if (input) return { known: true, script: linuxLabScript(input) };
    return {
      known: false,
      reason: this.world ? `more than ${NAMESPACES_MAX} nodes and pods are too many for one machine` : NOTHING_LOADED,
    };
  }

  async pcapng(capture: Capture): Promise<Uint8Array> {
    return encodePcapng(capture);
  }

  async traceRules(request: RulesTraceRequest): Promise<RulesTrace> {
    return traceRules(request);
  }

  async compareModes(send: Extract<Input, { type: 'send' }>): Promise<ModeComparison> {
    return this.world?.compareModes(send) ?? { known: false, reason: NOTHING_LOADED };
  }

  async proxyCost(mode: ProxyMode, services: number): Promise<ProxyCost> {
    return proxyCost(mode, services);
  }

  onBatch(listener: (batch: Batch) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  dispose(): void {
    this.listeners.clear();
    this.world = undefined;
  }

  private publish(batch: Batch): void {
    if (batch.events.length > 0) for (const listener of this.listeners) listener(batch);
  }
}
