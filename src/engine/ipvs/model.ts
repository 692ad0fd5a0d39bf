import type { IpAddress } from '../../protocol/address.ts';

/*
 * Virtual servers as data: what `ipvsadm -R` is told and `ipvsadm -Sn` prints. kube-proxy writes them,
 * `text.ts` reads and prints them, `virtual-servers.ts` balances by them.
 */

export type IpvsProtocol = 'tcp' | 'udp' | 'sctp';
export const SCHEDULERS = ['rr', 'wrr', 'lc', 'wlc', 'lblc', 'lblcr', 'dh', 'sh', 'sed', 'nq', 'mh'] as const;
export type SchedulerName = (typeof SCHEDULERS)[number];

/** What a virtual server is known by. */
export interface VirtualServerKey {
  readonly protocol: IpvsProtocol;
  readonly address: IpAddress;
  readonly port: number;
}

export interface VirtualServer extends VirtualServerKey {
  readonly scheduler: SchedulerName;
  /** `-b`: flag-1, flag-2, flag-3 of the scheduler (sh-fallback, sh-port, mh-fallback, mh-port). */
  readonly schedulerFlags: readonly (1 | 2 | 3)[];
  /** `-p`: how long a client stays with its server, in seconds. */
  readonly persistenceSeconds: number | undefined;
  /** `-o`: one packet is one connection; UDP only. */
  readonly onePacket: boolean;
  /** In the order in which they were added. */
  readonly realServers: readonly RealServer[];
}

export interface RealServer {
  readonly address: IpAddress;
  readonly port: number;
  /** kube-proxy uses masquerading (`-m`) only. */
  readonly forwarding: 'masq' | 'route' | 'tunnel';
  /** 0: no new connections. */
  readonly weight: number;
}

/** `ipvsadm --set`, in seconds; 0 leaves a value as it is. */
export interface IpvsTimeouts {
  readonly tcp: number;
  readonly tcpFin: number;
  readonly udp: number;
}

/** One change, as kube-proxy asks the kernel for it by netlink. */
export type IpvsCommand =
  | { readonly type: 'addServer' | 'editServer'; readonly server: Omit<VirtualServer, 'realServers'> }
  | { readonly type: 'deleteServer'; readonly server: VirtualServerKey }
  | { readonly type: 'addRealServer' | 'editRealServer'; readonly server: VirtualServerKey; readonly real: RealServer }
  | { readonly type: 'deleteRealServer'; readonly server: VirtualServerKey; readonly address: IpAddress; readonly port: number }
  | { readonly type: 'setTimeouts'; readonly timeouts: IpvsTimeouts };
