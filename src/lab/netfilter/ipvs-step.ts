import { formatIp } from '../../protocol/address.ts';
import type { ConntrackTuple, IpvsStep } from '../../protocol/event.ts';

/** What IPVS did in one line, as labels show it: `IPVS DNAT 10.96.0.20:80 -> 10.244.2.7:8080`. */
export function ipvsLabel({ verdict, virtual, real }: IpvsStep): string {
  const at = (end: typeof virtual | typeof real): string => (end ? `${formatIp(end.address)}:${end.port}` : '?');
  switch (verdict) {
    case 'toServer':
      return `IPVS DNAT ${at(virtual)} -> ${at(real)}`;
    case 'toClient':
      return `IPVS un-DNAT ${at(real)} -> ${at(virtual)}`;
    case 'refused':
      return `IPVS has no server for ${at(virtual)}`;
    case 'dropped':
      return 'IPVS drops it';
    case 'expired':
      return '';
  }
}

/** The addressing before and after, of a step that changed it. */
export function ipvsRewrite({ before, after }: IpvsStep): { readonly before: ConntrackTuple; readonly after: ConntrackTuple } | undefined {
  return before && after ? { before, after } : undefined;
}
