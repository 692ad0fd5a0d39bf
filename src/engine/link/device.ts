import type { Mac } from '../../protocol/address.ts';
import { BROADCAST_MAC } from '../../protocol/address.ts';
import type { DeviceView } from '../../protocol/view.ts';
import type { LabContext } from '../sim/lab-context.ts';
import type { BridgePort } from './bridge.ts';
import type { Skb } from './skb.ts';
import { LOOPBACK_DELAY_NS } from './timing.ts';

/** The namespace that a device lives in, as far as the link layer needs to know. */
export interface DeviceOwner {
  readonly id: string;
  readonly lab: LabContext;
}

/** What takes frames that are not switched: the IP layer. */
export interface UpperLayer {
  receive(skb: Skb, otherHost: boolean): void;
}

const RX_HERE = { otherHost: false };
const RX_OTHER_HOST = { otherHost: true };

/** A network device (Linux: struct net_device). `send` is what the layers above call, `receive` what the wire calls. */
export abstract class Device {
  readonly owner: DeviceOwner;
  readonly name: string;
  readonly kind: DeviceView['kind'];
  readonly mac: Mac;
  mtu: number;
  up = true;
  /** Set while the device is a port of a bridge, which then takes its frames. */
  port: BridgePort | undefined = undefined;
  upper: UpperLayer | undefined = undefined;

  constructor(owner: DeviceOwner, name: string, kind: DeviceView['kind'], mac: Mac, mtu: number) {
    this.owner = owner;
    this.name = name;
    this.kind = kind;
    this.mac = mac;
    this.mtu = mtu;
  }

  /** Whether the other end is there and up. */
  abstract get carrier(): boolean;
  abstract get peer(): Device | undefined;

  /** Sends a frame that is complete. Without carrier the queue is a no-op and the frame is gone (net/sched/sch_generic.c, noop_enqueue). */
  send(skb: Skb): void {
    const recorder = this.owner.lab.recorder;
    if (!this.up || !this.carrier) {
      this.owner.lab.drop(this.owner.id, this.name, skb, this.up ? 'noCarrier' : 'deviceDown', undefined);
      return;
    }
    if (recorder.on) recorder.packet('tx', this.owner.id, this.name, skb, undefined);
    this.transmit(skb);
  }

  protected abstract transmit(skb: Skb): void;

  receive(skb: Skb): void {
    if (this.arrives(skb)) this.handOver(skb);
  }

  /** Notes the arrival, as a capture on the device would; false when the device is down. */
  arrives(skb: Skb): boolean {
    const recorder = this.owner.lab.recorder;
    if (!this.up) {
      this.owner.lab.drop(this.owner.id, this.name, skb, 'deviceDown', undefined);
      return false;
    }
    if (recorder.on) recorder.packet('rx', this.owner.id, this.name, skb, this.isForOther(skb) ? RX_OTHER_HOST : RX_HERE);
    return true;
  }

  /** Gives an arrived frame to the bridge or to IP. */
  handOver(skb: Skb): void {
    if (this.port) this.port.bridge.input(this.port, skb);
    else if (this.upper) this.upper.receive(skb, this.isForOther(skb));
    else this.owner.lab.drop(this.owner.id, this.name, skb, 'noL3', undefined);
  }

  private isForOther(skb: Skb): boolean {
    return skb.dst !== this.mac && this.kind !== 'loopback' && skb.dst !== BROADCAST_MAC;
  }
}

/** Schedulable: a frame arrives at a device. */
export function arrive(device: Device, skb: Skb): void {
  device.receive(skb);
}

/** `lo`: what is sent comes back in, in the same namespace (drivers/net/loopback.c). */
export class Loopback extends Device {
  constructor(owner: DeviceOwner, mac: Mac) {
    super(owner, 'lo', 'loopback', mac, 65_536);
  }

  get carrier(): boolean {
    return true;
  }

  get peer(): undefined {
    return undefined;
  }

  protected transmit(skb: Skb): void {
    if (skb.hostQueue) skb.hostQueue.waiting = false;
    this.owner.lab.sim.post(LOOPBACK_DELAY_NS, arrive, this as Device, skb);
  }
}

/** A device that leads nowhere (drivers/net/dummy.c): kube-proxy's kube-ipvs0 only holds addresses, and stays down. */
export class Dummy extends Device {
  constructor(owner: DeviceOwner, name: string, mac: Mac) {
    super(owner, name, 'dummy', mac, 1500);
    this.up = false;
  }

  get carrier(): boolean {
    return true;
  }

  get peer(): undefined {
    return undefined;
  }

  protected transmit(skb: Skb): void {
    if (skb.hostQueue) skb.hostQueue.waiting = false;
  }
}

/**
 * One end of a two-ended link: a veth (drivers/net/veth.c) or a NIC on a cable. They differ in how
 * long a frame takes, and in that a cable can be cut.
 */
export class LinkEnd extends Device {
  private other: LinkEnd | undefined = undefined;
  private readonly delayNs: number;

  constructor(owner: DeviceOwner, name: string, kind: 'veth' | 'physical', mac: Mac, mtu: number, delayNs: number) {
    super(owner, name, kind, mac, mtu);
    this.delayNs = delayNs;
  }

  static join(a: LinkEnd, b: LinkEnd): void {
    a.other = b;
    b.other = a;
  }

  get carrier(): boolean {
    return this.other?.up ?? false;
  }

  get peer(): LinkEnd | undefined {
    return this.other;
  }

  protected transmit(skb: Skb): void {
    skb.scrub();
    this.owner.lab.sim.post(this.delayNs, arrive, this.other as Device, skb);
  }
}
