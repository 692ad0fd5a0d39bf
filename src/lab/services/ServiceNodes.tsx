import type { Node, NodeProps } from '@xyflow/react';
import { memo } from 'react';
import type { Overlay, ServicePill } from './overlay.ts';
import './services.css';
import { addressesOf, serviceKey } from './service-facts.ts';

export type PillNode = Node<{ readonly pill: ServicePill }, 'servicePill'>;
export type MoreNode = Node<{ readonly count: number }, 'moreServices'>;
export type LinesNode = Node<{ readonly overlay: Overlay }, 'serviceLines'>;

/** A Service over the map: dashed, since no packet passes it. */
export const Pill = memo(function Pill({ data: { pill } }: NodeProps<PillNode>) {
  const { service, focused } = pill;
  const address = addressesOf(service)[0]?.[1];
  const ports = service.ports.map((p) => p.port);
  const ready = service.endpoints.filter((e) => e.ready).length;
  const listed = service.endpoints.length < service.endpointCount ? 'over ' : '';
  return (
    <div
      className={`service-pill${focused ? ' service-focused' : ''}`}
      data-netns={`svc/${serviceKey(service)}`}
      title="A Service is rules on every node, not a place that packets pass"
    >
      <span className="service-line">
        <strong>{service.name}</strong>
        <span>{service.type === 'ClusterIP' ? 'Service' : service.type}</span>
      </span>
      <span className="service-line">
        <span className="mono">
          {address === 'None' ? 'headless' : `${address ?? 'no address'}${ports.length > 0 ? `:${ports.slice(0, 2).join(',')}` : ''}`}
        </span>
        <span className={ready === 0 ? 'service-none' : undefined}>{`${listed}${ready}/${service.endpointCount} ready`}</span>
      </span>
    </div>
  );
});

export const MorePill = memo(function MorePill({ data: { count } }: NodeProps<MoreNode>) {
  return <div className="service-pill service-more">{`${count} more Services`}</div>;
});

/** Lines to the endpoints; behind the boxes, and no cables. */
export const ServiceLines = memo(function ServiceLines({ data: { overlay } }: NodeProps<LinesNode>) {
  const someFocused = overlay.pills.some((pill) => pill.focused);
  return (
    <svg className="service-lines" aria-hidden="true">
      {overlay.lines.map(({ key, path, end, labelAt, state, focused, count }) => (
        <g key={key} className={`service-to service-to-${state}${someFocused && !focused ? ' service-dim' : ''}`}>
          <path d={path} />
          {state === 'terminating' ? (
            <path className="service-end" d={`M${end.x - 4},${end.y - 4} l8,8 m0,-8 l-8,8`} />
          ) : (
            <circle className="service-end" cx={end.x} cy={end.y} r={4.5} />
          )}
          {(state !== 'ready' || count > 1) && (
            <text x={labelAt.x} y={labelAt.y}>
              {[count > 1 ? String(count) : '', state === 'notReady' ? 'not ready' : state === 'terminating' ? 'terminating' : '']
                .join(' ')
                .trim()}
            </text>
          )}
        </g>
      ))}
    </svg>
  );
});
