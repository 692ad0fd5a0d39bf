import { describe, expect, it } from 'vitest';
import type { Ipv4, Mac } from '../../protocol/address.ts';
import type { Frame } from '../../protocol/packet.ts';
import { changesOf, layersOf } from './layers.ts';

const frame = (ttl: number, src: number): Frame => ({
  dst: 0x0a580af40101 as Mac,
  src: src as Mac,
  payload: {
    type: 'ipv4',
    src: 0x0af40102 as Ipv4,
    dst: 0x0af40203 as Ipv4,
    ttl,
    id: 7,
    dontFragment: true,
    moreFragments: false,
    fragmentOffset: 0,
    tos: 0,
    payload: { type: 'udp', srcPort: 5353, dstPort: 53, data: 'hello' },
  },
});

describe('layersOf', () => {
  it('goes from the outside in', () => {
    expect(layersOf(frame(64, 1)).map((l) => l.name)).toEqual(['Ethernet', 'IPv4', 'UDP', 'Data']);
  });
});

describe('changesOf', () => {
  it('names what was rewritten with its old value, and nothing else', () => {
    const changes = changesOf(layersOf(frame(64, 1)), layersOf(frame(63, 2)));
    expect([...changes.keys()]).toEqual(['Ethernet Source', 'IPv4 TTL']);
    expect(changes.get('IPv4 TTL')).toBe('64');
  });
});
