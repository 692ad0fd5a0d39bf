import { formatIp } from '../protocol/address.ts';
import type { ConntrackTuple, EventData, IpvsConnectionView, IpvsEndpoint, IpvsStep } from '../protocol/event.ts';
import { kernel } from './reference.ts';
import type { Sentence } from './sentence.ts';

/** What IPVS did with a packet, or with its table, as a sentence. */
export function ipvsStepped(data: IpvsStep): Sentence {
  const detail = [rewriteText(data), ...data.connections.map(ipvsConnectionText)].filter((part) => part !== '').join('; ');
  switch (data.verdict) {
    case 'toServer':
      return {
        title: data.quoted
          ? `IPVS passes the ICMP error on to ${endpoint(data.real)}, rewritten in the packet that it quotes as well`
          : `IPVS sends it on to ${endpoint(data.real)}, ${choiceText(data)}`,
        detail,
        kind: 'nat',
        reference: kernel('net/netfilter/ipvs/ip_vs_xmit.c', data.quoted ? 'ip_vs_icmp_xmit' : 'ip_vs_nat_xmit'),
      };
    case 'toClient':
      return {
        title: data.quoted
          ? `IPVS puts the virtual address ${endpoint(data.virtual)} back, in the packet that the ICMP error quotes as well`
          : `IPVS puts the virtual address ${endpoint(data.virtual)} back as the source`,
        detail,
        kind: 'reply',
        reference: kernel('net/netfilter/ipvs/ip_vs_core.c', data.quoted ? 'handle_response_icmp' : 'handle_response'),
      };
    case 'refused':
      return {
        title: `IPVS has no server for ${endpoint(data.virtual)}${data.scheduler === undefined ? '' : `: its scheduler ${data.scheduler} finds none with a weight above 0`}`,
        detail,
        kind: 'drop',
        reference: kernel('net/netfilter/ipvs/ip_vs_core.c', 'ip_vs_leave'),
      };
    case 'dropped':
      return {
        title: `IPVS drops it: the entry of this connection still leads to ${endpoint(data.real)}`,
        detail,
        kind: 'drop',
        reference: kernel('net/netfilter/ipvs/ip_vs_core.c', 'ip_vs_in_hook'),
      };
    case 'expired':
      return {
        title: expiredText(data),
        detail,
        kind: 'conntrack',
        reference: kernel('net/netfilter/ipvs/ip_vs_conn.c', 'ip_vs_conn_expire'),
      };
  }
}

export function ipvsServersChanged({ servers, serverCount }: EventData['ipvsServersChanged']): Sentence {
  const listed = servers.slice(0, 3).map((server) => `${server.protocol} ${endpoint(server)} ${server.scheduler}`);
  return {
    title: `IPVS has ${serverCount} virtual server${serverCount === 1 ? '' : 's'}`,
    detail: `${listed.join(', ')}${serverCount > listed.length ? ', ...' : ''}`,
    kind: 'service',
    reference: kernel('net/netfilter/ipvs/ip_vs_ctl.c', 'ip_vs_genl_set_cmd'),
  };
}

/** An entry of the connection table in the words of `ipvsadm -Lnc`, without the time left (which depends on when one looks). */
export function ipvsConnectionText(c: IpvsConnectionView): string {
  return `${c.protocol.toUpperCase()} ${c.state} ${endpoint(c.client)} ${endpoint(c.virtual)} ${endpoint(c.real)}`;
}

function choiceText({ chosenBy, scheduler }: IpvsStep): string {
  switch (chosenBy) {
    case 'scheduler':
      return `chosen by its scheduler ${scheduler ?? ''}`.trimEnd();
    case 'template':
      return 'the server that this client stays with';
    default:
      return 'the server of this connection';
  }
}

function expiredText({ removed, connections }: IpvsStep): string {
  if (removed.length === 0)
    return connections.length === 1 ? 'IPVS keeps an entry that is still needed' : 'IPVS keeps entries that are still needed';
  return removed.length === 1 ? 'An entry leaves the IPVS table' : `${removed.length} entries leave the IPVS table`;
}

function rewriteText({ before, after }: IpvsStep): string {
  return before && after ? `${tuple(before)} becomes ${tuple(after)}` : '';
}

const tuple = (t: ConntrackTuple): string => `${formatIp(t.src)}:${t.srcPort} > ${formatIp(t.dst)}:${t.dstPort}`;
const endpoint = (e: IpvsEndpoint | undefined): string => (e === undefined ? 'a server' : `${formatIp(e.address)}:${e.port}`);
