import type { ProxyMode } from '../../protocol/event.ts';
import { modeName } from '../shell/mode-name.ts';
import { ModeNote } from './ModeNote.tsx';

/** What users meet when they change the mode; each row is what really happens, by mode. */
const ROWS: readonly (readonly [what: string, by: Readonly<Record<ProxyMode, string>>])[] = [
  [
    'A Service without endpoints',
    {
      iptables: 'Rejected by a rule: the client is refused at once',
      nftables: 'Rejected by a rule: the client is refused at once',
      ipvs: 'ip_vs has no server and answers with ICMP port unreachable: refused',
    },
  ],
  [
    'A port that a ClusterIP does not have',
    {
      iptables: 'No rule matches: the packet passes on to wherever the routes lead',
      nftables: 'Rejected: cluster-ips-check refuses every port it does not know',
      ipvs: 'Rejected by KUBE-IPVS-FILTER, since the address is on kube-ipvs0',
    },
  ],
  [
    'A node port on 127.0.0.1',
    {
      iptables: 'Works while localhostNodePorts is on, by route_localnet',
      nftables: 'Refused: node ports on loopback are not handled',
      ipvs: 'Refused',
    },
  ],
  [
    'externalTrafficPolicy: Local, no endpoint on the node',
    {
      iptables: 'Dropped: the client waits until it times out',
      nftables: 'Dropped: the client waits until it times out',
      ipvs: 'Works, through the endpoints of the whole cluster',
    },
  ],
];

/** The differences that users meet, whether or not the connection above shows them. */
export function Differences({ modes }: { readonly modes: readonly ProxyMode[] }) {
  const shown: readonly ProxyMode[] = modes.includes('ipvs') ? modes : [...modes, 'ipvs'];
  return (
    <>
      <table className="differences" data-testid="compare-differences">
        <caption>What users meet when they change the mode</caption>
        <thead>
          <tr>
            <th scope="col">
              <span className="visually-hidden">Case</span>
            </th>
            {shown.map((mode) => (
              <th key={mode} scope="col">
                {modeName(mode)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {ROWS.map(([what, by]) => (
            <tr key={what}>
              <th scope="row">{what}</th>
              {shown.map((mode) => (
                <td key={mode}>{by[mode]}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      <ModeNote />
    </>
  );
}
