import { describe, expect, test } from 'vitest';
import { BROADCAST_MAC } from '../protocol/address.ts';
import type { BridgeDecision, ConntrackChange, EventData, NeighbourState, SocketState } from '../protocol/event.ts';
import { TCP_ACK, TCP_PSH, TCP_SYN } from '../protocol/packet.ts';
import type { DeviceView, NetnsView } from '../protocol/view.ts';
import { arp, BRIDGE_MAC, cidr, connection, event, frame, icmp, ip, ipv4, route, socket, tcp } from './example-events.ts';
import { REASONS } from './reasons.ts';
import { sentence } from './sentence.ts';

const SYN = frame(ipv4(tcp(TCP_SYN)));
const WHO_HAS = frame(arp('request'), { dst: BROADCAST_MAC });

describe('frames', () => {
  test('tx and rx name the segment and the device', () => {
    const sent = sentence(event('tx', undefined, { frame: SYN }));
    expect(sent.title).toBe('SYN leaves by eth0');
    expect(sent.detail).toBe('10.244.1.5:41932 > 10.244.2.7:80 ttl 64, 0a:58:0a:f4:01:05 > 0a:58:0a:f4:01:01');
    expect(sent.kind).toBe('l3');
    expect(sentence(event('rx', { otherHost: false }, { frame: SYN, device: 'veth1' })).title).toBe('SYN arrives at veth1');
    expect(sentence(event('rx', { otherHost: true }, { frame: SYN, device: 'veth1' })).title).toBe(
      'SYN arrives at veth1; the destination MAC is not this device’s own',
    );
  });

  test('a reply is told from a request, and ARP from both', () => {
    expect(sentence(event('tx', undefined, { frame: SYN, direction: 'reply' })).kind).toBe('reply');
    expect(sentence(event('tx', undefined, { frame: WHO_HAS, direction: 'reply' })).kind).toBe('l2');
  });

  test('ARP says what it asks and tells', () => {
    const asked = sentence(event('tx', undefined, { frame: WHO_HAS }));
    expect(asked.title).toBe('ARP request “who has 10.244.1.1? tell 10.244.1.5” leaves by eth0');
    expect(asked.reference?.url).toBe('https://www.rfc-editor.org/rfc/rfc826');
    expect(sentence(event('rx', { otherHost: false }, { frame: frame(arp('reply')) })).title).toBe(
      'ARP reply “10.244.1.1 is at 0a:58:0a:f4:01:01” arrives at eth0',
    );
  });

  test('on lo there are no stations to name', () => {
    const looped = frame(ipv4(tcp(TCP_SYN)), { src: 0 as typeof BRIDGE_MAC, dst: 0 as typeof BRIDGE_MAC });
    expect(sentence(event('tx', undefined, { frame: looped, device: 'lo' })).detail).toBe('10.244.1.5:41932 > 10.244.2.7:80 ttl 64');
  });

  test('an ICMP error says which packet it is about', () => {
    const quoting = frame(ipv4(icmp(3, 3, { quote: ipv4(tcp(TCP_SYN)) })));
    expect(sentence(event('tx', undefined, { frame: quoting })).detail).toContain('about [SYN 10.244.1.5:41932 > 10.244.2.7:80]');
  });
});

describe('bridge', () => {
  const decision = (change: Partial<BridgeDecision>): BridgeDecision => ({
    bridge: 'cni0',
    verdict: 'forward',
    ports: ['vethb'],
    omitted: 0,
    learned: 'known',
    ingress: 'vetha',
    ...change,
  });

  test.each([
    [decision({}), SYN, 'cni0 forwards the frame to port vethb: the FDB knows 0a:58:0a:f4:01:01 there'],
    [
      decision({ verdict: 'flood', ports: ['vethb', 'vethc'] }),
      SYN,
      'cni0 floods the frame to ports vethb, vethc: the FDB does not know 0a:58:0a:f4:01:01',
    ],
    [decision({ verdict: 'flood', ports: [] }), WHO_HAS, 'cni0 floods the broadcast to no other port'],
    [decision({ verdict: 'local', ports: [] }), SYN, 'cni0 passes the frame up to IP: 0a:58:0a:f4:01:01 is the bridge’s own MAC address'],
    [decision({ verdict: 'floodAndLocal' }), WHO_HAS, 'cni0 floods the broadcast to port vethb and takes a copy itself'],
    [
      decision({ verdict: 'floodAndLocal', ports: ['a', 'b'], omitted: 98 }),
      WHO_HAS,
      'cni0 floods the broadcast to 100 ports (a, b and 98 more) and takes a copy itself',
    ],
    [decision({ verdict: 'drop', ports: [] }), SYN, 'cni0 sends the frame nowhere: no port may have it'],
  ])('verdict $verdict', (data, on, title) => {
    expect(sentence(event('bridge', data, { frame: on })).title).toBe(title);
  });

  test.each([
    ['new', 'vetha', 'FDB learns: 0a:58:0a:f4:01:05 is behind vetha'],
    ['moved', 'vetha', 'FDB corrects itself: 0a:58:0a:f4:01:05 is behind vetha now'],
    ['known', 'vetha', 'FDB refreshed: 0a:58:0a:f4:01:05 is behind vetha'],
    [undefined, undefined, 'from cni0 itself'],
  ] as const)('learned %s', (learned, ingress, detail) => {
    expect(sentence(event('bridge', decision({ learned, ingress }), { frame: SYN })).detail).toBe(detail);
  });

  test('a bridge that drops is a drop', () => {
    expect(sentence(event('bridge', decision({ verdict: 'drop' }))).kind).toBe('drop');
    expect(sentence(event('bridge', decision({}))).kind).toBe('l2');
  });
});

describe('routing', () => {
  const decide = (change: Partial<EventData['route']>): ReturnType<typeof sentence> =>
    sentence(event('route', { destination: ip('10.244.2.11'), route: route(), nextHop: ip('10.244.1.1'), input: false, ...change }));

  test('the default gateway, from here and for others', () => {
    expect(decide({})).toMatchObject({
      title: 'Sent to the default gateway 10.244.1.1, since 10.244.2.11 is not on this link',
      detail: 'default via 10.244.1.1 dev eth0',
      kind: 'l3',
    });
    expect(decide({ input: true }).title).toBe('Routed to the default gateway 10.244.1.1: no longer prefix matches 10.244.2.11');
  });

  test('a gateway by prefix', () => {
    const via = route({ destination: cidr('10.244.2.0/24'), via: ip('192.168.1.12') });
    expect(decide({ route: via, nextHop: ip('192.168.1.12'), input: true }).title).toBe(
      'Routed to the next hop 192.168.1.12: the longest matching prefix is 10.244.2.0/24',
    );
  });

  test('on the link', () => {
    const connected = route({ destination: cidr('10.244.2.0/24'), via: undefined, device: 'cni0' });
    expect(decide({ route: connected, nextHop: ip('10.244.2.11') }).title).toBe('Sent out of cni0 directly: 10.244.2.11 is on this link');
    expect(decide({ route: connected, nextHop: ip('10.244.2.11'), input: true }).title).toBe(
      'Routed out of cni0 directly: 10.244.2.11 is on this link',
    );
  });

  test('to this namespace', () => {
    const local = route({ type: 'local', table: 'local', destination: cidr('10.244.2.11/32'), via: undefined });
    expect(decide({ route: local, nextHop: undefined, input: true }).title).toBe(
      '10.244.2.11 is an address of this namespace: the packet stays here',
    );
    expect(decide({ route: local, nextHop: undefined }).title).toBe('10.244.2.11 is an address of this namespace: sent through lo');
    expect(decide({ route: { ...local, type: 'broadcast' } }).title).toBe('10.244.2.11 is a broadcast address of eth0');
  });

  test('refusals are drops', () => {
    expect(decide({ route: undefined, nextHop: undefined })).toMatchObject({ title: 'No route to 10.244.2.11', kind: 'drop' });
    const refuse = route({ destination: cidr('10.244.0.0/16'), via: undefined, device: undefined });
    expect(decide({ route: { ...refuse, type: 'blackhole' } })).toMatchObject({
      title: 'The route for 10.244.0.0/16 is a blackhole',
      kind: 'drop',
    });
    expect(decide({ route: { ...refuse, type: 'unreachable' } }).title).toBe('The route for 10.244.0.0/16 says: host unreachable');
    expect(decide({ route: { ...refuse, type: 'prohibit' } }).title).toBe('The route for 10.244.0.0/16 prohibits it');
  });

  test('the TTL falls', () => {
    expect(sentence(event('forward', { ttlBefore: 64, ttlAfter: 63 })).title).toBe('Routed onward: the TTL falls from 64 to 63');
  });

  test('fragments', () => {
    expect(sentence(event('fragmented', { mtu: 1500, fragments: 2 })).title).toBe(
      'Cut into 2 fragments: longer than the MTU of eth0, and Don’t Fragment is not set',
    );
    expect(sentence(event('reassembled', { fragments: 2 })).title).toBe('All 2 fragments have arrived and are one packet again');
  });
});

describe('neighbours', () => {
  const change = (state: NeighbourState, action: 'created' | 'updated' | 'removed' = 'updated'): ReturnType<typeof sentence> =>
    sentence(event('neighbour', { action, entry: { address: ip('10.244.1.1'), device: 'eth0', mac: BRIDGE_MAC, state } }));

  test.each([
    ['INCOMPLETE', 'The MAC address of 10.244.1.1 is not known: ARP has to ask for it'],
    ['REACHABLE', 'The neighbour 10.244.1.1 is reachable: its MAC address is confirmed'],
    ['STALE', 'The neighbour entry of 10.244.1.1 is STALE: usable, to be confirmed at the next use'],
    ['DELAY', 'The neighbour entry of 10.244.1.1 was STALE and is used: DELAY, it waits for a sign of life before it asks'],
    ['PROBE', 'No sign of life from 10.244.1.1: PROBE, ARP asks it directly'],
    ['FAILED', 'No answer to ARP from 10.244.1.1: the neighbour entry is FAILED'],
    ['PERMANENT', 'The MAC address of 10.244.1.1 is set by hand and never expires'],
  ] as const)('%s', (state, title) => {
    expect(change(state)).toMatchObject({ title, kind: state === 'FAILED' ? 'drop' : 'l2' });
    expect(change(state).detail).toBe(`10.244.1.1 dev eth0 lladdr 0a:58:0a:f4:01:01 ${state}`);
  });

  test('learned from a packet, and removed', () => {
    expect(change('STALE', 'created').title).toBe(
      'Learned the MAC address of 10.244.1.1 from its own packet: STALE, usable but not confirmed',
    );
    expect(change('STALE', 'removed').title).toBe('The neighbour entry of 10.244.1.1 is removed');
  });

  test('the queue', () => {
    const queued = sentence(event('queued', { nextHop: ip('10.244.1.1'), queueLength: 1 }));
    expect(queued).toMatchObject({
      title: 'Waits until the MAC address of 10.244.1.1 is known',
      detail: '1 packet in the neighbour queue',
      kind: 'l2',
    });
    expect(sentence(event('queued', { nextHop: ip('10.244.1.1'), queueLength: 3 })).detail).toBe('3 packets in the neighbour queue');
  });
});

describe('netfilter', () => {
  test('hooks, routed and bridged', () => {
    const data = { hook: 'FORWARD', inDevice: 'cni0', outDevice: 'eth0', bridged: false } as const;
    expect(sentence(event('hook', data, { frame: SYN }))).toMatchObject({
      title: 'Passes the netfilter hook FORWARD',
      detail: 'in cni0, out eth0, SYN 10.244.1.5:41932 > 10.244.2.7:80',
      kind: 'l3',
    });
    expect(sentence(event('hook', { ...data, bridged: true }))).toMatchObject({
      title: 'Passes the netfilter hook FORWARD, though only switched: bridge-nf-call-iptables is 1',
      kind: 'l2',
    });
  });

  const change = (data: Partial<ConntrackChange>): ConntrackChange => ({
    action: 'updated',
    packetState: 'ESTABLISHED',
    packetDirection: 'reply',
    entry: connection(),
    ...data,
  });

  test.each([
    [
      change({ action: 'new', packetState: 'NEW' }),
      'conntrack: the first packet of a connection makes a new entry, unconfirmed until it has passed all hooks',
    ],
    [
      change({ action: 'confirmed', packetState: 'NEW' }),
      'conntrack: the packet has passed all hooks, its entry is confirmed and goes into the table',
    ],
    [change({ entry: connection({ state: 'SYN_RECV' }) }), 'conntrack: ESTABLISHED, a reply of a known connection (TCP state SYN_RECV)'],
    [
      change({ packetDirection: 'original', entry: connection({ state: undefined }) }),
      'conntrack: ESTABLISHED, another packet of a known connection',
    ],
    [
      change({ packetState: 'RELATED', entry: connection({ state: undefined }) }),
      'conntrack: RELATED, the packet concerns a known connection',
    ],
    [change({ action: 'destroyed' }), 'conntrack: the entry has timed out or was deleted'],
    [
      change({ action: 'invalid', packetState: 'INVALID', entry: undefined }),
      'conntrack: INVALID, the packet belongs to no known connection and cannot begin one',
    ],
  ])('conntrack $action $packetState', (data, title) => {
    expect(sentence(event('conntrack', data))).toMatchObject({ title, kind: 'conntrack' });
  });
});

describe('ends', () => {
  test('delivery, to a process and to the kernel itself', () => {
    const data = frame(ipv4(tcp(TCP_PSH | TCP_ACK, 'GET / HTTP/1.1')));
    expect(sentence(event('deliver', { to: '0.0.0.0:80', process: 'nginx' }, { frame: data })).title).toBe(
      'Data (14 bytes) delivered to nginx at 0.0.0.0:80',
    );
    const ping = sentence(event('deliver', { to: 'the kernel', process: undefined }, { frame: frame(ipv4(icmp(8, 0))) }));
    expect(ping).toMatchObject({ title: 'ICMP echo request delivered to the kernel', kind: 'process' });
  });

  test('a drop gives the condition, with what the engine adds first', () => {
    expect(sentence(event('drop', { reason: 'ttlExceeded', detail: undefined }))).toMatchObject({
      title: 'Dropped: the TTL ran out',
      kind: 'drop',
    });
    const off = sentence(event('drop', { reason: 'forwardingOff', detail: 'net.ipv4.ip_forward = 0' }));
    expect(off.detail).toMatch(/^net\.ipv4\.ip_forward = 0\. The packet is for another host/);
    expect(off.reference?.label).toBe('net/ipv4/route.c ip_error(), Linux 6.12');
    expect(sentence(event('drop', { reason: 'netnsGone', detail: undefined }))).not.toHaveProperty('reference');
  });

  test('an ICMP error says why', () => {
    expect(sentence(event('icmpError', { icmpType: 11, code: 0, because: 'ttlExceeded' }))).toMatchObject({
      title: 'Answers with ICMP time exceeded in transit: the TTL ran out',
      detail: 'type 11 code 0',
      kind: 'drop',
    });
  });

  test('flows begin and end', () => {
    expect(sentence(event('flowStarted', { from: 'pod/default/client', to: 'web:80', protocol: 'tcp' })).title).toBe(
      'pod/default/client sends to web:80 (tcp)',
    );
    expect(sentence(event('flowEnded', { kind: 'connected', detail: 'Connected', endpoint: '10.244.2.7:80', lost: undefined }))).toEqual({
      title: 'Connected',
      detail: 'connected, served by 10.244.2.7:80',
      kind: 'reply',
    });
    const lost = { netns: 'node/worker-1', device: 'cni0', reason: 'forwardingOff' } as const;
    expect(sentence(event('flowEnded', { kind: 'timeout', detail: 'No answer.', endpoint: undefined, lost })).title).toBe(
      `No answer. Last lost in node/worker-1 at cni0: ${REASONS.forwardingOff.title}.`,
    );
    expect(sentence(event('flowEnded', { kind: 'timeout', detail: 'No answer', endpoint: undefined, lost: undefined }))).toMatchObject({
      detail: 'timeout',
      kind: 'drop',
    });
  });
});

describe('processes and sockets', () => {
  const STATES: readonly SocketState[] = [
    'LISTEN',
    'SYN-SENT',
    'SYN-RECV',
    'ESTAB',
    'FIN-WAIT-1',
    'FIN-WAIT-2',
    'CLOSE-WAIT',
    'CLOSING',
    'LAST-ACK',
    'TIME-WAIT',
    'UNCONN',
    'CLOSED',
  ];

  test('every socket state has a sentence of its own', () => {
    const titles = STATES.map((state) => sentence(event('socket', { view: socket({ state }) })).title);
    expect(new Set(titles).size).toBe(STATES.length);
  });

  test('a socket line reads as ss prints it', () => {
    expect(sentence(event('socket', { view: socket() }))).toMatchObject({
      title: 'curl connects to 10.244.2.7:80: SYN-SENT, it waits for the SYN-ACK',
      detail: 'tcp SYN-SENT 10.244.1.5:41932 10.244.2.7:80',
    });
    const listening = socket({
      state: 'LISTEN',
      remoteAddress: undefined,
      remotePort: 0,
      localAddress: ip('0.0.0.0'),
      localPort: 80,
      process: 'nginx',
    });
    expect(sentence(event('socket', { view: listening })).title).toBe('nginx listens on 0.0.0.0:80');
  });

  test('what a process did, and could not do', () => {
    expect(sentence(event('process', { name: 'curl', did: 'sent GET / HTTP/1.1' })).title).toBe('curl sent GET / HTTP/1.1');
    const data = { process: 'b', protocol: 'tcp', address: '0.0.0.0', port: 80, holder: 'a' } as const;
    expect(sentence(event('bindFailed', data))).toMatchObject({
      title: 'b could not bind tcp 0.0.0.0:80: a holds that port already',
      kind: 'drop',
    });
  });
});

describe('the cluster changes', () => {
  const device: DeviceView = {
    name: 'eth0',
    kind: 'veth',
    mac: BRIDGE_MAC,
    mtu: 1500,
    up: true,
    carrier: true,
    master: undefined,
    hairpin: false,
    addresses: [],
    peer: undefined,
  };

  test('devices', () => {
    expect(sentence(event('deviceChanged', { view: device })).title).toBe('eth0 is up');
    expect(sentence(event('deviceChanged', { view: { ...device, carrier: false } })).title).toBe('eth0 is up, without carrier');
    expect(sentence(event('deviceChanged', { view: { ...device, up: false, carrier: false } })).title).toBe('eth0 is down');
  });

  test('routes, sysctls, namespaces', () => {
    expect(sentence(event('routeChanged', { action: 'removed', route: route() }))).toMatchObject({
      title: 'Route removed',
      detail: 'default via 10.244.1.1 dev eth0',
    });
    expect(sentence(event('sysctlChanged', { key: 'net.ipv4.ip_forward', value: '0' })).title).toBe('net.ipv4.ip_forward is now 0');
    const view: NetnsView = {
      id: 'pod/default/web',
      kind: 'pod',
      devices: [device],
      routes: [],
      neighbours: [],
      fdb: [],
      conntrack: [],
      sockets: [],
      sysctls: {},
      ruleTables: [],
      ipvsServers: [],
      ipvsServerCount: 0,
      ipvsConnections: [],
    };
    expect(sentence(event('netnsAppeared', { view })).title).toBe('Network namespace pod/default/web is up');
  });
});
