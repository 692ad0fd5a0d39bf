import { broadcastOf, type Cidr, type Ipv4 } from '../../protocol/address.ts';

/**
 * The addresses of one node's pods, handed out as the CNI plugin host-local does: `.1` is the gateway,
 * pods get the next free address after the last one given, from `.2` to the one before the broadcast
 * address (github.com/containernetworking/plugins, plugins/ipam/host-local/backend/allocator).
 */
export class HostLocalPool<Holder> {
  readonly gateway: Ipv4;
  readonly podCidr: Cidr;
  private readonly last: number;
  private next: number;
  private readonly holders = new Map<number, Holder>();

  /** `podCidr` is an IPv4 prefix of at most 30 bits with its host bits zero. */
  constructor(podCidr: Cidr) {
    this.podCidr = podCidr;
    const network = podCidr.address as Ipv4;
    this.gateway = (network + 1) as Ipv4;
    this.last = (broadcastOf(podCidr) as number) - 1;
    this.next = network + 2;
  }

  /** True for addresses that a pod can have: not the network, gateway or broadcast address. */
  isForPods(ip: Ipv4): boolean {
    return ip > this.gateway && ip <= this.last;
  }

  /** Keeps an address that a manifest gives; the holder it already has, if any, and then nothing changes. */
  reserve(ip: Ipv4, holder: Holder): Holder | undefined {
    const before = this.holders.get(ip);
    if (before === undefined) this.holders.set(ip, holder);
    return before;
  }

  /** The next free address; undefined when all are taken. All reservations must be made first. */
  allocate(): Ipv4 | undefined {
    while (this.next <= this.last && this.holders.has(this.next)) this.next++;
    return this.next <= this.last ? (this.next++ as Ipv4) : undefined;
  }

  /** How many pods have room. */
  get size(): number {
    return this.last - this.gateway;
  }
}
