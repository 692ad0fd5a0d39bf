import type { Node, NodeProps } from '@xyflow/react';
import { memo } from 'react';
import { formatCidr, formatIp } from '../../protocol/address.ts';
import { useTables } from '../lab-context.tsx';
import { BridgeBody, ConntrackBody, FleetBody, UplinkBody } from './live-bodies.tsx';
import type { SceneBox } from './scene.ts';

export interface BoxData extends Record<string, unknown> {
  readonly box: SceneBox;
  /** On the path of the traffic that is watched; undefined while nothing is. */
  readonly onPath: boolean | undefined;
}
export type BoxNode = Node<BoxData, 'box'>;

/** What a send can start from or end at, as the engine names it; undefined for what can do neither. */
export function refOf(box: SceneBox): string | undefined {
  if (box.kind === 'pod' || box.kind === 'node') return box.netns;
  return box.kind === 'external' && box.external.role === 'client' ? 'external' : undefined;
}

export const Box = memo(function Box({ data: { box, onPath } }: NodeProps<BoxNode>) {
  const tone = onPath === undefined ? '' : onPath ? ' is-on-path' : ' is-quiet';
  const endpoint = refOf(box);
  const external = box.kind === 'external' ? ` box-${box.external.role}` : '';
  const device = box.kind === 'device' ? ` box-${box.role}` : '';
  const local = box.kind === 'hook' && (box.hook === 'INPUT' || box.hook === 'OUTPUT') ? ' box-hook-local' : '';
  return (
    <div className={`box box-${box.kind}${external}${device}${local}${tone}`} data-endpoint={box.kind === 'node' ? undefined : endpoint}>
      <Body box={box} />
    </div>
  );
});

function Body({ box }: { readonly box: SceneBox }) {
  switch (box.kind) {
    case 'node':
      return <NodeBody box={box} />;
    case 'pod':
      return <PodBody box={box} />;
    case 'morePods':
      return (
        <>
          <PodGrid count={box.count} />
          <span>{box.count} more pods</span>
        </>
      );
    case 'device':
      return box.role === 'veth' ? <span className="mono">{box.device}</span> : <UplinkBody netns={box.netns} device={box.device} address={box.address} />;
    case 'bridge':
      return <BridgeBody netns={box.netns} device={box.device} />;
    case 'hook':
      return <span>{box.hook}</span>;
    case 'process':
      return <span>{box.pods.length === 0 ? 'processes' : box.pods.length === 1 ? box.pods[0]?.name : `${box.pods.length} host pods`}</span>;
    case 'conntrack':
      return <ConntrackBody netns={box.netns} />;
    case 'external':
      return <ExternalBody box={box} />;
    case 'fleet':
      return <FleetBody nodes={box.nodes} pods={box.pods} />;
  }
}

function NodeBody({ box }: { readonly box: Extract<SceneBox, { kind: 'node' }> }) {
  const { node, root } = box;
  return (
    <>
      <div className="node-head" data-endpoint={node.netns}>
        <strong>{node.name}</strong>
        {node.controlPlane && <span className="node-role">control plane</span>}
        {node.podCidr && <span className="node-cidr mono">pods {formatCidr(node.podCidr)}</span>}
      </div>
      <div className="node-root" style={{ left: root.x - box.x - 1, top: root.y - box.y - 1, width: root.width, height: root.height }}>
        <span>root network namespace</span>
      </div>
    </>
  );
}

function PodBody({ box }: { readonly box: Extract<SceneBox, { kind: 'pod' }> }) {
  const { pod, containers } = box;
  const shown = containers.length > 2 ? containers.slice(0, 1) : containers;
  const broken = containers.find((c) => c.problem !== undefined);
  return (
    <>
      <div className="pod-head">
        <PodName name={pod.name} />
        <span className="pod-lo mono" title="lo 127.0.0.1">
          lo
        </span>
      </div>
      <div className="pod-containers">
        {shown.map((c) => (
          <span key={c.name} className={c.problem === undefined ? '' : 'is-broken'} title={c.problem ?? c.image}>
            {c.name}
          </span>
        ))}
        {shown.length < containers.length && <span title={containers.map((c) => c.name).join(', ')}>+{containers.length - shown.length}</span>}
      </div>
      <PodAddress netns={pod.netns} fallback={formatIp(pod.ip)} />
      <span className="pod-eth0 mono">eth0</span>
      {broken && <span className="visually-hidden">{broken.problem}</span>}
    </>
  );
}

/** The end of a pod's name tells it from its siblings, so a long name loses its middle. */
function PodName({ name }: { readonly name: string }) {
  if (name.length <= 15) return <strong title={name}>{name}</strong>;
  return (
    <strong title={name} className="pod-name-long">
      <span>{name.slice(0, -6)}</span>
      <span>{name.slice(-6)}</span>
    </strong>
  );
}

function PodAddress({ netns, fallback }: { readonly netns: string; readonly fallback: string }) {
  const device = useTables(netns)?.devices.get('eth0');
  const address = device?.addresses[0];
  return (
    <div className="pod-address mono">
      {address ? formatCidr(address) : fallback}
      {device && !device.up && <em> down</em>}
    </div>
  );
}

function PodGrid({ count }: { readonly count: number }) {
  return (
    <svg className="pod-grid" viewBox="0 0 116 44" aria-hidden="true">
      {Array.from({ length: Math.min(count, 40) }, (_, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the squares are all alike and never move
        <rect key={i} x={(i % 10) * 12} y={Math.floor(i / 10) * 12} width="8" height="8" rx="2" />
      ))}
    </svg>
  );
}

function ExternalBody({ box }: { readonly box: Extract<SceneBox, { kind: 'external' }> }) {
  const { external } = box;
  const what = { underlay: 'switch', router: 'router', client: 'outside client' }[external.role];
  return (
    <>
      <strong>{external.role === 'client' ? 'client' : external.name}</strong>
      <span className="external-what">{what}</span>
      {external.ip !== undefined && <span className="mono">{formatIp(external.ip)}</span>}
    </>
  );
}
