import { formatIp, type IpAddress, isIpv4 } from '../../protocol/address.ts';
import type { IpvsConnectionView } from '../../protocol/event.ts';
import type { IpvsProtocol, IpvsTimeouts, RealServer, SchedulerName, VirtualServer, VirtualServerKey } from './model.ts';

/*
 * What ipvsadm 1.31 prints with `-n` (ipvsadm.c, print_service_entry, print_conn): `-Sn` is what `-R` reads.
 */

/** The flags of a scheduler by the names that ipvsadm gives them; others are `flag-1` to `flag-3`. */
export const SCHEDULER_FLAGS: Partial<Record<SchedulerName, readonly [first: string, second: string]>> = {
  sh: ['sh-fallback', 'sh-port'],
  mh: ['mh-fallback', 'mh-port'],
};

/** Of sh and mh only the flags that mean something are shown. */
export function schedulerFlagNames({ scheduler, schedulerFlags }: Pick<VirtualServer, 'scheduler' | 'schedulerFlags'>): string[] {
  const names = SCHEDULER_FLAGS[scheduler];
  const flags = [...schedulerFlags].sort();
  return names ? flags.flatMap((flag) => names[flag - 1] ?? []) : flags.map((flag) => `flag-${flag}`);
}

const PROTOCOL_ORDER: Readonly<Record<IpvsProtocol, number>> = { tcp: 6, udp: 17, sctp: 132 };

/** As ipvsadm subtracts addresses: in a signed int, so that 192.168.0.1 comes before 10.0.0.1 (libipvs/libipvs.c, ipvs_cmp_services). */
function byAddress(a: IpAddress, b: IpAddress): number {
  if (isIpv4(a) && isIpv4(b)) return (a - b) | 0;
  if (isIpv4(a) !== isIpv4(b)) return isIpv4(a) ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Virtual servers as ipvsadm sorts them. */
export function inListingOrder<T extends VirtualServerKey>(servers: readonly T[]): T[] {
  return [...servers].sort(
    (a, b) =>
      Number(isIpv4(b.address)) - Number(isIpv4(a.address)) ||
      PROTOCOL_ORDER[a.protocol] - PROTOCOL_ORDER[b.protocol] ||
      byAddress(a.address, b.address) ||
      a.port - b.port,
  );
}

const sortedReals = (reals: readonly RealServer[]): RealServer[] =>
  [...reals].sort((a, b) => byAddress(a.address, b.address) || a.port - b.port);

const endpoint = (address: IpAddress, port: number): string =>
  isIpv4(address) ? `${formatIp(address)}:${port}` : `[${formatIp(address)}]:${port}`;

const PROTOCOL_OPTIONS: Readonly<Record<IpvsProtocol, string>> = { tcp: '-t', udp: '-u', sctp: '--sctp-service' };
const FORWARDING_OPTIONS: Readonly<Record<RealServer['forwarding'], string>> = { masq: '-m', route: '-g', tunnel: '-i' };
const FORWARDING_NAMES: Readonly<Record<RealServer['forwarding'], string>> = { masq: 'Masq', route: 'Route', tunnel: 'Tunnel' };

/** What `ipvsadm -Sn` prints, which `ipvsadm -R` reads. */
export const saveText = (servers: readonly VirtualServer[]): string =>
  restoreText(inListingOrder(servers).map((server) => ({ ...server, realServers: sortedReals(server.realServers) })));

/** The same in the order given: the newest real server has the first turn, so the order in which they are added matters. */
export function restoreText(servers: readonly VirtualServer[]): string {
  const lines: string[] = [];
  for (const server of servers) {
    const service = `${PROTOCOL_OPTIONS[server.protocol]} ${endpoint(server.address, server.port)}`;
    const flags = schedulerFlagNames(server);
    lines.push(
      [
        `-A ${service} -s ${server.scheduler}`,
        ...(server.persistenceSeconds === undefined ? [] : [`-p ${server.persistenceSeconds}`]),
        ...(server.onePacket ? ['-o'] : []),
        ...(flags.length > 0 ? [`-b ${flags.join(',')}`] : []),
      ].join(' '),
    );
    for (const real of server.realServers) {
      const tunnel = real.forwarding === 'tunnel' ? ' --tun-type ipip' : '';
      lines.push(`-a ${service} -r ${endpoint(real.address, real.port)} ${FORWARDING_OPTIONS[real.forwarding]} -w ${real.weight}${tunnel}`);
    }
  }
  return lines.map((line) => `${line}\n`).join('');
}

/** Connections that lead to a real server: `ActiveConn` and `InActConn`. */
export interface ConnectionCounts {
  readonly active: number;
  readonly inactive: number;
}

/** What `ipvsadm -Ln` prints. */
export function listText(servers: readonly VirtualServer[], counts: (server: VirtualServer, real: RealServer) => ConnectionCounts): string {
  const lines = [
    'IP Virtual Server version 1.2.1 (size=4096)',
    'Prot LocalAddress:Port Scheduler Flags',
    '  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn',
  ];
  for (const server of inListingOrder(servers)) {
    const flags = schedulerFlagNames(server);
    lines.push(
      [
        `${server.protocol.toUpperCase().padEnd(4)} ${endpoint(server.address, server.port)} ${server.scheduler}`,
        ...(flags.length > 0 ? [`(${flags.join(',')})`] : []),
        ...(server.persistenceSeconds === undefined ? [] : [`persistent ${server.persistenceSeconds}`]),
        ...(server.onePacket ? ['ops'] : []),
      ].join(' '),
    );
    for (const real of sortedReals(server.realServers)) {
      const { active, inactive } = counts(server, real);
      const columns = [
        endpoint(real.address, real.port).padEnd(28),
        FORWARDING_NAMES[real.forwarding].padEnd(7),
        String(real.weight).padEnd(6),
        String(active).padEnd(10),
        String(inactive).padEnd(10),
      ];
      lines.push(`  -> ${columns.join(' ')}`);
    }
  }
  return lines.map((line) => `${line}\n`).join('');
}

/** What `ipvsadm -Lnc` prints. */
export function connectionsText(connections: readonly IpvsConnectionView[], nowNs: number): string {
  const lines = ['IPVS connection entries', 'pro expire state       source             virtual            destination'];
  for (const { protocol, expiresNs, state, client, virtual, real } of connections) {
    const seconds = Math.max(0, Math.floor((expiresNs - nowNs) / 1_000_000_000));
    const two = (n: number): string => String(n).padStart(2, '0');
    const [source, to, destination] = [client, virtual, real].map(({ address, port }) => endpoint(address, port));
    lines.push(
      `${protocol.toUpperCase().padEnd(3)} ${two(Math.floor(seconds / 60))}:${two(seconds % 60)}  ${state.padEnd(11)} ${(source as string).padEnd(18)} ${(to as string).padEnd(18)} ${destination}`,
    );
  }
  return lines.map((line) => `${line}\n`).join('');
}

/** What `ipvsadm -L --timeout` prints. */
export const timeoutsText = ({ tcp, tcpFin, udp }: IpvsTimeouts): string => `Timeout (tcp tcpfin udp): ${tcp} ${tcpFin} ${udp}\n`;
