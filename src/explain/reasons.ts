import type { DropReason } from '../protocol/event.ts';
import { kernel, type Reference, rfc } from './reference.ts';

/** Why a packet went no further: the exact condition, what its sender learns, and what to look at next. */
export interface Reason {
  /** Short, to follow "Dropped: ". */
  readonly title: string;
  /** The exact condition, in whole sentences. */
  readonly condition: string;
  /** What the sender is told. */
  readonly sender: string;
  /** What to look at or change next. */
  readonly next: string;
  readonly reference: Reference | undefined;
}

const SILENT = 'Nothing: the drop is silent.';

/** Every reason there is; a new one in the protocol fails to compile until it is explained here. */
export const REASONS: Readonly<Record<DropReason, Reason>> = {
  otherHost: {
    title: 'the frame is addressed to another station',
    condition:
      'The destination MAC is neither this device’s own nor broadcast, so the frame was delivered as PACKET_OTHERHOST, which IP does not take. A flooded or promiscuously received frame ends like this on every station but one.',
    sender: SILENT,
    next: 'Normal when a bridge floods. If it was meant for this host, compare the sender’s neighbour entry with this device’s MAC.',
    reference: kernel('net/ipv4/ip_input.c', 'ip_rcv_core'),
  },
  deviceDown: {
    title: 'the device is down',
    condition: 'The device, or the other end of its veth pair, is not up (IFF_UP is not set), so it takes no frames.',
    sender: SILENT,
    next: 'ip link set dev DEVICE up',
    reference: kernel('net/core/dev.c', '__dev_queue_xmit'),
  },
  noCarrier: {
    title: 'the device has no carrier',
    condition:
      'The device is up but its cable is cut or the other end is down. Linux puts the noop queue on such a device, and that discards all it is given.',
    sender: SILENT,
    next: 'Look for NO-CARRIER in ip link, and mend the cable or set the other end up.',
    reference: kernel('net/sched/sch_generic.c', 'noop_enqueue'),
  },
  bridgePortSame: {
    title: 'a bridge does not send a frame back out of the port it came in by',
    condition: 'The FDB names the ingress port as the way to the destination MAC, and hairpin mode is off on that port.',
    sender: SILENT,
    next: 'If a pod must reach itself through its own Service, set hairpin mode: bridge link set dev PORT hairpin on.',
    reference: kernel('net/bridge/br_forward.c', 'should_deliver'),
  },
  noL3: {
    title: 'no protocol here takes the frame',
    condition: 'The frame reached a device that has no IP address and is not a bridge port that could switch it on.',
    sender: SILENT,
    next: 'Give the device an address, or enslave it to a bridge: ip addr, ip link set dev DEVICE master BRIDGE.',
    reference: undefined,
  },
  forwardingOff: {
    title: 'IP forwarding is off',
    condition: 'The packet is for another host and net.ipv4.ip_forward is 0 here, so this namespace is a host and not a router.',
    sender: SILENT,
    next: 'sysctl -w net.ipv4.ip_forward=1',
    reference: kernel('net/ipv4/route.c', 'ip_error'),
  },
  ttlExceeded: {
    title: 'the TTL ran out',
    condition: 'The packet has to be forwarded and its TTL is 1 or less: it may not live through another routed hop.',
    sender: 'ICMP time exceeded in transit (type 11 code 0). traceroute is built on this.',
    next: 'If the TTL was not set low on purpose, look for a routing loop.',
    reference: kernel('net/ipv4/ip_forward.c', 'ip_forward'),
  },
  noRoute: {
    title: 'no route to the destination',
    condition: 'No entry of the routing tables matches the destination, not even a default route.',
    sender: 'A process of this namespace: ENETUNREACH. The sender of a forwarded packet: ICMP network unreachable (type 3 code 0).',
    next: 'ip route get DESTINATION; then add the missing route.',
    reference: kernel('net/ipv4/route.c', 'ip_error'),
  },
  routeBlackhole: {
    title: 'the route is a blackhole',
    condition: 'The longest matching prefix is a route of type blackhole.',
    sender: 'A process of this namespace: EINVAL. The sender of a forwarded packet: nothing.',
    next: 'ip route show type blackhole; delete the route or add a longer prefix.',
    reference: kernel('net/ipv4/route.c', 'ip_error'),
  },
  routeUnreachable: {
    title: 'the route says host unreachable',
    condition: 'The longest matching prefix is a route of type unreachable.',
    sender: 'A process of this namespace: EHOSTUNREACH. The sender of a forwarded packet: ICMP host unreachable (type 3 code 1).',
    next: 'ip route show type unreachable; delete the route or add a longer prefix.',
    reference: kernel('net/ipv4/route.c', 'ip_error'),
  },
  routeProhibit: {
    title: 'the route prohibits it',
    condition: 'The longest matching prefix is a route of type prohibit.',
    sender:
      'A process of this namespace: EACCES. The sender of a forwarded packet: ICMP communication administratively prohibited (type 3 code 13).',
    next: 'ip route show type prohibit; delete the route or add a longer prefix.',
    reference: kernel('net/ipv4/route.c', 'ip_error'),
  },
  reversePath: {
    title: 'reverse path filter: the source would not be reached by this device',
    condition:
      'rp_filter is strict (1) for the device, and the route back to the source address leaves by another device or does not exist.',
    sender: SILENT,
    next: 'Mend the route back to the source, or loosen the filter: sysctl -w net.ipv4.conf.DEVICE.rp_filter=2. The larger of conf.all and conf.DEVICE counts.',
    reference: kernel('net/ipv4/fib_frontend.c', '__fib_validate_source'),
  },
  martianSource: {
    title: 'martian source address',
    condition:
      'The source address can be no host’s: it is multicast, broadcast, in 0.0.0.0/8, or in 127.0.0.0/8 on a device that is not lo.',
    sender: SILENT,
    next: 'Find who sends it. For 127.0.0.0/8, net.ipv4.conf.DEVICE.route_localnet decides.',
    reference: kernel('net/ipv4/route.c', 'ip_route_input_slow'),
  },
  localSource: {
    title: 'the source address is one of this namespace’s own',
    condition: 'The packet came in from outside with a source address that this namespace has itself, and accept_local is 0.',
    sender: SILENT,
    next: 'Typical of a pod that reaches itself through its Service without masquerade: the hairpin case must be source-NATed.',
    reference: kernel('net/ipv4/fib_frontend.c', '__fib_validate_source'),
  },
  martianDestination: {
    title: 'martian destination address',
    condition:
      'The destination may not be routed: it is in 0.0.0.0/8, or in 127.0.0.0/8 on a device that is not lo while route_localnet is 0.',
    sender: SILENT,
    next: 'Check what rewrote the destination. For 127.0.0.0/8, net.ipv4.conf.DEVICE.route_localnet decides.',
    reference: kernel('net/ipv4/route.c', 'ip_route_input_slow'),
  },
  neighbourFailed: {
    title: 'no answer to ARP for the next hop',
    condition:
      'The next hop’s MAC address is unknown, and mcast_solicit (3) ARP requests, one a second, brought no answer: the neighbour entry is FAILED.',
    sender: 'A process of this namespace: EHOSTUNREACH. The sender of a forwarded packet: ICMP host unreachable (type 3 code 1).',
    next: 'ip neigh; then see whether the next hop is up and on this link, and whether its address is the right one.',
    reference: kernel('net/core/neighbour.c', 'neigh_invalidate'),
  },
  neighbourQueueFull: {
    title: 'too many packets wait for the same MAC address',
    condition: 'The queue of the unresolved neighbour exceeds unres_qlen_bytes; the oldest packet makes room for the newest.',
    sender: SILENT,
    next: 'See why the next hop does not answer ARP; the queue is only the symptom.',
    reference: kernel('net/core/neighbour.c', '__neigh_event_send'),
  },
  tooBig: {
    title: 'too big for the outgoing device',
    condition:
      'The packet is longer than the MTU of the outgoing device and may not be cut: Don’t Fragment is set, or it is being switched and not routed.',
    sender:
      'A process of this namespace: EMSGSIZE. The sender of a forwarded packet: ICMP fragmentation needed (type 3 code 4) with the next-hop MTU. A bridge tells nothing.',
    next: 'Compare the MTUs along the way: ip link. An overlay costs room: VXLAN over IPv4 takes 50 bytes.',
    reference: kernel('net/ipv4/ip_forward.c', 'ip_forward'),
  },
  mtuReceive: {
    title: 'too big for the receiving device',
    condition: 'The frame is longer than the MTU of the device that receives it, with allowance for the Ethernet header and a VLAN tag.',
    sender: SILENT,
    next: 'Both ends of a veth pair or cable need the same MTU: ip link.',
    reference: kernel('include/linux/netdevice.h', '____dev_forward_skb'),
  },
  noSocket: {
    title: 'nothing listens on the port',
    condition: 'The packet is for an address of this namespace, but no socket is bound to its protocol, address and port.',
    sender: 'For TCP an RST (“connection refused”), for UDP ICMP port unreachable (type 3 code 3).',
    next: 'ss -ltnup here; compare the port with the Service’s targetPort, and see that the process does not listen on 127.0.0.1 only.',
    reference: rfc(9293, '3.10.7.1'),
  },
  protocolUnreachable: {
    title: 'no handler for this IP protocol',
    condition: 'The packet is for an address of this namespace, but nothing here handles its IP protocol number.',
    sender: 'ICMP protocol unreachable (type 3 code 2).',
    next: 'Check the protocol of the Service port and of the traffic.',
    reference: kernel('net/ipv4/ip_input.c', 'ip_protocol_deliver_rcu'),
  },
  tcpUnexpected: {
    title: 'the segment does not fit the connection’s state',
    condition: 'A socket for the connection exists, but flags or sequence numbers of the segment are not acceptable in its state.',
    sender: 'Depends on the segment: an ACK with the expected numbers, an RST, or nothing.',
    next: 'See who else answers for this address: a reply that was not un-NATed looks like this to the client.',
    reference: rfc(9293, '3.10.7'),
  },
  echoUnknown: {
    title: 'nothing here takes this ICMP echo',
    condition:
      'An echo reply whose identifier belongs to no open ping socket, or an echo request while net.ipv4.icmp_echo_ignore_all is 1.',
    sender: SILENT,
    next: 'A reply: usual when the ping has ended already. A request: sysctl net.ipv4.icmp_echo_ignore_all.',
    reference: kernel('net/ipv4/icmp.c', 'icmp_rcv'),
  },
  icmpUnmatched: {
    title: 'the ICMP error quotes no connection of ours',
    condition: 'The packet quoted in the ICMP error matches no socket of this namespace.',
    sender: SILENT,
    next: 'See whether the quoted packet was sent from here, and whether NAT on the way translates the quote back.',
    reference: kernel('net/ipv4/icmp.c', 'icmp_unreach'),
  },
  checksum: {
    title: 'wrong checksum',
    condition: 'The checksum of the IP or transport header does not match what it covers.',
    sender: SILENT,
    next: 'Look for a device or a rewrite that left the checksum stale.',
    reference: rfc(1071),
  },
  conntrackFull: {
    title: 'the conntrack table is full',
    condition: 'The packet would begin a new connection, but nf_conntrack_max entries are in use and none could be evicted early.',
    sender: SILENT,
    next: 'conntrack -C against sysctl net.netfilter.nf_conntrack_max; raise the maximum or find who opens so many connections.',
    reference: kernel('net/netfilter/nf_conntrack_core.c', '__nf_conntrack_alloc'),
  },
  conntrackInvalid: {
    title: 'conntrack calls the packet INVALID',
    condition: 'The packet belongs to no known connection and cannot begin one, or its flags or sequence numbers do not fit the entry.',
    sender: SILENT,
    next: 'conntrack -L here; see whether both directions of the connection pass this namespace.',
    reference: kernel('net/netfilter/nf_conntrack_core.c', 'nf_conntrack_in'),
  },
  droppedByRule: {
    title: 'a netfilter rule drops it',
    condition: 'A rule with the verdict DROP matched, or no rule of a chain did and the policy of the chain is DROP.',
    sender: SILENT,
    next: 'The rule is named with the drop. iptables-save -c or nft list ruleset shows its counters rise.',
    reference: kernel('net/netfilter/core.c', 'nf_hook_slow'),
  },
  rejectedByRule: {
    title: 'a netfilter rule rejects it',
    condition: 'A rule with the target REJECT matched: the packet goes no further, and its sender is told at once.',
    sender: 'The ICMP error that the rule names (port unreachable unless it says otherwise), or a TCP reset.',
    next: 'The rule is named with the drop. From kube-proxy it says that a Service has no endpoints.',
    reference: kernel('net/ipv4/netfilter/nf_reject_ipv4.c', 'nf_send_unreach'),
  },
  natClash: {
    title: 'NAT finds no free port',
    condition:
      'The connection has to be translated, but every port that the rule allows is taken by another connection with the same peer.',
    sender: SILENT,
    next: 'conntrack -L shows who holds them; conntrack -S counts insert_failed and drop.',
    reference: kernel('net/netfilter/nf_nat_core.c', 'nf_nat_setup_info'),
  },
  redirectIgnored: {
    title: 'an ICMP redirect that is not followed',
    condition:
      'A router told of a shorter way to the destination. This namespace forwards packets itself, or has one gateway only, and goes on as before.',
    sender: SILENT,
    next: 'Nothing is wrong: the packet that caused it goes on. sysctl net.ipv4.conf.DEVICE.accept_redirects and send_redirects.',
    reference: kernel('net/ipv4/icmp.c', 'icmp_redirect'),
  },
  redirectOfNat: {
    title: 'a redirect about a translated connection',
    condition:
      'This host would tell a neighbour of a shorter way, but the connection is translated here, so the neighbour must go on sending here.',
    sender: SILENT,
    next: 'Nothing is wrong: the packet that caused it goes on. sysctl net.ipv4.conf.DEVICE.send_redirects=0 avoids the attempt.',
    reference: kernel('net/netfilter/nf_nat_proto.c', 'nf_nat_icmp_reply_translation'),
  },
  ipvsNoServer: {
    title: 'the virtual server has no real server to give',
    condition:
      'IPVS has a virtual server for this address and port, but its scheduler found none among the real servers: there are none, or those that it may choose have weight 0.',
    sender:
      'ICMP port unreachable (type 3 code 3) from the address it asked for, for TCP as well: connect() fails at once with ECONNREFUSED.',
    next: 'ipvsadm -Ln lists the real servers; compare with the endpoints of the Service.',
    reference: kernel('net/netfilter/ipvs/ip_vs_core.c', 'ip_vs_leave'),
  },
  ipvsServerGone: {
    title: 'the real server of this connection is gone',
    condition:
      'The entry in the IPVS table names a real server that is not in the virtual server any more, and net.ipv4.vs.expire_nodest_conn is 0 (or conntrack still holds the old connection).',
    sender: SILENT,
    next: 'sysctl -w net.ipv4.vs.expire_nodest_conn=1 lets the next packet go to another server; kube-proxy sets it.',
    reference: kernel('net/netfilter/ipvs/ip_vs_core.c', 'ip_vs_in_hook'),
  },
  ipvsReuse: {
    title: 'the same port is used again before its old connection has left the tables',
    condition:
      'A new connection came from a client port whose old connection IPVS still remembers as closed (net.ipv4.vs.conn_reuse_mode 1), and conntrack holds an entry of it. Both entries are removed now.',
    sender: 'Nothing at once; TCP sends its SYN again a second later, and that one goes to a server.',
    next: 'Seen with clients that open many short connections. net.ipv4.vs.conn_reuse_mode=0 avoids the second and keeps the old server.',
    reference: kernel('net/netfilter/ipvs/ip_vs_core.c', 'ip_vs_in_hook'),
  },
  fragmentTimeout: {
    title: 'fragments are missing',
    condition: 'Not all fragments of the packet arrived within ipfrag_time (30 s) of the first.',
    sender: 'ICMP fragment reassembly time exceeded (type 11 code 1), if the first fragment had arrived.',
    next: 'Find where the missing fragments went, or avoid fragmentation with a smaller MTU.',
    reference: kernel('net/ipv4/ip_fragment.c', 'ip_expire'),
  },
  netnsGone: {
    title: 'the network namespace is gone',
    condition: 'The namespace, and with it the device, was removed while the packet was on its way.',
    sender: SILENT,
    next: 'The pod was deleted: see whether the sender still uses its old address.',
    reference: undefined,
  },
  hopLimit: {
    title: 'the hop limit ran out',
    condition: 'The IPv6 packet has to be forwarded and its hop limit is 1 or less.',
    sender: 'ICMPv6 time exceeded (type 3 code 0).',
    next: 'If the hop limit was not set low on purpose, look for a routing loop.',
    reference: rfc(8200, '3'),
  },
  notUnderstood: {
    title: 'the lab does not model this kind of packet',
    condition: 'The frame carries a protocol that the lab decodes but does not act on yet. A real kernel might.',
    sender: SILENT,
    next: 'Use IPv4 with TCP, UDP or ICMP.',
    reference: undefined,
  },
};
