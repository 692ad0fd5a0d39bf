import { assertNever } from '../base/assert.ts';
import { BROADCAST_MAC, formatIp, formatMac, type IpAddress } from '../protocol/address.ts';
import type {
  BridgeDecision,
  ConntrackChange,
  EventOf,
  FlowOutcome,
  HookPassed,
  LabEvent,
  NeighbourChange,
  RouteDecision,
  SocketView,
} from '../protocol/event.ts';
import type { Frame } from '../protocol/packet.ts';
import { ipvsServersChanged, ipvsStepped } from './ipvs-sentence.ts';
import { endpointsText, icmpName, packetName, packetText } from './packet-text.ts';
import { REASONS } from './reasons.ts';
import { kernel, type Reference, rfc } from './reference.ts';
import { chainWalked, natRewritten, proxySynced, ruleMatched } from './rule-sentence.ts';
import { conntrackText, prefixText, routeText } from './table-text.ts';

/** What colours a sentence: the layer that acted, or how the packet fares. */
export type SentenceKind = 'l2' | 'l3' | 'nat' | 'service' | 'drop' | 'reply' | 'process' | 'conntrack';

export interface Sentence {
  /** What happened and why, in one plain sentence without a full stop. */
  readonly title: string;
  /** The exact route, table entry, packet or condition behind it; may be empty. */
  readonly detail: string;
  readonly kind: SentenceKind;
  /** What the event models, to read on. */
  readonly reference?: Reference;
}

/** One event as a sentence. Says nothing that the event does not hold. */
export function sentence(event: LabEvent): Sentence {
  switch (event.type) {
    case 'tx':
      return transmitted(event);
    case 'rx':
      return received(event);
    case 'bridge':
      return bridged(event.data, event.frame);
    case 'hook':
      return hookPassed(event.data, event.frame);
    case 'conntrack':
      return tracked(event.data);
    case 'rule':
      return ruleMatched(event.data);
    case 'chain':
      return chainWalked(event.data);
    case 'nat':
      return natRewritten(event);
    case 'ipvs':
      return ipvsStepped(event.data);
    case 'ipvsServersChanged':
      return ipvsServersChanged(event.data);
    case 'proxySynced':
      return proxySynced(event.data);
    case 'route':
      return routed(event.data);
    case 'forward':
      return {
        title: `Routed onward: the TTL falls from ${event.data.ttlBefore} to ${event.data.ttlAfter}`,
        detail: frameDetail(event.frame),
        kind: event.direction === 'reply' ? 'reply' : 'l3',
        reference: kernel('net/ipv4/ip_forward.c', 'ip_forward'),
      };
    case 'queued':
      return {
        title: `Waits until the MAC address of ${formatIp(event.data.nextHop)} is known`,
        detail:
          event.data.queueLength === 1 ? '1 packet in the neighbour queue' : `${event.data.queueLength} packets in the neighbour queue`,
        kind: 'l2',
        reference: kernel('net/core/neighbour.c', '__neigh_event_send'),
      };
    case 'neighbour':
      return neighbourChanged(event.data);
    case 'fragmented':
      return {
        title: `Cut into ${event.data.fragments} fragments: longer than the MTU of ${event.device ?? 'the outgoing device'}, and Don’t Fragment is not set`,
        detail: `mtu ${event.data.mtu}`,
        kind: 'l3',
        reference: kernel('net/ipv4/ip_output.c', 'ip_do_fragment'),
      };
    case 'reassembled':
      return {
        title: `All ${event.data.fragments} fragments have arrived and are one packet again`,
        detail: frameDetail(event.frame),
        kind: 'l3',
        reference: kernel('net/ipv4/ip_fragment.c', 'ip_defrag'),
      };
    case 'icmpError':
      return {
        title: `Answers with ICMP ${icmpName(event.data.icmpType, event.data.code)}: ${REASONS[event.data.because].title}`,
        detail: `type ${event.data.icmpType} code ${event.data.code}`,
        kind: 'drop',
        reference: kernel('net/ipv4/icmp.c', '__icmp_send'),
      };
    case 'deliver':
      return {
        title: delivered(event),
        detail: frameDetail(event.frame),
        kind: event.direction === 'reply' ? 'reply' : 'process',
        reference: kernel('net/ipv4/ip_input.c', 'ip_local_deliver'),
      };
    case 'drop':
      return dropped(event);
    case 'socket':
      return socketChanged(event.data.view);
    case 'process':
      return { title: `${event.data.name} ${event.data.did}`, detail: '', kind: 'process' };
    case 'bindFailed':
      return {
        title: `${event.data.process} could not bind ${event.data.protocol} ${event.data.address}:${event.data.port}: ${event.data.holder} holds that port already`,
        detail: 'EADDRINUSE: containers of one pod share its network namespace, hence its ports',
        kind: 'drop',
        reference:
          event.data.protocol === 'tcp'
            ? kernel('net/ipv4/inet_connection_sock.c', 'inet_csk_get_port')
            : kernel('net/ipv4/udp.c', 'udp_lib_get_port'),
      };
    case 'flowStarted':
      return { title: `${event.data.from} sends to ${event.data.to} (${event.data.protocol})`, detail: '', kind: 'process' };
    case 'flowEnded':
      return flowEnded(event.data);
    case 'netnsAppeared':
      return {
        title: `Network namespace ${event.data.view.id} is up`,
        detail: `${event.data.view.devices.length} devices`,
        kind: 'process',
      };
    case 'deviceChanged':
      return {
        title: `${event.data.view.name} is ${event.data.view.up ? 'up' : 'down'}${event.data.view.up && !event.data.view.carrier ? ', without carrier' : ''}`,
        detail: `mtu ${event.data.view.mtu}, ${formatMac(event.data.view.mac)}`,
        kind: 'l2',
      };
    case 'routeChanged':
      return { title: `Route ${event.data.action}`, detail: routeText(event.data.route), kind: 'l3' };
    case 'sysctlChanged':
      return { title: `${event.data.key} is now ${event.data.value}`, detail: `${event.data.key} = ${event.data.value}`, kind: 'process' };
    default:
      return assertNever(event, 'event type');
  }
}

/** The packet and the station it is for, e.g. `10.244.1.5:41932 > 10.244.2.7:80 ttl 64, to MAC 0a:58:0a:f4:01:01`. */
function frameDetail(frame: Frame | undefined): string {
  if (!frame) return '';
  const packet = frame.payload;
  const station = frame.src === 0 && frame.dst === 0 ? '' : `, ${formatMac(frame.src)} > ${formatMac(frame.dst)}`;
  switch (packet.type) {
    case 'arp':
      return `${formatMac(frame.src)} > ${formatMac(frame.dst)}`;
    case 'ipv4': {
      const quote = packet.payload.type === 'icmp' && packet.payload.quote ? ` about [${quoteText(frame)}]` : '';
      return `${endpointsText(packet)} ttl ${packet.ttl}${quote}${station}`;
    }
    case 'ipv6':
      return `${endpointsText(packet)} hop limit ${packet.hopLimit}${station}`;
  }
}

function quoteText(frame: Frame): string {
  const text = packetText(frame);
  return text.slice(text.indexOf('[') + 1, text.lastIndexOf(']'));
}

/** The frame as the subject of a sentence; an ARP packet says what it asks or tells. */
function subject(frame: Frame | undefined): string {
  if (!frame) return 'The packet';
  const packet = frame.payload;
  if (packet.type !== 'arp') return packetName(frame);
  return packet.op === 'request'
    ? `ARP request “who has ${formatIp(packet.targetIp)}? tell ${formatIp(packet.senderIp)}”`
    : `ARP reply “${formatIp(packet.senderIp)} is at ${formatMac(packet.senderMac)}”`;
}

const frameKind = (event: LabEvent): SentenceKind =>
  event.frame?.payload.type === 'arp' ? 'l2' : event.direction === 'reply' ? 'reply' : 'l3';

function frameReference(frame: Frame | undefined, otherwise: Reference): Reference {
  return frame?.payload.type === 'arp' ? rfc(826) : otherwise;
}

function transmitted(event: EventOf<'tx'>): Sentence {
  return {
    title: `${subject(event.frame)} leaves by ${event.device ?? 'a device'}`,
    detail: frameDetail(event.frame),
    kind: frameKind(event),
    reference: frameReference(event.frame, kernel('net/core/dev.c', '__dev_queue_xmit')),
  };
}

function received(event: EventOf<'rx'>): Sentence {
  const at = `${subject(event.frame)} arrives at ${event.device ?? 'a device'}`;
  return {
    title: event.data.otherHost ? `${at}; the destination MAC is not this device’s own` : at,
    detail: frameDetail(event.frame),
    kind: frameKind(event),
    reference: frameReference(event.frame, kernel('net/core/dev.c', '__netif_receive_skb_core')),
  };
}

function bridged(decision: BridgeDecision, frame: Frame | undefined): Sentence {
  return {
    title: bridgeTitle(decision, frame),
    detail: learnedText(decision, frame),
    kind: decision.verdict === 'drop' ? 'drop' : 'l2',
    reference: kernel('net/bridge/br_input.c', 'br_handle_frame_finish'),
  };
}

function bridgeTitle(decision: BridgeDecision, frame: Frame | undefined): string {
  const { bridge, verdict } = decision;
  const station = frame ? formatMac(frame.dst) : 'the destination';
  const broadcast = frame?.dst === BROADCAST_MAC;
  switch (verdict) {
    case 'forward':
      return `${bridge} forwards the frame to ${portsText(decision)}: the FDB knows ${station} there`;
    case 'flood':
      return broadcast
        ? `${bridge} floods the broadcast to ${portsText(decision)}`
        : `${bridge} floods the frame to ${portsText(decision)}: the FDB does not know ${station}`;
    case 'local':
      return `${bridge} passes the frame up to IP: ${station} is the bridge’s own MAC address`;
    case 'floodAndLocal':
      return broadcast
        ? `${bridge} floods the broadcast to ${portsText(decision)} and takes a copy itself`
        : `${bridge} floods the frame to ${portsText(decision)} and takes a copy itself: the FDB does not know ${station}`;
    case 'drop':
      return `${bridge} sends the frame nowhere: no port may have it`;
    default:
      return assertNever(verdict, 'bridge verdict');
  }
}

function portsText({ ports, omitted }: BridgeDecision): string {
  if (omitted > 0) return `${ports.length + omitted} ports (${ports.join(', ')} and ${omitted} more)`;
  if (ports.length === 0) return 'no other port';
  return ports.length === 1 ? `port ${ports[0]}` : `ports ${ports.join(', ')}`;
}

function learnedText({ learned, ingress, bridge }: BridgeDecision, frame: Frame | undefined): string {
  const source = frame ? formatMac(frame.src) : 'the source';
  const port = ingress ?? bridge;
  switch (learned) {
    case 'new':
      return `FDB learns: ${source} is behind ${port}`;
    case 'moved':
      return `FDB corrects itself: ${source} is behind ${port} now`;
    case 'known':
      return `FDB refreshed: ${source} is behind ${port}`;
    case undefined:
      return ingress === undefined ? `from ${bridge} itself` : `from ${ingress}, nothing learned`;
    default:
      return assertNever(learned, 'FDB change');
  }
}

function hookPassed(data: HookPassed, frame: Frame | undefined): Sentence {
  const devices = [data.inDevice === undefined ? '' : `in ${data.inDevice}`, data.outDevice === undefined ? '' : `out ${data.outDevice}`];
  const detail = [...devices, frame ? packetText(frame) : ''].filter((part) => part !== '').join(', ');
  return data.bridged
    ? {
        title:
          data.hook === 'PREROUTING'
            ? 'br_netfilter shows the frame to the hook PREROUTING before the bridge decides (bridge-nf-call-iptables is 1)'
            : `Passes the netfilter hook ${data.hook}, though only switched: bridge-nf-call-iptables is 1`,
        detail,
        kind: 'l2',
        reference: {
          ...kernel('net/bridge/br_netfilter_hooks.c', 'br_nf_pre_routing'),
          label: 'net/bridge/br_netfilter_hooks.c, Linux 6.12',
        },
      }
    : { title: `Passes the netfilter hook ${data.hook}`, detail, kind: 'l3', reference: kernel('net/netfilter/core.c', 'nf_hook_slow') };
}

function tracked(change: ConntrackChange): Sentence {
  const detail = change.entry ? conntrackText(change.entry) : '';
  const kind = 'conntrack';
  switch (change.action) {
    case 'new':
      return {
        title: 'conntrack: the first packet of a connection makes a new entry, unconfirmed until it has passed all hooks',
        detail,
        kind,
        reference: kernel('net/netfilter/nf_conntrack_core.c', 'nf_conntrack_in'),
      };
    case 'confirmed':
      return {
        title: 'conntrack: the packet has passed all hooks, its entry is confirmed and goes into the table',
        detail,
        kind,
        reference: kernel('net/netfilter/nf_conntrack_core.c', '__nf_conntrack_confirm'),
      };
    case 'updated':
      return {
        title: updatedTitle(change),
        detail,
        kind,
        reference: kernel('net/netfilter/nf_conntrack_core.c', 'nf_conntrack_in'),
      };
    case 'destroyed':
      return { title: 'conntrack: the entry has timed out or was deleted', detail, kind };
    case 'invalid':
      return {
        title: 'conntrack: INVALID, the packet belongs to no known connection and cannot begin one',
        detail,
        kind,
        reference: kernel('net/netfilter/nf_conntrack_core.c', 'nf_conntrack_in'),
      };
    default:
      return assertNever(change.action, 'conntrack action');
  }
}

function updatedTitle(change: ConntrackChange): string {
  const state = change.entry?.state === undefined ? '' : ` (TCP state ${change.entry.state})`;
  if (change.packetState === 'RELATED') return `conntrack: RELATED, the packet concerns a known connection${state}`;
  const whose = change.packetDirection === 'reply' ? 'a reply of a known connection' : 'another packet of a known connection';
  return `conntrack: ${change.packetState}, ${whose}${state}`;
}

function routed(decision: RouteDecision): Sentence {
  const { route } = decision;
  const reference = kernel('net/ipv4/fib_trie.c', 'fib_table_lookup');
  if (!route) {
    return {
      title: `No route to ${formatIp(decision.destination)}`,
      detail: 'no prefix matches, and there is no default route',
      kind: 'drop',
      reference,
    };
  }
  const refuses = route.type === 'blackhole' || route.type === 'unreachable' || route.type === 'prohibit';
  return { title: routeTitle(decision), detail: routeText(route), kind: refuses ? 'drop' : 'l3', reference };
}

function routeTitle({ destination, route, nextHop, input }: RouteDecision): string {
  if (!route) return `No route to ${formatIp(destination)}`;
  const to = formatIp(destination);
  const prefix = prefixText(route.destination);
  switch (route.type) {
    case 'local':
      return input
        ? `${to} is an address of this namespace: the packet stays here`
        : `${to} is an address of this namespace: sent through lo`;
    case 'broadcast':
      return `${to} is a broadcast address of ${route.device ?? 'this link'}`;
    case 'blackhole':
      return `The route for ${prefix} is a blackhole`;
    case 'unreachable':
      return `The route for ${prefix} says: host unreachable`;
    case 'prohibit':
      return `The route for ${prefix} prohibits it`;
    case 'unicast':
      return unicastTitle(to, route.destination.length, prefix, route.via ?? nextHop, route.via !== undefined, route.device, input);
    default:
      return assertNever(route.type, 'route type');
  }
}

function unicastTitle(
  to: string,
  length: number,
  prefix: string,
  hop: IpAddress | undefined,
  hasGateway: boolean,
  device: string | undefined,
  input: boolean,
): string {
  const verb = input ? 'Routed' : 'Sent';
  const by = device ?? 'a device';
  if (!hasGateway || hop === undefined) return `${verb} out of ${by} directly: ${to} is on this link`;
  if (length > 0) return `${verb} to the next hop ${formatIp(hop)}: the longest matching prefix is ${prefix}`;
  return input
    ? `Routed to the default gateway ${formatIp(hop)}: no longer prefix matches ${to}`
    : `Sent to the default gateway ${formatIp(hop)}, since ${to} is not on this link`;
}

function neighbourChanged({ action, entry }: NeighbourChange): Sentence {
  const detail = `${formatIp(entry.address)} dev ${entry.device}${entry.mac === undefined ? '' : ` lladdr ${formatMac(entry.mac)}`} ${entry.state}`;
  const kind: SentenceKind = entry.state === 'FAILED' ? 'drop' : 'l2';
  const reference = kernel('net/core/neighbour.c', entry.state === 'INCOMPLETE' ? '__neigh_event_send' : 'neigh_update');
  const who = formatIp(entry.address);
  if (action === 'removed') return { title: `The neighbour entry of ${who} is removed`, detail, kind: 'l2' };
  switch (entry.state) {
    case 'INCOMPLETE':
      return { title: `The MAC address of ${who} is not known: ARP has to ask for it`, detail, kind, reference };
    case 'REACHABLE':
      return { title: `The neighbour ${who} is reachable: its MAC address is confirmed`, detail, kind, reference };
    case 'STALE':
      return {
        title:
          action === 'created'
            ? `Learned the MAC address of ${who} from its own packet: STALE, usable but not confirmed`
            : `The neighbour entry of ${who} is STALE: usable, to be confirmed at the next use`,
        detail,
        kind,
        reference,
      };
    case 'DELAY':
      return {
        title: `The neighbour entry of ${who} was STALE and is used: DELAY, it waits for a sign of life before it asks`,
        detail,
        kind,
        reference: kernel('net/core/neighbour.c', '__neigh_event_send'),
      };
    case 'PROBE':
      return {
        title: `No sign of life from ${who}: PROBE, ARP asks it directly`,
        detail,
        kind,
        reference: kernel('net/core/neighbour.c', 'neigh_timer_handler'),
      };
    case 'FAILED':
      return {
        title: `No answer to ARP from ${who}: the neighbour entry is FAILED`,
        detail,
        kind,
        reference: kernel('net/core/neighbour.c', 'neigh_timer_handler'),
      };
    case 'PERMANENT':
      return { title: `The MAC address of ${who} is set by hand and never expires`, detail, kind };
    default:
      return assertNever(entry.state, 'neighbour state');
  }
}

function delivered(event: EventOf<'deliver'>): string {
  const name = event.frame ? packetName(event.frame) : 'Packet';
  return event.data.process === undefined
    ? `${name} delivered to ${event.data.to}`
    : `${name} delivered to ${event.data.process} at ${event.data.to}`;
}

function dropped(event: EventOf<'drop'>): Sentence {
  const reason = REASONS[event.data.reason];
  const detail = event.data.detail === undefined ? reason.condition : `${event.data.detail}. ${reason.condition}`;
  const base = { title: `Dropped: ${reason.title}`, detail, kind: 'drop' } as const;
  return reason.reference ? { ...base, reference: reason.reference } : base;
}

function socketChanged(view: SocketView): Sentence {
  const local = `${formatIp(view.localAddress)}:${view.localPort}`;
  const remote = view.remoteAddress === undefined ? undefined : `${formatIp(view.remoteAddress)}:${view.remotePort}`;
  const detail = `${view.protocol} ${view.state} ${local}${remote === undefined ? '' : ` ${remote}`}`;
  return { title: socketTitle(view, local, remote), detail, kind: 'process', reference: socketReference(view) };
}

const socketReference = (view: SocketView): Reference =>
  view.protocol === 'tcp' ? rfc(9293, '3.3.2') : view.protocol === 'udp' ? rfc(768) : kernel('net/ipv4/ping.c', 'ping_rcv');

function socketTitle(view: SocketView, local: string, remote: string | undefined): string {
  const { process } = view;
  const peer = remote ?? 'its peer';
  switch (view.state) {
    case 'LISTEN':
      return `${process} listens on ${local}`;
    case 'UNCONN':
      return `${process} opens a ${view.protocol} socket at ${local}`;
    case 'SYN-SENT':
      return `${process} connects to ${peer}: SYN-SENT, it waits for the SYN-ACK`;
    case 'SYN-RECV':
      return `A connection request for ${process} from ${peer}: SYN-RECV, the kernel answers with SYN-ACK`;
    case 'ESTAB':
      return view.protocol === 'tcp' ? `The connection of ${process} with ${peer} is established` : `${process} is connected to ${peer}`;
    case 'FIN-WAIT-1':
      return `${process} closes first: FIN-WAIT-1, it waits for its FIN to be acknowledged`;
    case 'FIN-WAIT-2':
      return `The FIN of ${process} is acknowledged: FIN-WAIT-2, it waits for the FIN of ${peer}`;
    case 'CLOSE-WAIT':
      return `${peer} has closed: CLOSE-WAIT, ${process} may still send and has to close as well`;
    case 'CLOSING':
      return `Both sides closed at once: CLOSING, ${process} waits for its FIN to be acknowledged`;
    case 'LAST-ACK':
      return `${process} closes too: LAST-ACK, it waits for the last acknowledgement`;
    case 'TIME-WAIT':
      return `The connection with ${peer} is over: TIME-WAIT keeps its ports for a minute, for late segments`;
    case 'CLOSED':
      return `The socket of ${process} at ${local} is closed`;
    default:
      return assertNever(view.state, 'socket state');
  }
}

/** What the client saw, and what ended it: the last loss, its place and its reason. */
export function outcomeText({ detail, lost }: FlowOutcome): string {
  if (!lost) return detail;
  return `${detail} Last lost in ${lost.netns}${lost.device === undefined ? '' : ` at ${lost.device}`}: ${REASONS[lost.reason].title}.`;
}

function flowEnded(outcome: FlowOutcome): Sentence {
  const good = outcome.kind === 'connected' || outcome.kind === 'http';
  return {
    title: outcomeText(outcome),
    detail: outcome.endpoint === undefined ? outcome.kind : `${outcome.kind}, served by ${outcome.endpoint}`,
    kind: good ? 'reply' : 'drop',
  };
}
