import type { IpAddress } from '../../protocol/address.ts';
import type { Destination } from './destination.ts';

/** The first packet of a connection, as schedulers look at it. */
export interface FirstPacket {
  readonly source: IpAddress;
  readonly sourcePort: number;
  readonly nowNs: number;
}

/**
 * One virtual server's way to choose (Linux: struct ip_vs_scheduler with its sched_data). The list of
 * destinations is the kernel's: the newest first. No scheduler ever gives one with weight 0.
 */
export interface Scheduler {
  choose(packet: FirstPacket): Destination | undefined;
  /** A destination was added or its weight set, or one has left the list; `previous` stood before it there. */
  changed(change: 'added' | 'weight' | { readonly removed: Destination; readonly previous: Destination | undefined }): void;
}
