import { useMemo } from 'react';
import type { Scene } from '../canvas/scene.ts';
import { useScreen } from '../shell/screen-store.ts';
import { useLab } from '../stores/lab-store.ts';
import { type Overlay, overlayOf } from './overlay.ts';
import type { LinesNode, MoreNode, PillNode } from './ServiceNodes.tsx';
import { serviceKey, serviceOfTarget } from './service-facts.ts';

/** The overlay, when it is switched on. */
export function useOverlay(scene: Scene): Overlay | undefined {
  const shown = useScreen((s) => s.services);
  const services = useLab((s) => s.topology?.services);
  const selected = useLab((s) => s.service);
  const watched = useLab((s) => {
    const flow = s.flows.find((f) => f.flow === s.flow);
    const service = flow && s.topology && serviceOfTarget(s.topology.services, flow.to);
    return service && serviceKey(service);
  });
  return useMemo(
    () => (shown && services ? overlayOf({ boxes: scene.boxes, width: scene.width, services, focus: [selected, watched] }) : undefined),
    [shown, services, scene, selected, watched],
  );
}

/** What React Flow draws of it. */
export function overlayNodes(overlay: Overlay, scene: Scene): (PillNode | MoreNode | LinesNode)[] {
  const still = { draggable: false, connectable: false, selectable: false } as const;
  const lines: LinesNode = {
    ...still,
    id: 'service-lines',
    type: 'serviceLines',
    position: { x: 0, y: 0 },
    width: scene.width,
    height: scene.height,
    data: { overlay },
    zIndex: 1,
    focusable: false,
    style: { pointerEvents: 'none' },
  };
  const pills = overlay.pills.map((pill): PillNode => {
    const { service, x, y, width, height } = pill;
    const key = serviceKey(service);
    return {
      ...still,
      id: `svc/${key}`,
      type: 'servicePill',
      position: { x, y },
      width,
      height,
      data: { pill },
      zIndex: 2,
      focusable: true,
      ariaRole: 'group',
      ariaLabel: `Service ${key}, ${service.endpointCount} endpoints`,
    };
  });
  if (!overlay.moreAt) return [lines, ...pills];
  const { x, y, width, height } = overlay.moreAt;
  const more: MoreNode = {
    ...still,
    id: 'more-services',
    type: 'moreServices',
    position: { x, y },
    width,
    height,
    data: { count: overlay.more },
    zIndex: 2,
    focusable: true,
    ariaRole: 'group',
    ariaLabel: `${overlay.more} more Services: open the list`,
  };
  return [lines, ...pills, more];
}
