import type { Cidr, IpAddress, Ipv4 } from '../../protocol/address.ts';
import { cidrContains, isIpv4 } from '../../protocol/address.ts';
import type { DeviceView } from '../../protocol/view.ts';
import type { Device, UpperLayer } from '../link/device.ts';
import type { Skb } from '../link/skb.ts';
import { arpReceive } from './arp.ts';
import { ipReceive } from './input.ts';
import type { Neighbour } from './neighbour.ts';
import type { Netns } from './netns.ts';

/** A device as IP sees it (Linux: struct in_device): its addresses and the neighbours behind it. */
export class InetDevice implements UpperLayer {
  readonly netns: Netns;
  readonly device: Device;
  readonly addresses: Cidr[] = [];
  readonly neighbours = new Map<IpAddress, Neighbour>();

  constructor(netns: Netns, device: Device) {
    this.netns = netns;
    this.device = device;
    device.upper = this;
  }

  receive(skb: Skb, otherHost: boolean): void {
    switch (skb.payload.type) {
      case 'arp':
        arpReceive(this, skb, skb.payload);
        return;
      case 'ipv4':
        ipReceive(this, skb, otherHost);
        return;
      case 'ipv6':
        this.netns.drop(skb, this, 'notUnderstood', 'IPv6 is not modelled yet');
        return;
    }
  }

  /** The address to speak from towards `towards`: the one in the same network, else the first (net/ipv4/devinet.c, inet_select_addr). */
  selectAddress(towards: Ipv4 | undefined): Ipv4 | undefined {
    let first: Ipv4 | undefined;
    for (const cidr of this.addresses) {
      if (!isIpv4(cidr.address)) continue;
      if (towards !== undefined && cidrContains(cidr, towards)) return cidr.address;
      first ??= cidr.address;
    }
    return first;
  }

  view(): DeviceView {
    const d = this.device;
    return {
      name: d.name,
      kind: d.kind,
      mac: d.mac,
      mtu: d.mtu,
      up: d.up,
      carrier: d.carrier,
      master: d.port?.bridge.name,
      hairpin: d.port?.hairpin ?? false,
      addresses: [...this.addresses],
      peer: d.peer ? { netns: d.peer.owner.id, device: d.peer.name } : undefined,
    };
  }
}
