import type { Mac } from '../../protocol/address.ts';
import { BROADCAST_MAC } from '../../protocol/address.ts';
import type { BridgeDecision } from '../../protocol/event.ts';
import { FDB_AGEING_NS } from '../../protocol/fold.ts';
import type { FdbView } from '../../protocol/view.ts';
import { Device, type DeviceOwner } from './device.ts';
import type { Skb } from './skb.ts';

/** A device that is a port of a bridge. */
export interface BridgePort {
  readonly bridge: Bridge;
  readonly device: Device;
  hairpin: boolean;
}

/**
 * Where br_netfilter plugs in (net/bridge/br_netfilter_hooks.c): it shows switched frames to the IP
 * hooks. Each returns false, or nothing, when it has taken the frame away: dropped it, or sent it another way.
 */
export interface BridgeHooks {
  /** Returns the frame that goes on, which may be another one: whole, where fragments came in. */
  preRouting(bridge: Bridge, port: BridgePort, skb: Skb): Skb | undefined;
  forward(bridge: Bridge, from: BridgePort, to: BridgePort, skb: Skb): boolean;
  postRouting(bridge: Bridge, from: BridgePort, to: BridgePort, skb: Skb): boolean;
}

/**
 * Ports that exist but that nobody has looked at: built when a frame is for them. A station that is
 * not addressed ignores a flooded frame without any change of state, so leaving it asleep changes
 * nothing but the recording, which counts such copies instead of listing them.
 */
export interface SleepingPorts {
  readonly count: number;
  /** Builds the port whose station a flooded frame is for, if there is one. */
  wake(skb: Skb): void;
}

interface FdbEntry {
  port: BridgePort;
  updatedNs: number;
}

/**
 * A learning Ethernet bridge (net/bridge/br_input.c, br_forward.c) without STP and multicast
 * snooping. The bridge is itself a device of its namespace: frames for its MAC go up to IP.
 */
export class Bridge extends Device {
  hooks: BridgeHooks | undefined = undefined;
  sleeping: SleepingPorts | undefined = undefined;
  /** A plain switch has no host behind its own device: nothing is passed up. */
  station = true;
  readonly ports: BridgePort[] = [];
  private readonly fdb = new Map<Mac, FdbEntry>();
  private readonly localMacs = new Set<Mac>();

  constructor(owner: DeviceOwner, name: string, mac: Mac, mtu: number) {
    super(owner, name, 'bridge', mac, mtu);
    this.localMacs.add(mac);
  }

  /** A bridge has carrier while a port has (net/bridge/br_if.c, br_port_carrier_check). */
  get carrier(): boolean {
    return this.ports.some(forwarding) || (this.sleeping?.count ?? 0) > 0;
  }

  get peer(): undefined {
    return undefined;
  }

  addPort(device: Device, hairpin: boolean): BridgePort {
    const port: BridgePort = { bridge: this, device, hairpin };
    device.port = port;
    this.ports.push(port);
    this.localMacs.add(device.mac);
    return port;
  }

  /** A port that goes down loses what was learned from it (net/bridge/br_stp_if.c, br_stp_disable_port). */
  forgetPort(port: BridgePort): void {
    for (const [mac, entry] of this.fdb) if (entry.port === port) this.fdb.delete(mac);
  }

  flushFdb(): void {
    this.fdb.clear();
  }

  fdbView(): FdbView[] {
    const view: FdbView[] = [];
    for (const [mac, entry] of this.fdb) {
      if (this.owner.lab.sim.nowNs - entry.updatedNs >= FDB_AGEING_NS) continue;
      view.push({ bridge: this.name, mac, port: entry.port.device.name, local: false, updatedNs: entry.updatedNs });
    }
    for (const port of this.ports)
      view.push({ bridge: this.name, mac: port.device.mac, port: port.device.name, local: true, updatedNs: 0 });
    return view;
  }

  /** A frame comes in by a port (br_handle_frame). */
  input(port: BridgePort, skb: Skb): void {
    const passed = this.hooks ? this.hooks.preRouting(this, port, skb) : skb;
    if (passed) this.continueInput(port, passed);
  }

  /** What follows once the hooks have let a frame pass (br_handle_frame_finish). */
  continueInput(port: BridgePort, skb: Skb): void {
    const learned = this.learn(port, skb);
    if (skb.dst === BROADCAST_MAC) {
      this.flood(skb, port, learned, this.station);
    } else if (this.localMacs.has(skb.dst)) {
      this.decide(skb, port, 'local', [], 0, learned);
      // The bridge is one more station here: what it takes comes in by its own device (br_pass_frame_up).
      this.receive(skb);
    } else {
      this.forwardUnicast(skb, port, learned);
    }
  }

  /** A frame of the namespace itself leaves by the bridge device (br_dev_xmit). */
  protected transmit(skb: Skb): void {
    const back = skb.bridgedNat;
    if (back) {
      skb.bridgedNat = undefined;
      back(skb);
      return;
    }
    if (skb.dst === BROADCAST_MAC) this.flood(skb, undefined, undefined, false);
    else this.forwardUnicast(skb, undefined, undefined);
  }

  private forwardUnicast(skb: Skb, from: BridgePort | undefined, learned: BridgeDecision['learned']): void {
    const entry = this.fdb.get(skb.dst);
    if (entry && this.owner.lab.sim.nowNs - entry.updatedNs < FDB_AGEING_NS) {
      if (deliverable(entry.port, from)) {
        this.decide(skb, from, 'forward', [entry.port], 0, learned);
        this.deliver(skb, from, entry.port);
      } else {
        this.decide(skb, from, 'drop', [], 0, learned);
        this.drop(skb, from);
      }
      return;
    }
    this.flood(skb, from, learned, false);
  }

  private learn(port: BridgePort, skb: Skb): BridgeDecision['learned'] {
    const nowNs = this.owner.lab.sim.nowNs;
    const entry = this.fdb.get(skb.src);
    if (!entry) {
      // A bridge's own stations are never learned.
      if (this.localMacs.has(skb.src)) return undefined;
      this.fdb.set(skb.src, { port, updatedNs: nowNs });
      return 'new';
    }
    const fresh = nowNs - entry.updatedNs < FDB_AGEING_NS;
    entry.updatedNs = nowNs;
    if (entry.port !== port) {
      entry.port = port;
      return fresh ? 'moved' : 'new';
    }
    return fresh ? 'known' : 'new';
  }

  /** Ports are visited from the newest to the oldest, as Linux keeps its list (br_if.c adds at the head). */
  private flood(skb: Skb, from: BridgePort | undefined, learned: BridgeDecision['learned'], up: boolean): void {
    this.sleeping?.wake(skb);
    const targets: BridgePort[] = [];
    for (let i = this.ports.length - 1; i >= 0; i--) {
      const port = this.ports[i] as BridgePort;
      if (deliverable(port, from)) targets.push(port);
    }
    this.decide(skb, from, up ? 'floodAndLocal' : 'flood', targets, this.sleeping?.count ?? 0, learned);
    if (skb.hostQueue) skb.hostQueue.waiting = false;
    const cause = skb.cause;
    // A capture sees the copy for the bridge device first, since its time is that of the arrival; it is handled last.
    const own = up ? skb.clone() : undefined;
    const arrived = own ? this.arrives(own) : false;
    for (const port of targets) {
      const copy = skb.clone();
      copy.cause = cause;
      this.deliver(copy, from, port);
    }
    if (own && arrived) this.handOver(own);
  }

  private deliver(skb: Skb, from: BridgePort | undefined, to: BridgePort): void {
    // What the namespace itself sends has passed its own IP hooks already.
    if (this.hooks && from && !(this.hooks.forward(this, from, to, skb) && this.hooks.postRouting(this, from, to, skb))) return;
    to.device.send(skb);
  }

  private decide(
    skb: Skb,
    from: BridgePort | undefined,
    verdict: BridgeDecision['verdict'],
    ports: readonly BridgePort[],
    omitted: number,
    learned: BridgeDecision['learned'],
  ): void {
    const recorder = this.owner.lab.recorder;
    if (!recorder.on) return;
    const ingress = from?.device.name;
    recorder.packet('bridge', this.owner.id, ingress ?? this.name, skb, {
      bridge: this.name,
      verdict,
      ports: ports.map((p) => p.device.name),
      omitted,
      learned,
      ingress,
    });
  }

  private drop(skb: Skb, from: BridgePort | undefined): void {
    this.owner.lab.drop(this.owner.id, from?.device.name ?? this.name, skb, 'bridgePortSame', undefined);
  }
}

const forwarding = (port: BridgePort): boolean => port.device.up && port.device.carrier;

/** Never back out of the port it came in by, unless that port is in hairpin mode (br_forward.c, should_deliver). */
const deliverable = (port: BridgePort, from: BridgePort | undefined): boolean => forwarding(port) && (port !== from || port.hairpin);
