import { type Cidr, formatIp, isIpv4 } from '../protocol/address.ts';
import type { ConntrackView, RouteView } from '../protocol/event.ts';
import { protocolName } from './packet-text.ts';

/** A prefix as `ip route` prints it: `default` for length 0, a host without `/32`. */
export function prefixText(prefix: Cidr): string {
  if (prefix.length === 0) return 'default';
  const full = isIpv4(prefix.address) ? 32 : 128;
  return prefix.length === full ? formatIp(prefix.address) : `${formatIp(prefix.address)}/${prefix.length}`;
}

/** A route as `ip route show table all` prints it (iproute2 6.1): `default via 10.244.1.1 dev eth0`. */
export function routeText(route: RouteView): string {
  const parts: string[] = [];
  if (route.type !== 'unicast') parts.push(route.type);
  parts.push(prefixText(route.destination));
  if (route.via !== undefined) parts.push('via', formatIp(route.via));
  if (route.device !== undefined) parts.push('dev', route.device);
  if (route.table === 'local') parts.push('table local');
  if (route.protocol !== 'boot') parts.push('proto', route.protocol);
  if (route.scope !== 'global') parts.push('scope', route.scope);
  if (route.prefSrc !== undefined) parts.push('src', formatIp(route.prefSrc));
  return parts.join(' ');
}

/** A conntrack entry as `conntrack -L` prints it, without the time left (which depends on when one looks). */
export function conntrackText(entry: ConntrackView): string {
  const protocol = protocolName(entry.original.protocol);
  const parts = [protocol];
  if (entry.state !== undefined) parts.push(entry.state);
  parts.push(tupleText(entry.original));
  if (!entry.seenReply) parts.push('[UNREPLIED]');
  parts.push(tupleText(entry.reply));
  if (entry.assured) parts.push('[ASSURED]');
  return parts.join(' ');
}

function tupleText(tuple: ConntrackView['original']): string {
  const addresses = `src=${formatIp(tuple.src)} dst=${formatIp(tuple.dst)}`;
  if (tuple.protocol === 1) return `${addresses} type=${tuple.dstPort >>> 8} code=${tuple.dstPort & 255} id=${tuple.srcPort}`;
  return `${addresses} sport=${tuple.srcPort} dport=${tuple.dstPort}`;
}
