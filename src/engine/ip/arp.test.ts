import { describe, expect, it } from 'vitest';
import { type Cidr, formatIp, type Ipv4, type Mac, parseCidr, parseIpv4 } from '../../protocol/address.ts';
import type { Ipv4Packet } from '../../protocol/packet.ts';
import { Dummy, LinkEnd } from '../link/device.ts';
import { LabContext } from '../sim/lab-context.ts';
import { Netns } from './netns.ts';
import { localOut } from './output.ts';

const ip = (text: string): Ipv4 => parseIpv4(text) as Ipv4;
const cidr = (text: string): Cidr => parseCidr(text) as Cidr;

/** `a` 10.0.0.1 — 10.0.0.2 `b`, which has 10.96.0.1 on a dummy device and 10.9.0.2 on the cable as well. */
function pair() {
  const lab = new LabContext(3);
  const a = new Netns(lab, 'a', 'host');
  const b = new Netns(lab, 'b', 'host');
  const here = new LinkEnd(a, 'eth0', 'veth', 1 as Mac, 1500, 1000);
  const there = new LinkEnd(b, 'eth0', 'veth', 2 as Mac, 1500, 1000);
  LinkEnd.join(here, there);
  a.addAddress(a.addDevice(here), cidr('10.0.0.1/24'));
  const dev = b.addDevice(there);
  b.addAddress(dev, cidr('10.0.0.2/24'));
  b.addAddress(dev, cidr('10.9.0.2/24'));
  b.addAddress(b.addDevice(new Dummy(b, 'dummy0', 3 as Mac)), cidr('10.96.0.1/32'));
  for (const far of ['10.96.0.1/32', '10.9.0.2/32']) a.addRoute(cidr(far), { device: a.device('eth0') });
  return { lab, a, b };
}

type Pair = ReturnType<typeof pair>;

function send(from: Netns, src: string, dst: string): void {
  const packet: Ipv4Packet = {
    type: 'ipv4',
    src: ip(src),
    dst: ip(dst),
    ttl: 64,
    id: 1,
    dontFragment: false,
    moreFragments: false,
    fragmentOffset: 0,
    tos: 0,
    payload: { type: 'udp', srcPort: 1, dstPort: 2, data: '' },
  };
  localOut(from, packet, { flow: 1, direction: 'request', cause: 0 });
}

/** Whether `b` answers when `a` asks for an address of it. */
function answers({ lab, a }: Pair, address: string): boolean {
  send(a, '10.0.0.1', address);
  lab.sim.runUntil(lab.sim.nowNs + 10_000_000, 10_000);
  return a.device('eth0')?.neighbours.get(ip(address))?.connectedMac !== undefined;
}

describe('arp_ignore', () => {
  it.each([
    [0, { '10.0.0.2': true, '10.9.0.2': true, '10.96.0.1': true }],
    [1, { '10.0.0.2': true, '10.9.0.2': true, '10.96.0.1': false }],
    [2, { '10.0.0.2': true, '10.9.0.2': false, '10.96.0.1': false }],
  ])('%i: for which addresses a host answers', (level, expected) => {
    const network = pair();
    network.b.sysctls.set('net.ipv4.conf.all.arp_ignore', String(level));
    expect(Object.fromEntries(Object.keys(expected).map((address) => [address, answers(network, address)]))).toEqual(expected);
  });

  it('the larger of `all` and the device counts', () => {
    const network = pair();
    network.b.sysctls.set('net.ipv4.conf.eth0.arp_ignore', '1');
    expect(answers(network, '10.96.0.1')).toBe(false);
  });
});

describe('arp_announce', () => {
  it.each([
    [0, '10.96.0.1', '10.96.0.1'],
    [1, '10.96.0.1', '10.0.0.2'],
    [1, '10.0.0.2', '10.0.0.2'],
    [2, '10.96.0.1', '10.0.0.2'],
  ])('%i: a packet from %s has its sender ask as %s', (level, source, asked) => {
    const { lab, b } = pair();
    b.sysctls.set('net.ipv4.conf.all.arp_announce', String(level));
    lab.recorder.take();
    send(b, source, '10.0.0.1');
    const [request] = lab.recorder.take().flatMap((e) => (e.type === 'tx' && e.frame?.payload.type === 'arp' ? [e.frame.payload] : []));
    expect(request && formatIp(request.senderIp)).toBe(asked);
  });
});

describe('a device that is down', () => {
  it('has its addresses local all the same, until they are taken away', () => {
    const { b } = pair();
    const dummy = b.device('dummy0');
    if (!dummy) throw new Error('no dummy0');
    b.addAddress(dummy, cidr('10.97.0.1/24'));
    expect([b.fib.isLocal(ip('10.96.0.1')), b.fib.isLocal(ip('10.97.0.1'))]).toEqual([true, true]);
    expect(b.fib.lookup(ip('10.97.0.9'))).toBeUndefined();
    expect([b.removeAddress(dummy, cidr('10.96.0.1/32')), b.removeAddress(dummy, cidr('10.96.0.1/32'))]).toEqual([true, false]);
    expect(b.fib.isLocal(ip('10.96.0.1'))).toBe(false);
  });
});
