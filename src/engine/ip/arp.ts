import type { Ipv4, Mac } from '../../protocol/address.ts';
import { BROADCAST_MAC, cidrContains, ZERO_MAC } from '../../protocol/address.ts';
import type { ArpPacket } from '../../protocol/packet.ts';
import { Skb } from '../link/skb.ts';
import type { InetDevice } from './inet-device.ts';
import { lookupOrCreate } from './neighbour.ts';

/**
 * ARP (RFC 826) as net/ipv4/arp.c does it: by default a namespace answers for any of its addresses, on
 * any device; arp_ignore and arp_announce narrow that down. arp_filter is 0.
 */
export function arpReceive(dev: InetDevice, skb: Skb, arp: ArpPacket): void {
  const netns = dev.netns;
  // Addressed to another station: a bridge port or a promiscuous capture only (arp_rcv).
  if (skb.dst !== BROADCAST_MAC && skb.dst !== dev.device.mac) {
    netns.drop(skb, dev, 'otherHost', undefined);
    return;
  }
  if (arp.op === 'request' && netns.fib.isLocal(arp.targetIp)) {
    if (ignored(dev, arp)) {
      netns.drop(skb, dev, 'otherHost', 'arp_ignore: the address is not of this device');
      return;
    }
    lookupOrCreate(dev, arp.senderIp).update(arp.senderMac, 'STALE', true, skb.cause);
    send(
      dev,
      { type: 'arp', op: 'reply', senderMac: dev.device.mac, senderIp: arp.targetIp, targetMac: arp.senderMac, targetIp: arp.senderIp },
      arp.senderMac,
      skb,
    );
    return;
  }
  // Others learn nothing new from a request, but refresh what they know (arp_process).
  const known = dev.neighbours.get(arp.senderIp);
  if (known) {
    const solicited = arp.op === 'reply' && skb.dst === dev.device.mac;
    known.update(arp.senderMac, solicited ? 'REACHABLE' : 'STALE', known.lockTimeOver, skb.cause);
  }
}

/** Asks who has `target`; `known` is the MAC to ask when an old entry is only being probed. */
export function sendArpRequest(dev: InetDevice, target: Ipv4, known: Mac | undefined, serving: Skb | undefined): void {
  const senderIp = senderAddress(dev, target, serving);
  send(
    dev,
    { type: 'arp', op: 'request', senderMac: dev.device.mac, senderIp, targetMac: ZERO_MAC, targetIp: target },
    known ?? BROADCAST_MAC,
    serving,
  );
}

/** arp_ignore: 1 answers only for addresses of the device asked on, 2 only those that share the sender's network, too. */
function ignored(dev: InetDevice, arp: ArpPacket): boolean {
  const level = dev.netns.sysctls.arp(dev.device.name, 'arp_ignore');
  if (level === 0) return false;
  const own = dev.addresses.filter(({ address }) => address === arp.targetIp);
  return own.length === 0 || (level === 2 && !own.some((cidr) => cidrContains(cidr, arp.senderIp)));
}

/**
 * arp_solicit: with arp_announce 0 the waiting packet's own source if it is ours, with 1 only if it is
 * of the target's network on this device, with 2 never; else the device's best address.
 */
function senderAddress(dev: InetDevice, target: Ipv4, serving: Skb | undefined): Ipv4 {
  const announce = dev.netns.sysctls.arp(dev.device.name, 'arp_announce');
  if (announce < 2 && serving?.payload.type === 'ipv4' && dev.netns.fib.isLocal(serving.payload.src)) {
    const { src } = serving.payload;
    if (announce === 0 || dev.addresses.some((cidr) => cidr.address === src && cidrContains(cidr, target))) return src;
  }
  return dev.selectAddress(target) ?? (0 as Ipv4);
}

function send(dev: InetDevice, arp: ArpPacket, to: Mac, serving: Skb | undefined): void {
  const lab = dev.netns.lab;
  dev.device.send(
    new Skb(lab.nextPacket(), serving?.flow ?? 0, serving?.direction ?? 'request', serving?.cause ?? 0, arp, dev.device.mac, to),
  );
}
