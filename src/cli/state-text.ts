import { conntrackText, routeText } from '../explain/table-text.ts';
import { formatCidr, formatIp, formatMac } from '../protocol/address.ts';
import type { NetnsView, RuleChainView } from '../protocol/view.ts';

/** The tables of a namespace as lines, close to what `ip`, `bridge`, `conntrack`, `ss` and `sysctl` print. */
export function stateText(view: NetnsView, chains: readonly RuleChainView[]): Record<string, string[]> {
  return {
    namespace: [view.id],
    devices: view.devices.map(
      (d) =>
        `${d.name} ${d.kind} ${d.up ? 'up' : 'down'}${d.carrier ? '' : ' no-carrier'} mtu ${d.mtu} ${formatMac(d.mac)}${d.master ? ` master ${d.master}` : ''}${d.hairpin ? ' hairpin on' : ''}${d.peer ? ` peer ${d.peer.netns}:${d.peer.device}` : ''}`,
    ),
    addresses: view.devices.flatMap((d) => d.addresses.map((a) => `${formatCidr(a)} dev ${d.name}`)),
    routes: view.routes.map((r) => routeText(r)),
    neighbours: view.neighbours.map(
      (n) => `${formatIp(n.address)} dev ${n.device}${n.mac === undefined ? '' : ` lladdr ${formatMac(n.mac)}`} ${n.state}`,
    ),
    fdb: view.fdb.map((f) => `${formatMac(f.mac)} dev ${f.port} master ${f.bridge}${f.local ? ' permanent' : ''}`),
    rules: chains.flatMap(({ framework, family, table, name, rules }) =>
      rules.map(({ text }) => (framework === 'iptables' ? `${table}: ${text}` : `${family} ${table} ${name}: ${text}`)),
    ),
    conntrack: view.conntrack.map(conntrackText),
    sockets: view.sockets.map(
      (s) =>
        `${s.protocol} ${s.state} ${formatIp(s.localAddress)}:${s.localPort} ${s.remoteAddress === undefined ? '0.0.0.0:*' : `${formatIp(s.remoteAddress)}:${s.remotePort}`} users:(${s.process})`,
    ),
    sysctls: Object.entries(view.sysctls).map(([k, v]) => `${k} = ${v}`),
  };
}
