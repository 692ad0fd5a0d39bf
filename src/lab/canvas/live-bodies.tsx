import { useEffect, useRef } from 'react';
import { formatCidr } from '../../protocol/address.ts';
import { FDB_AGEING_NS } from '../../protocol/fold.ts';
import { useTables } from '../lab-context.tsx';
import { useLab } from '../lab-context.tsx';
import { useStore } from 'zustand';

/** Insides of boxes that show a table's size or a device's state at the playhead. */

/** Virtual time of the last event: what ageing is measured against. */
function useNow(): number {
  const lab = useLab();
  return useStore(lab.playhead, (s) => lab.stateAt(s.count).timeNs);
}

export function BridgeBody({ netns, device }: { readonly netns: string; readonly device: string }) {
  const tables = useTables(netns);
  const nowNs = useNow();
  const view = tables?.devices.get(device);
  const address = view?.addresses[0];
  const learned = [...(tables?.fdb.values() ?? [])].filter((f) => !f.local && f.bridge === device && nowNs - f.updatedNs < FDB_AGEING_NS).length;
  const neighbours = tables?.neighbours.size ?? 0;
  return (
    <>
      <strong className="mono">{device}</strong>
      {address && <span className="mono">{formatCidr(address)}</span>}
      {view && !view.up && <em>down</em>}
      <span className="bridge-counts">
        <span title={`${learned} addresses learned in the forwarding database`}>
          FDB <b>{learned}</b>
        </span>
        <span title={`${neighbours} entries in the neighbour table`}>
          neigh <b>{neighbours}</b>
        </span>
      </span>
    </>
  );
}

export function ConntrackBody({ netns }: { readonly netns: string }) {
  const tables = useTables(netns);
  const nowNs = useNow();
  const entries = [...(tables?.conntrack.values() ?? [])].filter((c) => c.expiresNs > nowNs).length;
  return (
    <span title={`${entries} connections tracked`}>
      conntrack <b>{entries}</b>
    </span>
  );
}

export function UplinkBody({ netns, device, address }: { readonly netns: string; readonly device: string; readonly address: string | undefined }) {
  const view = useTables(netns)?.devices.get(device);
  const own = view?.addresses[0];
  const state = view && (!view.up ? 'down' : !view.carrier ? 'no carrier' : undefined);
  return (
    <>
      <strong className="mono">{device}</strong>
      <span className="mono">{own ? formatCidr(own) : address}</span>
      {state && <em>{state}</em>}
    </>
  );
}

const SQUARE = 5;

/** All the nodes that are not drawn, one square each, as one small picture. */
export function FleetBody({ nodes, pods }: { readonly nodes: number; readonly pods: number }) {
  const ref = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const canvas = ref.current;
    const context = canvas?.getContext('2d');
    if (!canvas || !context) return;
    const columns = Math.floor(canvas.width / 2 / SQUARE);
    context.setTransform(2, 0, 0, 2, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = getComputedStyle(canvas).color;
    const size = columns * Math.floor(canvas.height / 2 / SQUARE);
    for (let i = 0; i < Math.min(nodes, size); i++) context.fillRect((i % columns) * SQUARE, Math.floor(i / columns) * SQUARE, SQUARE - 1.5, SQUARE - 1.5);
  }, [nodes]);
  return (
    <>
      <strong>{nodes.toLocaleString('en')} more nodes</strong>
      <span>{pods.toLocaleString('en')} pods</span>
      <canvas ref={ref} width={456} height={400} role="presentation" />
      <span>Search for one to draw it here</span>
    </>
  );
}
