import type { IpAddress } from '../../protocol/address.ts';
import type { RealServer } from './model.ts';

/** A real server of a virtual server, with what is under way to it (Linux: struct ip_vs_dest). */
export class Destination {
  readonly address: IpAddress;
  readonly port: number;
  readonly forwarding: RealServer['forwarding'];
  weight: number;
  /** The latest weight that was not 0, but for one that began so: mh keeps its table while a server only rests. */
  lastWeight: number;
  /** Entries of the connection table by kind: `ActiveConn` and `InActConn` of `ipvsadm -Ln`, and templates. */
  active = 0;
  inactive = 0;
  persistent = 0;
  /** IP_VS_DEST_F_AVAILABLE: it is in its virtual server's list. */
  available = true;
  removedNs = 0;

  constructor({ address, port, forwarding, weight }: RealServer) {
    this.address = address;
    this.port = port;
    this.forwarding = forwarding;
    this.weight = weight;
    this.lastWeight = weight;
  }

  setWeight(weight: number): void {
    if (weight !== 0) this.lastWeight = weight;
    this.weight = weight;
  }
}
