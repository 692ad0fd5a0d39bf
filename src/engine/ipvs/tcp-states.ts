import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../../protocol/packet.ts';

/** States of a TCP entry, named as `ipvsadm -Lnc` prints them (net/netfilter/ipvs/ip_vs_proto_tcp.c, tcp_state_name_table). */
export type IpvsTcpState =
  | 'NONE'
  | 'ESTABLISHED'
  | 'SYN_SENT'
  | 'SYN_RECV'
  | 'FIN_WAIT'
  | 'TIME_WAIT'
  | 'CLOSE'
  | 'CLOSE_WAIT'
  | 'LAST_ACK'
  | 'LISTEN'
  | 'SYNACK';

const ORDER: readonly IpvsTcpState[] = [
  'NONE',
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'SYNACK',
];

const NAMES: Readonly<Record<string, IpvsTcpState>> = {
  sNO: 'NONE',
  sES: 'ESTABLISHED',
  sSS: 'SYN_SENT',
  sSR: 'SYN_RECV',
  sFW: 'FIN_WAIT',
  sTW: 'TIME_WAIT',
  sCL: 'CLOSE',
  sCW: 'CLOSE_WAIT',
  sLA: 'LAST_ACK',
  sLI: 'LISTEN',
  sSA: 'SYNACK',
};

type Row = Readonly<Record<IpvsTcpState, IpvsTcpState>>;
const row = (text: string): Row =>
  Object.fromEntries(text.split(' ').map((name, i) => [ORDER[i] as IpvsTcpState, NAMES[name] as IpvsTcpState])) as unknown as Row;

/** tcp_states, without the rows for forwarding methods whose answers pass by another way; the columns are in the order above. */
const TABLE: Readonly<Record<'toServer' | 'toClient', Readonly<Record<'syn' | 'fin' | 'ack' | 'rst', Row>>>> = {
  toServer: {
    syn: row('sSR sES sES sSR sSR sSR sSR sSR sSR sSR sSR'),
    fin: row('sCL sCW sSS sTW sTW sTW sCL sCW sLA sLI sTW'),
    ack: row('sES sES sSS sES sFW sTW sCL sCW sCL sLI sES'),
    rst: row('sCL sCL sCL sSR sCL sCL sCL sCL sLA sLI sSR'),
  },
  toClient: {
    syn: row('sSS sES sSS sSR sSS sSS sSS sSS sSS sLI sSR'),
    fin: row('sTW sFW sSS sTW sFW sTW sCL sTW sLA sLI sTW'),
    ack: row('sES sES sSS sES sFW sTW sCL sCW sLA sES sES'),
    rst: row('sCL sCL sSS sCL sCL sTW sCL sCL sCL sCL sCL'),
  },
};

export function nextIpvsTcpState(state: IpvsTcpState, direction: 'toServer' | 'toClient', flags: number): IpvsTcpState {
  const rows = TABLE[direction];
  if (flags & TCP_RST) return rows.rst[state];
  if (flags & TCP_SYN) return rows.syn[state];
  if (flags & TCP_FIN) return rows.fin[state];
  return flags & TCP_ACK ? rows.ack[state] : 'CLOSE';
}

/** Counts among the active connections of its server (tcp_state_active_table). */
export const isActive = (state: IpvsTcpState): boolean =>
  state === 'ESTABLISHED' || state === 'SYN_SENT' || state === 'SYN_RECV' || state === 'SYNACK';

/** How long an entry lives in each state unless refreshed, in seconds (tcp_timeouts); `ipvsadm --set` changes two of them. */
export const TCP_TIMEOUT_SECONDS: Readonly<Record<IpvsTcpState, number>> = {
  NONE: 2,
  ESTABLISHED: 900,
  SYN_SENT: 120,
  SYN_RECV: 60,
  FIN_WAIT: 120,
  TIME_WAIT: 120,
  CLOSE: 10,
  CLOSE_WAIT: 60,
  LAST_ACK: 30,
  LISTEN: 120,
  SYNACK: 120,
};
