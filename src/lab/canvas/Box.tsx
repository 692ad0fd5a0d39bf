import type { Node, NodeProps } from '@xyflow/react';
import { memo } from 'react';
import { formatCidr, formatIp } from '../../protocol/address.ts';
import { modeName } from '../shell/mode-name.ts';
import { proxyModeAt, useLab } from '../stores/lab-store.ts';
import type { Cable, SceneBox } from './scene.ts';
import { useWatched } from './watched.ts';

export type BoxNode = Node<{ readonly box: SceneBox }, 'box'>;
export type CablesNode = Node<{ readonly cables: readonly Cable[] }, 'cables'>;

/** What a send can start from, as the engine names it; undefined for what cannot send. */
export function refOf(box: SceneBox): string | undefined {
  if (box.kind === 'pod' || box.kind === 'node') return box.netns;
  return box.kind === 'external' && box.external.role === 'client' ? 'external' : undefined;
}

const touchedId = (box: SceneBox): string => (box.kind === 'process' ? `${box.netns}#process` : box.id);

export const Box = memo(function Box({ data: { box } }: NodeProps<BoxNode>) {
  const touched = useWatched((s) => s.touched.has(touchedId(box)));
  const ref = refOf(box);
  const className = `box box-${box.kind}${touched ? ' box-touched' : ''}`;
  if (box.kind === 'node') {
    const { root } = box;
    return (
      <div className={className} data-netns={box.netns}>
        <div className="box-header nopan" data-ref={ref} data-netns={box.netns} title={box.label}>
          <strong>{box.node.name}</strong>
          <span className="box-mono">{box.node.podCidr ? `podCIDR ${formatCidr(box.node.podCidr)}` : formatIp(box.node.ip)}</span>
        </div>
        <div className="box-root" style={{ left: root.x - box.x, top: root.y - box.y, width: root.width, height: root.height }} />
      </div>
    );
  }
  const target = ref === undefined ? {} : { 'data-ref': ref, 'data-netns': box.netns };
  return (
    <div className={`${className}${ref === undefined ? '' : ' nopan'}`} {...target} title={box.label}>
      <Inside box={box} />
    </div>
  );
});

/** A name too long for its box loses its middle: the workload and the random end tell pods apart. */
function PodName({ name }: { readonly name: string }) {
  const cut = name.lastIndexOf('-');
  if (cut < 1 || name.length < 16) return <div className="pod-name">{name}</div>;
  return (
    <div className="pod-name pod-name-long">
      <span>{name.slice(0, cut)}</span>
      <span>{name.slice(cut)}</span>
    </div>
  );
}

function Inside({ box }: { readonly box: SceneBox }) {
  switch (box.kind) {
    case 'pod':
      return (
        <>
          <PodName name={box.pod.name} />
          <div className="pod-containers">
            {box.containers.map((c) => (
              <span key={c.name} className={c.problem === undefined ? '' : 'pod-problem'} title={c.problem ?? c.image}>
                {c.name}
              </span>
            ))}
          </div>
          <div className="pod-ip">{formatIp(box.pod.ip)}</div>
          <div className="pod-device">eth0</div>
        </>
      );
    case 'morePods':
      return <span>{box.count} more pods</span>;
    case 'device':
      return (
        <>
          <span className="box-mono">{box.device}</span>
          {box.address !== undefined && <span className="box-mono box-muted">{box.address}</span>}
        </>
      );
    case 'bridge':
      return (
        <>
          <strong className="box-mono">{box.device}</strong>
          <span className="box-muted">bridge</span>
          {box.address !== undefined && <span className="box-mono box-muted">{box.address}</span>}
        </>
      );
    case 'hook':
      return <span>{box.hook === 'routing' ? 'route' : box.hook}</span>;
    case 'process':
      return <span>{box.pods.length > 0 ? box.pods.map((p) => p.name).join(', ') : 'processes'}</span>;
    case 'conntrack':
      return <span>conntrack</span>;
    case 'rules':
      return <Mode netns={box.netns} />;
    case 'external':
      return (
        <>
          <strong>{box.external.name}</strong>
          <span className="box-mono box-muted">
            {box.external.role === 'underlay' ? 'switch' : box.external.ip === undefined ? box.external.role : formatIp(box.external.ip)}
          </span>
        </>
      );
    case 'fleet':
      return (
        <>
          <strong>{box.nodes} more nodes</strong>
          <span className="box-muted">{box.pods} pods</span>
        </>
      );
    default:
      return null;
  }
}

/** Which kube-proxy's rules these are, as at the playhead. */
function Mode({ netns }: { readonly netns: string }) {
  const mode = useLab((s) => proxyModeAt(s, netns));
  return <span data-testid="proxy-mode-at">{mode && modeName(mode)}</span>;
}

export const Cables = memo(function Cables({ data: { cables } }: NodeProps<CablesNode>) {
  const ways = useWatched((s) => s.ways);
  return (
    <svg className="cables" aria-hidden="true">
      {cables.map((cable) => (
        <polyline key={cable.id} className={`cable-${cable.kind}`} points={cable.points.map((p) => `${p.x},${p.y}`).join(' ')} />
      ))}
      {ways.map((way) => (
        <polyline key={way} className="cable-way" points={way} />
      ))}
    </svg>
  );
});
