import { describe, expect, it } from 'vitest';
import { type Ipv4, parseIpv4 } from '../../protocol/address.ts';
import type { ConntrackTuple } from '../../protocol/event.ts';
import { type Ipv4Packet, TCP_ACK, TCP_FIN, TCP_SYN } from '../../protocol/packet.ts';
import { Skb } from '../link/skb.ts';
import { HookTable } from '../netfilter/hooks.ts';
import { LabContext } from '../sim/lab-context.ts';
import { Conntrack } from './table.ts';

const ip = (text: string): Ipv4 => parseIpv4(text) as Ipv4;
const CLIENT = ip('10.0.0.1');
const SERVER = ip('10.0.0.2');
const TUPLE: ConntrackTuple = { src: CLIENT, dst: SERVER, protocol: 6, srcPort: 40_000, dstPort: 80 };

/** A host that forwards between the two: each packet passes PREROUTING and POSTROUTING. */
function tracked() {
  const lab = new LabContext(1);
  const hooks = new HookTable();
  const conntrack = new Conntrack({ id: 'host', lab, sysctls: { get: () => 1000 } }, hooks);
  const pass = (from: 'client' | 'server', flags: number): void => {
    const [src, dst] = from === 'client' ? [CLIENT, SERVER] : [SERVER, CLIENT];
    const [srcPort, dstPort] = from === 'client' ? [40_000, 80] : [80, 40_000];
    const packet: Ipv4Packet = {
      type: 'ipv4',
      src,
      dst,
      ttl: 64,
      id: 1,
      dontFragment: true,
      moreFragments: false,
      fragmentOffset: 0,
      tos: 0,
      payload: { type: 'tcp', srcPort, dstPort, seq: 1, ack: 1, flags, window: 1, options: undefined, data: '' },
    };
    const skb = new Skb(lab.nextPacket(), 1, 'request', 0, packet);
    const state = { inDevice: 'a', outDevice: 'b', bridged: false, physInDevice: undefined, physOutDevice: undefined };
    hooks.run(skb, { hook: 'PREROUTING', ...state });
    hooks.run(skb, { hook: 'POSTROUTING', ...state });
  };
  return { conntrack, pass };
}

describe('entries of connections', () => {
  it('a port that is used again in TIME_WAIT makes an entry of its own', () => {
    const { conntrack, pass } = tracked();
    pass('client', TCP_SYN);
    pass('server', TCP_SYN | TCP_ACK);
    pass('client', TCP_ACK);
    pass('client', TCP_FIN | TCP_ACK);
    pass('server', TCP_FIN | TCP_ACK);
    pass('client', TCP_ACK);
    expect(conntrack.views().map(({ id, state, assured }) => [id, state, assured])).toEqual([[1, 'TIME_WAIT', true]]);
    pass('client', TCP_SYN);
    expect(conntrack.views().map(({ id, state, assured }) => [id, state, assured])).toEqual([[2, 'SYN_SENT', false]]);
  });

  it('can be deleted by their original tuple, not by the reply’s', () => {
    const { conntrack, pass } = tracked();
    pass('client', TCP_SYN);
    conntrack.kill({ src: SERVER, dst: CLIENT, protocol: 6, srcPort: 80, dstPort: 40_000 });
    expect(conntrack.views()).toHaveLength(1);
    conntrack.kill(TUPLE);
    conntrack.kill(TUPLE);
    expect(conntrack.views()).toEqual([]);
  });
});
