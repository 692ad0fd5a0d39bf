import { describe, expect, it } from 'vitest';
import type { IpAddress } from '../../protocol/address.ts';
import type { ConntrackTuple } from '../../protocol/event.ts';
import { parseIpSloppy } from './addresses.ts';
import { conntrackCleanup } from './conntrack-cleanup.ts';
import { service, slice, TERMINATING } from './object-fixtures.ts';
import { ProxyState } from './state.ts';

const CLIENT = '10.0.9.9';
const address = (text: string): IpAddress => parseIpSloppy(text) as IpAddress;
const tuple = (src: string, srcPort: number, dst: string, dstPort: number, protocol: number): ConntrackTuple => ({
  src: address(src),
  srcPort,
  dst: address(dst),
  dstPort,
  protocol,
});

const dns = service('dns', '172.30.0.10', {
  type: 'NodePort',
  externalIPs: ['192.168.99.22'],
  ports: [{ name: 'dns', port: 53, nodePort: 30053, protocol: 'UDP' }],
});
const dnsSlice = (...endpoints: Parameters<typeof slice>[1]) => slice('dns', endpoints, [{ name: 'dns', port: 5353, protocol: 'UDP' }]);

function stateWith(...endpoints: Parameters<typeof slice>[1]): ProxyState {
  const state = new ProxyState('IPv4');
  state.update({ services: [dns], endpointSlices: [dnsSlice(...endpoints)] });
  state.apply();
  return state;
}

const isStale = (state: ProxyState, to: [string, number], from: [string, number], protocol = 17): boolean =>
  conntrackCleanup(state).isStale(tuple(CLIENT, 4000, ...to, protocol), tuple(...from, CLIENT, 4000, protocol));

describe('stale conntrack entries', () => {
  const state = stateWith('10.0.0.1', { addresses: ['10.0.0.2'], conditions: TERMINATING });

  it('are those of a UDP service that lead to no serving endpoint, by any of its addresses', () => {
    for (const to of [
      ['172.30.0.10', 53],
      ['192.168.99.22', 53],
      ['192.168.0.2', 30053],
      ['127.0.0.1', 30053],
    ] as [string, number][]) {
      expect(isStale(state, to, ['10.0.0.3', 5353])).toBe(true);
      expect(isStale(state, to, ['10.0.0.1', 5353])).toBe(false);
    }
  });

  it('include entries that were made before there was an endpoint, and those to another port of one', () => {
    expect(isStale(state, ['172.30.0.10', 53], ['172.30.0.10', 53])).toBe(true);
    expect(isStale(state, ['172.30.0.10', 53], ['10.0.0.1', 53])).toBe(true);
  });

  it('do not include what leads to a terminating endpoint that still serves', () => {
    expect(isStale(state, ['172.30.0.10', 53], ['10.0.0.2', 5353])).toBe(false);
  });

  it('are none of TCP, of other destinations, or of a service without serving endpoints', () => {
    expect(isStale(state, ['172.30.0.10', 53], ['10.0.0.3', 5353], 6)).toBe(false);
    expect(isStale(state, ['172.30.0.11', 53], ['10.0.0.3', 5353])).toBe(false);
    expect(isStale(state, ['172.30.0.10', 54], ['10.0.0.3', 5353])).toBe(false);
    expect(isStale(stateWith(), ['172.30.0.10', 53], ['10.0.0.3', 5353])).toBe(false);
  });

  it('are looked for when endpoints of a UDP port changed, and only then', () => {
    const changed = stateWith('10.0.0.1');
    changed.update({ services: [service('web', '172.30.0.41')], endpointSlices: [slice('web', ['10.0.0.5'])] });
    expect(changed.apply().udpEndpointsChanged).toBe(false);
    changed.update({ endpointSlices: [dnsSlice('10.0.0.1')] });
    expect(changed.apply().udpEndpointsChanged).toBe(false);
    changed.update({ endpointSlices: [dnsSlice('10.0.0.2')] });
    expect(changed.apply().udpEndpointsChanged).toBe(true);
    changed.update({ removedEndpointSlices: ['ns/dns-1'] });
    expect(changed.apply().udpEndpointsChanged).toBe(true);
  });
});
