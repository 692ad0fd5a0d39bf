import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../../protocol/packet.ts';

/** States of a tracked TCP connection, named as `conntrack -L` prints them (net/netfilter/nf_conntrack_proto_tcp.c, Linux 6.12). */
export type TcpConntrackState =
  | 'NONE'
  | 'SYN_SENT'
  | 'SYN_RECV'
  | 'ESTABLISHED'
  | 'FIN_WAIT'
  | 'CLOSE_WAIT'
  | 'LAST_ACK'
  | 'TIME_WAIT'
  | 'CLOSE'
  | 'SYN_SENT2';

const ORDER: readonly TcpConntrackState[] = [
  'NONE',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT',
  'CLOSE_WAIT',
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSE',
  'SYN_SENT2',
];

const NAMES = {
  sNO: 'NONE',
  sSS: 'SYN_SENT',
  sSR: 'SYN_RECV',
  sES: 'ESTABLISHED',
  sFW: 'FIN_WAIT',
  sCW: 'CLOSE_WAIT',
  sLA: 'LAST_ACK',
  sTW: 'TIME_WAIT',
  sCL: 'CLOSE',
  sS2: 'SYN_SENT2',
  sIV: 'invalid',
  sIG: 'ignore',
} as const;

type Row = readonly (TcpConntrackState | 'invalid' | 'ignore')[];
const row = (text: string): Row => text.split(' ').map((name) => NAMES[name as keyof typeof NAMES]);

const INDEX = Object.fromEntries(ORDER.map((state, i) => [state, i])) as Readonly<Record<TcpConntrackState, number>>;

/** The kernel's tcp_conntracks table: by direction and kind of segment, the next state for each present state in the order above. */
const TABLE: Readonly<Record<'original' | 'reply', Readonly<Record<'syn' | 'synack' | 'fin' | 'ack' | 'rst' | 'none', Row>>>> = {
  original: {
    syn: row('sSS sSS sIG sIG sIG sIG sIG sSS sSS sS2'),
    synack: row('sIV sIV sSR sIV sIV sIV sIV sIV sIV sSR'),
    fin: row('sIV sIV sFW sFW sLA sLA sLA sTW sCL sIV'),
    ack: row('sES sIV sES sES sCW sCW sTW sTW sCL sIV'),
    rst: row('sIV sCL sCL sCL sCL sCL sCL sCL sCL sCL'),
    none: row('sIV sIV sIV sIV sIV sIV sIV sIV sIV sIV'),
  },
  reply: {
    syn: row('sIV sS2 sIV sIV sIV sIV sIV sSS sIV sS2'),
    synack: row('sIV sSR sIG sIG sIG sIG sIG sIG sIG sSR'),
    fin: row('sIV sIV sFW sFW sLA sLA sLA sTW sCL sIV'),
    ack: row('sIV sIG sSR sES sCW sCW sTW sTW sCL sIG'),
    rst: row('sIV sCL sCL sCL sCL sCL sCL sCL sCL sCL'),
    none: row('sIV sIV sIV sIV sIV sIV sIV sIV sIV sIV'),
  },
};

/** The rows of the table by direction and flags octet, so that a packet costs two look-ups. */
const ROW_BY_FLAGS: Readonly<Record<'original' | 'reply', readonly Row[]>> = {
  original: Array.from({ length: 64 }, (_, flags) => TABLE.original[kindOf(flags)]),
  reply: Array.from({ length: 64 }, (_, flags) => TABLE.reply[kindOf(flags)]),
};

function kindOf(flags: number): 'syn' | 'synack' | 'fin' | 'ack' | 'rst' | 'none' {
  if (flags & TCP_RST) return 'rst';
  if (flags & TCP_SYN) return flags & TCP_ACK ? 'synack' : 'syn';
  if (flags & TCP_FIN) return 'fin';
  return flags & TCP_ACK ? 'ack' : 'none';
}

export function nextTcpState(
  state: TcpConntrackState,
  direction: 'original' | 'reply',
  flags: number,
): TcpConntrackState | 'invalid' | 'ignore' {
  return ROW_BY_FLAGS[direction][flags & 63]?.[INDEX[state]] ?? 'invalid';
}

const SECOND = 1_000_000_000;

/** How long an entry lives in each state unless refreshed (tcp_timeouts). */
export const TCP_TIMEOUT_NS: Readonly<Record<TcpConntrackState, number>> = {
  NONE: 0,
  SYN_SENT: 120 * SECOND,
  SYN_RECV: 60 * SECOND,
  ESTABLISHED: 432_000 * SECOND,
  FIN_WAIT: 120 * SECOND,
  CLOSE_WAIT: 60 * SECOND,
  LAST_ACK: 30 * SECOND,
  TIME_WAIT: 120 * SECOND,
  CLOSE: 10 * SECOND,
  SYN_SENT2: 120 * SECOND,
};
