import type { LabEvent, ProxyMode } from '../../protocol/event.ts';
import { modeName } from '../shell/mode-name.ts';
import { costOf, costText, eventsOf, type PacketCost, type Which } from './packets.ts';

interface CostTableProps {
  readonly runs: readonly { readonly mode: ProxyMode; readonly events: readonly LabEvent[] }[];
}

const PACKETS: readonly (readonly [Which, string])[] = [
  ['first', 'First packet'],
  ['later', 'Later packets, each'],
  ['reply', 'Reply, each'],
];

/** What each packet of the connection costs, over all nodes that it crosses: the table is the chart. */
export function CostTable({ runs }: CostTableProps) {
  const costs = runs.map((run) => ({ mode: run.mode, packets: PACKETS.map(([which]) => costOfPacket(run.events, which)) }));
  const top = Math.max(1, ...costs.flatMap(({ packets }) => packets.map((cost) => cost?.rules ?? 0)));
  return (
    <table className="packet-costs" data-testid="compare-costs">
      <caption>What Linux evaluates for each packet, on all nodes of its way</caption>
      <thead>
        <tr>
          <th scope="col">Mode</th>
          {PACKETS.map(([which, label]) => (
            <th key={which} scope="col">
              {label}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {costs.map(({ mode, packets }) => (
          <tr key={mode}>
            <th scope="row">{modeName(mode)}</th>
            {packets.map((cost, i) => (
              <td key={PACKETS[i]?.[0]}>{cost ? <Cost cost={cost} top={top} /> : 'there is none'}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function costOfPacket(events: readonly LabEvent[], which: Which): PacketCost | undefined {
  const packet = eventsOf(events, which);
  return packet.length === 0 ? undefined : costOf(packet);
}

function Cost({ cost, top }: { readonly cost: PacketCost; readonly top: number }) {
  return (
    <>
      {costText(cost)}
      <span className="packet-cost-bar" aria-hidden="true">
        <i style={{ width: `${(cost.rules / top) * 100}%` }} />
      </span>
    </>
  );
}
