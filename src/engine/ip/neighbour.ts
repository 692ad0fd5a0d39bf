import type { Ipv4, Mac } from '../../protocol/address.ts';
import { isIpv4 } from '../../protocol/address.ts';
import type { NeighbourState, NeighbourView } from '../../protocol/event.ts';
import type { Skb } from '../link/skb.ts';
import type { Timer } from '../sim/simulation.ts';
import { sendArpRequest } from './arp.ts';
import { reportUnresolved } from './icmp.ts';
import type { InetDevice } from './inet-device.ts';

const MS = 1_000_000;
/** Packets that may wait for one neighbour (net/core/neighbour.c: unres_qlen, 101 by default). */
const QUEUE_LENGTH_MAX = 101;

/**
 * One entry of the neighbour table and its state machine (net/core/neighbour.c, Linux 6.12:
 * __neigh_event_send, neigh_timer_handler, neigh_update).
 */
export class Neighbour {
  readonly address: Ipv4;
  readonly dev: InetDevice;
  mac: Mac | undefined = undefined;
  state: NeighbourState = 'INCOMPLETE';
  private confirmedNs = 0;
  private updatedNs = 0;
  private usedNs = 0;
  private probes = 0;
  private queue: Skb[] = [];
  private timer: Timer | undefined = undefined;
  /** Kept per entry, as the kernel randomises it between half and one and a half times the base. */
  private readonly reachableNs: number;

  constructor(dev: InetDevice, address: Ipv4) {
    this.dev = dev;
    this.address = address;
    const baseMs = dev.netns.sysctls.get('net.ipv4.neigh.default.base_reachable_time_ms');
    this.reachableNs = (Math.floor(baseMs / 2) + dev.netns.lab.random('neighbour').below(Math.max(1, baseMs))) * MS;
  }

  /** Sends a packet to this neighbour, or keeps it until the MAC is known. */
  output(skb: Skb): void {
    const sim = this.dev.netns.lab.sim;
    this.usedNs = sim.nowNs;
    switch (this.state) {
      case 'REACHABLE':
      case 'DELAY':
      case 'PROBE':
      case 'PERMANENT':
        this.transmit(skb);
        return;
      case 'STALE':
        this.updatedNs = sim.nowNs;
        this.setState('DELAY', skb.cause);
        this.arm(this.delayProbeNs());
        this.transmit(skb);
        return;
      case 'INCOMPLETE':
        this.enqueue(skb);
        return;
      case 'FAILED':
        this.solicit(skb);
        return;
    }
  }

  /** The MAC while the entry counts as connected, so that a frame need not pass through it (NUD_CONNECTED). */
  get connectedMac(): Mac | undefined {
    return this.state === 'REACHABLE' || this.state === 'PERMANENT' ? this.mac : undefined;
  }

  /** Sends a packet, or for an entry that is quite new asks for the MAC first. */
  outputOrSolicit(skb: Skb): void {
    if (this.dev.neighbours.get(this.address) === this) this.output(skb);
    else this.solicit(skb);
  }

  /** A new entry: ask for the MAC at once and queue the packet. */
  solicit(skb: Skb): void {
    this.updatedNs = this.dev.netns.lab.sim.nowNs;
    this.mac = undefined;
    // The kernel counts from ucast_solicit, so that mcast_solicit broadcasts remain until it gives up.
    this.probes = this.sysctl('ucast_solicit');
    this.setState('INCOMPLETE', skb.cause);
    this.enqueue(skb);
    this.arm(this.retransNs());
    this.probe(skb);
  }

  /** Something proved that the neighbour is there (TCP acknowledged new data: sk_dst_confirm). */
  confirm(): void {
    this.confirmedNs = this.dev.netns.lab.sim.nowNs;
  }

  /** News about the neighbour's MAC (neigh_update). `override`: replace another MAC. */
  update(mac: Mac, state: 'REACHABLE' | 'STALE', override: boolean, cause: number): void {
    const nowNs = this.dev.netns.lab.sim.nowNs;
    const old = this.state;
    if (old === 'PERMANENT') return;
    const wasValid = old !== 'INCOMPLETE' && old !== 'FAILED';
    let next: NeighbourState = state;
    if (next === 'REACHABLE') this.confirmedNs = nowNs;
    if (wasValid) {
      if (mac !== this.mac && !override) return;
      if (mac === this.mac && next === 'STALE') next = old;
    }
    if (mac !== this.mac || next !== old) this.updatedNs = nowNs;
    const changedMac = mac !== this.mac;
    this.mac = mac;
    if (next !== old || changedMac) {
      if (next !== 'DELAY' && next !== 'PROBE') this.disarm();
      this.setState(next, cause);
      if (next === 'REACHABLE') this.arm(this.reachableNs);
    }
    if (!wasValid) this.flush();
  }

  /** Whether an unsolicited change of MAC is accepted: not within a second of the last (net/ipv4/arp.c, LOCKTIME). */
  get lockTimeOver(): boolean {
    return this.dev.netns.lab.sim.nowNs - this.updatedNs > 1000 * MS;
  }

  makePermanent(mac: Mac): void {
    this.mac = mac;
    this.setState('PERMANENT', 0);
  }

  forget(): void {
    this.disarm();
    this.dev.neighbours.delete(this.address);
    this.dev.netns.lab.recorder.fact('neighbour', this.dev.netns.id, this.dev.device.name, { action: 'removed', entry: this.view() });
  }

  view(): NeighbourView {
    return { address: this.address, device: this.dev.device.name, mac: this.mac, state: this.state };
  }

  private transmit(skb: Skb): void {
    // A bridged frame keeps its source (br_netfilter_hooks.c, br_nf_pre_routing_finish_bridge_slow).
    skb.setMacs(skb.bridgedNat ? skb.src : this.dev.device.mac, this.mac as Mac);
    this.dev.device.send(skb);
  }

  private enqueue(skb: Skb): void {
    const netns = this.dev.netns;
    if (this.queue.length >= QUEUE_LENGTH_MAX) {
      const oldest = this.queue.shift() as Skb;
      if (oldest.hostQueue) oldest.hostQueue.waiting = false;
      netns.drop(oldest, this.dev, 'neighbourQueueFull', undefined);
    }
    this.queue.push(skb);
    if (skb.hostQueue) skb.hostQueue.waiting = true;
    if (netns.lab.recorder.on)
      netns.lab.recorder.packet('queued', netns.id, this.dev.device.name, skb, { nextHop: this.address, queueLength: this.queue.length });
  }

  private flush(): void {
    const waiting = this.queue;
    this.queue = [];
    for (const skb of waiting) this.output(skb);
  }

  private onTimer(): void {
    this.timer = undefined;
    const nowNs = this.dev.netns.lab.sim.nowNs;
    if (this.state === 'REACHABLE') {
      if (nowNs < this.confirmedNs + this.reachableNs) this.arm(this.confirmedNs + this.reachableNs - nowNs);
      else if (nowNs < this.usedNs + this.delayProbeNs()) {
        this.setState('DELAY', 0);
        this.arm(this.delayProbeNs());
      } else this.setState('STALE', 0);
      return;
    }
    if (this.state === 'DELAY') {
      if (nowNs <= this.confirmedNs + this.delayProbeNs()) {
        this.setState('REACHABLE', 0);
        this.arm(Math.max(1, this.confirmedNs + this.reachableNs - nowNs));
        return;
      }
      this.setState('PROBE', 0);
      this.probes = 0;
    }
    if (this.probes >= this.sysctl('ucast_solicit') + (this.state === 'PROBE' ? 0 : this.sysctl('mcast_solicit'))) {
      this.fail();
      return;
    }
    this.arm(this.retransNs());
    this.probe(this.queue[0]);
  }

  private fail(): void {
    const waiting = this.queue;
    this.queue = [];
    this.mac = undefined;
    this.setState('FAILED', waiting[0]?.cause ?? 0);
    for (const skb of waiting) {
      if (skb.hostQueue) skb.hostQueue.waiting = false;
      reportUnresolved(this.dev, skb);
    }
  }

  /** Broadcast while nothing is known, to the known MAC while probing (arp_solicit). */
  private probe(serving: Skb | undefined): void {
    this.probes++;
    sendArpRequest(this.dev, this.address, this.state === 'PROBE' ? this.mac : undefined, serving);
  }

  private setState(state: NeighbourState, cause: number): void {
    const recorder = this.dev.netns.lab.recorder;
    const created = this.dev.neighbours.get(this.address) !== this;
    if (created) this.dev.neighbours.set(this.address, this);
    this.state = state;
    if (recorder.on)
      recorder.fact(
        'neighbour',
        this.dev.netns.id,
        this.dev.device.name,
        { action: created ? 'created' : 'updated', entry: this.view() },
        cause,
      );
  }

  private arm(delayNs: number): void {
    this.disarm();
    // Traffic waits for an incomplete entry; all else is housekeeping.
    this.timer = this.dev.netns.lab.sim.schedule(delayNs, fire, this as Neighbour, undefined, this.state !== 'INCOMPLETE');
  }

  private disarm(): void {
    this.dev.netns.lab.sim.cancel(this.timer);
    this.timer = undefined;
  }

  private sysctl(name: 'ucast_solicit' | 'mcast_solicit'): number {
    return this.dev.netns.sysctls.get(`net.ipv4.neigh.default.${name}`);
  }

  private retransNs(): number {
    return this.dev.netns.sysctls.get('net.ipv4.neigh.default.retrans_time_ms') * MS;
  }

  private delayProbeNs(): number {
    return this.dev.netns.sysctls.get('net.ipv4.neigh.default.delay_first_probe_time') * 1000 * MS;
  }

  static fire(neighbour: Neighbour): void {
    neighbour.onTimer();
  }
}

const fire = (neighbour: Neighbour): void => Neighbour.fire(neighbour);

/** Sends a packet out of `dev` to the station that has `nextHop` (net/ipv4/ip_output.c, ip_finish_output2). */
export function neighbourOutput(dev: InetDevice, nextHop: Ipv4, skb: Skb): void {
  const known = dev.neighbours.get(nextHop);
  if (known) known.output(skb);
  else new Neighbour(dev, nextHop).solicit(skb);
}

export function lookupOrCreate(dev: InetDevice, address: Ipv4): Neighbour {
  return dev.neighbours.get(address) ?? new Neighbour(dev, address);
}

/** Every neighbour entry of a namespace's devices, IPv4 first. */
export function neighbourViews(devices: Iterable<InetDevice>): NeighbourView[] {
  const views: NeighbourView[] = [];
  for (const dev of devices) for (const n of dev.neighbours.values()) if (isIpv4(n.address)) views.push(n.view());
  return views;
}
