/*
 * The names nft knows for numbers (nftables src/datatype.c, src/ct.c, src/fib.c, src/proto.c; protocols
 * from Debian's /etc/protocols, which the tool asks). A number without a name is printed as a number.
 */

export interface SymbolTable {
  readonly nameOf: ReadonlyMap<number, string>;
  readonly numberOf: ReadonlyMap<string, number>;
}

/** The first name of a number is the one printed; all are read. */
const symbols = (...pairs: readonly (readonly [number, string])[]): SymbolTable => {
  const nameOf = new Map<number, string>();
  const numberOf = new Map<string, number>();
  for (const [number, name] of pairs) {
    if (!nameOf.has(number)) nameOf.set(number, name);
    numberOf.set(name, number);
  }
  return { nameOf, numberOf };
};

/** `0 ip, 1 icmp, …` */
const listed = (text: string): SymbolTable =>
  symbols(
    ...text.split(', ').map((entry): readonly [number, string] => {
      const [number = '', name = ''] = entry.split(' ');
      return [Number(number), name];
    }),
  );

export const PROTOCOLS = listed(
  '0 ip, 0 hopopt, 1 icmp, 2 igmp, 3 ggp, 4 ipencap, 5 st, 6 tcp, 8 egp, 9 igp, 12 pup, 17 udp, 20 hmp, 22 xns-idp, 27 rdp, ' +
    '29 iso-tp4, 33 dccp, 36 xtp, 37 ddp, 38 idpr-cmtp, 41 ipv6, 43 ipv6-route, 44 ipv6-frag, 45 idrp, 46 rsvp, 47 gre, 50 esp, ' +
    '51 ah, 57 skip, 58 ipv6-icmp, 58 icmpv6, 59 ipv6-nonxt, 60 ipv6-opts, 73 rspf, 81 vmtp, 88 eigrp, 89 ospf, 93 ax.25, 94 ipip, ' +
    '97 etherip, 98 encap, 103 pim, 108 ipcomp, 108 comp, 112 vrrp, 115 l2tp, 124 isis, 132 sctp, 133 fc, 135 mobility-header, ' +
    '136 udplite, 137 mpls-in-ip, 138 manet, 139 hip, 140 shim6, 141 wesp, 142 rohc, 143 ethernet',
);

/** Ports are printed as numbers; these names are read. */
export const SERVICES = listed(
  '20 ftp-data, 21 ftp, 22 ssh, 23 telnet, 25 smtp, 53 domain, 67 bootps, 68 bootpc, 69 tftp, 80 http, 110 pop3, 123 ntp, 143 imap2, ' +
    '161 snmp, 179 bgp, 389 ldap, 443 https, 514 syslog, 636 ldaps, 993 imaps, 2049 nfs, 3306 mysql, 5432 postgresql, 6379 redis, ' +
    '8080 http-alt',
);

export const ICMP_TYPES = listed(
  '0 echo-reply, 3 destination-unreachable, 4 source-quench, 5 redirect, 8 echo-request, 9 router-advertisement, ' +
    '10 router-solicitation, 11 time-exceeded, 12 parameter-problem, 13 timestamp-request, 14 timestamp-reply, 15 info-request, ' +
    '16 info-reply, 17 address-mask-request, 18 address-mask-reply',
);

export const ICMPV6_TYPES = listed(
  '1 destination-unreachable, 2 packet-too-big, 3 time-exceeded, 4 parameter-problem, 128 echo-request, 129 echo-reply, ' +
    '130 mld-listener-query, 131 mld-listener-report, 132 mld-listener-done, 132 mld-listener-reduction, 133 nd-router-solicit, ' +
    '134 nd-router-advert, 135 nd-neighbor-solicit, 136 nd-neighbor-advert, 137 nd-redirect, 138 router-renumbering, ' +
    '141 ind-neighbor-solicit, 142 ind-neighbor-advert, 143 mld2-listener-report',
);

export const ICMP_CODES = listed(
  '0 net-unreachable, 1 host-unreachable, 2 prot-unreachable, 3 port-unreachable, 4 frag-needed, 9 net-prohibited, ' +
    '10 host-prohibited, 13 admin-prohibited',
);

export const DSCP = listed(
  '0 cs0, 1 lephb, 8 cs1, 10 af11, 12 af12, 14 af13, 16 cs2, 18 af21, 20 af22, 22 af23, 24 cs3, 26 af31, 28 af32, 30 af33, 32 cs4, ' +
    '34 af41, 36 af42, 38 af43, 40 cs5, 46 ef, 48 cs6, 56 cs7',
);

export const TCP_FLAGS = listed('1 fin, 2 syn, 4 rst, 8 psh, 16 ack, 32 urg, 64 ecn, 128 cwr');
export const CT_STATES = listed('1 invalid, 2 established, 4 related, 8 new, 64 untracked');
export const CT_STATUS = listed('1 expected, 2 seen-reply, 4 assured, 8 confirmed, 16 snat, 32 dnat, 512 dying');
export const CT_DIRECTIONS = listed('0 original, 1 reply');
export const NF_PROTOCOLS = listed('2 ipv4, 10 ipv6');
export const ETHER_TYPES = listed('2048 ip, 2054 arp, 34525 ip6, 33024 8021q, 33024 vlan, 34984 8021ad');
export const PACKET_TYPES = listed('0 host, 0 unicast, 1 broadcast, 2 multicast, 3 other');
export const FIB_ADDRESS_TYPES = listed(
  '0 unspec, 1 unicast, 2 local, 3 broadcast, 4 anycast, 5 multicast, 6 blackhole, 7 unreachable, 8 prohibit',
);
