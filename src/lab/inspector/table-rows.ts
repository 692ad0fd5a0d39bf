import { ipvsConnectionText } from '../../explain/ipvs-sentence.ts';
import { conntrackText, routeText } from '../../explain/table-text.ts';
import { formatCidr, formatIp, formatMac, type IpAddress } from '../../protocol/address.ts';
import type { NetnsView } from '../../protocol/view.ts';

export interface TableText {
  readonly title: string;
  /** What would show this on a real machine. */
  readonly command: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

const endpoint = (address: IpAddress | undefined, port: number): string =>
  address === undefined ? '*' : `${address === 0 ? '0.0.0.0' : formatIp(address)}:${port === 0 ? '*' : port}`;

const seconds = (ns: number): string => `${Math.max(0, Math.floor(ns / 1e9))} s`;

/** Every table of a namespace as rows of text, at `timeNs`. */
export function tableRows(view: NetnsView, timeNs: number): readonly TableText[] {
  return [
    {
      title: 'Addresses',
      command: 'ip addr',
      columns: ['Device', 'Address', 'MAC', 'MTU', 'State'],
      rows: view.devices.map((d) => [
        d.name,
        d.addresses.map(formatCidr).join(' ') || '-',
        formatMac(d.mac),
        String(d.mtu),
        `${d.up ? (d.carrier ? 'UP' : 'NO-CARRIER') : 'DOWN'}${d.master === undefined ? '' : `, master ${d.master}`}`,
      ]),
    },
    {
      title: 'Routes',
      command: 'ip route show table all',
      columns: ['Route'],
      rows: [...view.routes].sort((a, b) => Number(a.table === 'local') - Number(b.table === 'local')).map((r) => [routeText(r)]),
    },
    {
      title: 'Neighbours',
      command: 'ip neigh',
      columns: ['Address', 'Device', 'MAC', 'State'],
      rows: view.neighbours.map((n) => [formatIp(n.address), n.device, n.mac === undefined ? '-' : formatMac(n.mac), n.state]),
    },
    {
      title: 'FDB',
      command: 'bridge fdb',
      columns: ['MAC', 'Port', 'Bridge', 'Age'],
      rows: view.fdb.map((f) => [formatMac(f.mac), f.port, f.bridge, f.local ? 'permanent' : seconds(timeNs - f.updatedNs)]),
    },
    {
      title: 'Conntrack',
      command: 'conntrack -L',
      columns: ['Entry', 'Left'],
      rows: view.conntrack.map((c) => [conntrackText(c), seconds(c.expiresNs - timeNs)]),
    },
    ...ipvsTables(view, timeNs),
    {
      title: 'Sockets',
      command: 'ss -antup',
      columns: ['Proto', 'State', 'Local', 'Peer', 'Process'],
      rows: view.sockets.map((s) => [
        s.protocol,
        s.state,
        endpoint(s.localAddress, s.localPort),
        endpoint(s.remoteAddress, s.remotePort),
        s.process,
      ]),
    },
    {
      title: 'Sysctls',
      command: 'sysctl',
      columns: ['Key', 'Value'],
      rows: Object.entries(view.sysctls).sort(([a], [b]) => (a < b ? -1 : 1)),
    },
  ];
}

/** What IPVS holds, where it holds anything: kube-proxy in another mode leaves no virtual server. */
function ipvsTables(view: NetnsView, timeNs: number): readonly TableText[] {
  if (view.ipvsServerCount === 0 && view.ipvsConnections.length === 0) return [];
  const unlisted = view.ipvsServerCount - view.ipvsServers.length;
  return [
    {
      title: unlisted === 0 ? 'IPVS servers' : `IPVS servers (${unlisted} more)`,
      command: 'ipvsadm -Ln',
      columns: ['Virtual', 'Scheduler', 'Real servers, weight'],
      rows: view.ipvsServers.map((s) => [
        `${s.protocol.toUpperCase()} ${endpoint(s.address, s.port)}`,
        `${s.scheduler}${s.persistenceSeconds === undefined ? '' : `, persistent ${s.persistenceSeconds} s`}`,
        s.realServers.map((r) => `${endpoint(r.address, r.port)} ${r.weight}`).join(', ') || 'none',
      ]),
    },
    {
      title: 'IPVS connections',
      command: 'ipvsadm -Lnc',
      columns: ['Entry', 'Left'],
      rows: view.ipvsConnections.map((c) => [ipvsConnectionText(c), seconds(c.expiresNs - timeNs)]),
    },
  ];
}
