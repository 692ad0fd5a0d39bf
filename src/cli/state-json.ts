import { formatCidr, formatIp, formatMac, type IpAddress } from '../protocol/address.ts';
import type { ConntrackTuple } from '../protocol/event.ts';
import type { NetnsView, RuleChainView } from '../protocol/view.ts';

const ipOrNull = (address: IpAddress | undefined): string | null => (address === undefined ? null : formatIp(address));

const tuple = (t: ConntrackTuple): object => ({
  protocol: t.protocol,
  src: formatIp(t.src),
  dst: formatIp(t.dst),
  srcPort: t.srcPort,
  dstPort: t.dstPort,
});

/** The tables of a namespace as JSON: formatted addresses, `null` for what an entry does not have. */
export function stateJson(view: NetnsView, chains: readonly RuleChainView[]): object {
  return {
    namespace: view.id,
    devices: view.devices.map((d) => ({
      name: d.name,
      kind: d.kind,
      mac: formatMac(d.mac),
      mtu: d.mtu,
      up: d.up,
      carrier: d.carrier,
      master: d.master ?? null,
      hairpin: d.hairpin,
      addresses: d.addresses.map(formatCidr),
      peer: d.peer ? { namespace: d.peer.netns, device: d.peer.device } : null,
    })),
    addresses: view.devices.flatMap((d) => d.addresses.map((a) => ({ address: formatCidr(a), device: d.name }))),
    routes: view.routes.map((r) => ({
      table: r.table,
      type: r.type,
      destination: r.destination.length === 0 ? 'default' : formatCidr(r.destination),
      via: ipOrNull(r.via),
      device: r.device ?? null,
      src: ipOrNull(r.prefSrc),
      scope: r.scope,
      protocol: r.protocol,
    })),
    neighbours: view.neighbours.map((n) => ({
      address: formatIp(n.address),
      device: n.device,
      mac: n.mac === undefined ? null : formatMac(n.mac),
      state: n.state,
    })),
    fdb: view.fdb.map((f) => ({ bridge: f.bridge, mac: formatMac(f.mac), port: f.port, local: f.local })),
    rules: chains.flatMap(({ framework, family, table, name, rules }) =>
      rules.map(({ text, packets, bytes }, i) => ({ framework, family, table, chain: name, number: i + 1, text, packets, bytes })),
    ),
    conntrack: view.conntrack.map((c) => ({
      original: tuple(c.original),
      reply: tuple(c.reply),
      state: c.state ?? null,
      assured: c.assured,
      unreplied: !c.seenReply,
      expiresNs: c.expiresNs,
    })),
    sockets: view.sockets.map((s) => ({
      protocol: s.protocol,
      state: s.state,
      localAddress: formatIp(s.localAddress),
      localPort: s.localPort,
      remoteAddress: ipOrNull(s.remoteAddress),
      remotePort: s.remoteAddress === undefined ? null : s.remotePort,
      process: s.process,
    })),
    sysctls: view.sysctls,
  };
}
