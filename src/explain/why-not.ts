import { cidrContains, type IpAddress, parseCidr, parseIp } from '../protocol/address.ts';
import { probabilityText } from './probability.ts';

/** What of a packet the simplest matches look at. */
export interface MatchedPacket {
  readonly src: IpAddress;
  readonly dst: IpAddress;
  /** `tcp`, `udp`, `icmp`, ... */
  readonly protocol: string;
  readonly srcPort: number | undefined;
  readonly dstPort: number | undefined;
  readonly inDevice: string | undefined;
  readonly outDevice: string | undefined;
}

/**
 * Why a rule of iptables did not match a packet, in two or three words, from the rule's text. Only of matches
 * that the packet itself answers; empty where it is anything else, for what is not certain is not said.
 */
export function whyNoMatch(text: string, packet: MatchedPacket): string {
  const words = text.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? [];
  let others = false;
  let draw = '';
  for (let i = 0; i < words.length; i++) {
    const inverted = words[i] === '!';
    if (inverted) i++;
    const option = words[i] as string;
    const value = words[i + 1] ?? '';
    if (option === '-j' || option === '-g') break;
    const matches = matchOf(option, value, packet);
    if (matches !== undefined) {
      i++;
      if (matches.holds === inverted) return inverted ? `${matches.what} is excepted` : `${matches.what} differs`;
    } else if (option === '--probability') {
      draw = `drawn: a chance of ${probabilityText(Number(value))}, and it did not come out`;
      i++;
    } else if (option === '-A' || option === '--comment' || option === '--mode') i++;
    else if (option === '-m') {
      if (!QUIET.has(value)) others = true;
      i++;
    } else others = true;
  }
  return others ? '' : draw;
}

/** Extensions that match by themselves, or whose options are looked at here. */
const QUIET: ReadonlySet<string> = new Set(['comment', 'statistic', 'tcp', 'udp', 'sctp']);

function matchOf(option: string, value: string, packet: MatchedPacket): { readonly what: string; readonly holds: boolean } | undefined {
  switch (option) {
    case '-s':
      return { what: 'source', holds: contains(value, packet.src) };
    case '-d':
      return { what: 'destination', holds: contains(value, packet.dst) };
    case '-p':
      return { what: 'protocol', holds: value === packet.protocol };
    case '--sport':
      return { what: 'source port', holds: portIn(value, packet.srcPort) };
    case '--dport':
      return { what: 'destination port', holds: portIn(value, packet.dstPort) };
    case '-i':
      return { what: 'incoming device', holds: deviceIs(value, packet.inDevice) };
    case '-o':
      return { what: 'outgoing device', holds: deviceIs(value, packet.outDevice) };
    default:
      return undefined;
  }
}

function contains(value: string, address: IpAddress): boolean {
  const prefix = parseCidr(value);
  return prefix ? cidrContains(prefix, address) : parseIp(value) === address;
}

function portIn(value: string, port: number | undefined): boolean {
  if (port === undefined) return false;
  const [first = 0, last = first] = value.split(':').map(Number);
  return port >= first && port <= last;
}

const deviceIs = (value: string, device: string | undefined): boolean =>
  value.endsWith('+') ? (device ?? '').startsWith(value.slice(0, -1)) : device === value;
