import { Background, Controls, ReactFlow, ReactFlowProvider, useReactFlow, ViewportPortal } from '@xyflow/react';
import { type KeyboardEvent, type PointerEvent, type RefObject, useEffect, useMemo, useRef } from 'react';
import '@xyflow/react/dist/style.css';
import type { LabEvent } from '../../protocol/event.ts';
import type { DeviceView, PodView, Topology } from '../../protocol/view.ts';
import { OVERLAY_HEIGHT, type Overlay } from '../services/overlay.ts';
import { MorePill, Pill, ServiceLines } from '../services/ServiceNodes.tsx';
import { overlayNodes, useOverlay } from '../services/use-overlay.ts';
import { browseRules, openNetfilter } from '../shell/actions.ts';
import { useLab } from '../stores/lab-store.ts';
import type { Recording } from '../stores/recording.ts';
import { Box, type BoxNode, Cables, type CablesNode } from './Box.tsx';
import './canvas.css';
import { layoutScene } from './layout.ts';
import { motionsOf } from './motions.ts';
import { PacketLayer } from './PacketLayer.tsx';
import type { Scene, SceneBox } from './scene.ts';
import { useWatched, watch } from './watched.ts';

const NODE_TYPES = { box: Box, cables: Cables, servicePill: Pill, moreServices: MorePill, serviceLines: ServiceLines };
const NO_TOPOLOGY: Topology = {
  title: '',
  seed: 0,
  cni: '',
  proxyMode: 'iptables',
  nodes: [],
  pods: [],
  externals: [],
  services: [],
  traffic: [],
  notModelled: [],
  problems: [],
};
const LAYER: Partial<Record<SceneBox['kind'], number>> = { node: 0 };
const TAB_STOPS: ReadonlySet<SceneBox['kind']> = new Set(['node', 'pod', 'external', 'rules']);

interface CanvasProps {
  readonly onSend: (fromRef: string, toNetns: string) => void;
}

export function Canvas(props: CanvasProps) {
  return (
    <ReactFlowProvider>
      <ClusterMap {...props} />
    </ReactFlowProvider>
  );
}

function ClusterMap({ onSend }: CanvasProps) {
  const scene = useScene();
  const current = useRef(scene);
  current.current = scene;
  const host = useRef<HTMLElement>(null);
  const line = useRef<SVGLineElement>(null);
  useWatching(scene);
  const overlay = useOverlay(scene);
  useFit(scene, overlay, host);
  const nodes = useMemo(() => (overlay ? [...nodesOf(scene), ...overlayNodes(overlay, scene)] : nodesOf(scene)), [scene, overlay]);
  const gesture = useSendGesture(host, line, onSend);
  const inspect = useLab((s) => s.inspect);
  const lookAtService = useLab((s) => s.lookAtService);

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || !(event.target instanceof HTMLElement)) return;
    const id = event.target.classList.contains('react-flow__node') ? event.target.dataset.id : undefined;
    if (id !== undefined) openId(id);
  };
  const openId = (id: string): void => {
    const box = scene.boxes.find((b) => b.id === id);
    if (box) open(box);
    else if (id.startsWith('svc/')) lookAtService(id.slice(4));
    else if (id === 'more-services') lookAtService(undefined);
  };
  const open = (box: SceneBox): void => {
    if (box.kind === 'hook') openNetfilter(box.netns);
    else if (box.kind === 'rules') browseRules(box.netns);
    else if (box.netns !== '') inspect(box.netns);
  };
  return (
    <section ref={host} className="canvas" aria-label="Cluster map" data-testid="canvas" onPointerDown={gesture} onKeyDown={onKeyDown}>
      <ReactFlow
        nodes={nodes}
        edges={[]}
        nodeTypes={NODE_TYPES}
        nodesDraggable={false}
        nodesConnectable={false}
        elementsSelectable={false}
        zoomOnDoubleClick={false}
        deleteKeyCode={null}
        panActivationKeyCode={null}
        attributionPosition="bottom-left"
        minZoom={0.1}
        maxZoom={2.5}
        onNodeClick={(_, node) => {
          openId(node.id);
        }}
        onMoveStart={() => host.current?.classList.add('canvas-moving')}
        onMoveEnd={() => host.current?.classList.remove('canvas-moving')}
      >
        <Background gap={24} />
        <Controls showInteractive={false} position="bottom-right" orientation="horizontal" />
        <ViewportPortal>
          <Lit />
        </ViewportPortal>
      </ReactFlow>
      <PacketLayer scene={current} />
      <svg className="send-line" aria-hidden="true">
        <line ref={line} />
      </svg>
    </section>
  );
}

/** The frame round the box in which the last event happened, with a few words. */
function Lit() {
  const lit = useWatched((s) => s.lit);
  if (!lit) return null;
  return (
    <>
      <div
        className={`lit lit-${lit.tone}`}
        style={{ transform: `translate(${lit.x - 3}px, ${lit.y - 3}px)`, width: lit.width + 6, height: lit.height + 6 }}
      />
      {lit.text !== '' && (
        <div className={`lit-text lit-${lit.tone}`} style={{ transform: `translate(${lit.textAt.x}px, ${lit.textAt.y + 4}px)` }}>
          {lit.text}
        </div>
      )}
    </>
  );
}

function nodesOf(scene: Scene): (BoxNode | CablesNode)[] {
  const still = { draggable: false, connectable: false, selectable: false } as const;
  const cables: CablesNode = {
    ...still,
    id: 'cables',
    type: 'cables',
    position: { x: 0, y: 0 },
    width: scene.width,
    height: scene.height,
    data: { cables: scene.cables },
    zIndex: 1,
    focusable: false,
    style: { pointerEvents: 'none' },
  };
  const boxes = scene.boxes.map((box): BoxNode => {
    const focusable = TAB_STOPS.has(box.kind);
    return {
      ...still,
      id: box.id,
      type: 'box',
      position: { x: box.x, y: box.y },
      width: box.width,
      height: box.height,
      data: { box },
      zIndex: LAYER[box.kind] ?? 2,
      focusable,
      // A group, not a button: a box has text inside and more than one use.
      ariaRole: 'group',
      ...(focusable ? { ariaLabel: box.label } : {}),
      className: 'box-holder',
    };
  });
  return [...boxes, cables];
}

interface Reached {
  readonly netns: ReadonlySet<string>;
  readonly devices: ReadonlyMap<string, readonly DeviceView[]>;
  readonly key: string;
}

/** Namespaces that the flow reaches, and devices of those that came into view during the recording. */
function reachedBy(recording: Recording, events: readonly LabEvent[], flow: number): Reached {
  const netns = new Set<string>();
  const devices = new Map<string, readonly DeviceView[]>();
  for (const [id, tables] of recording.initial.netns) devices.set(id, [...tables.devices.values()]);
  for (const event of events) {
    if (event.type === 'netnsAppeared') devices.set(event.netns, event.data.view.devices);
    else if (event.type === 'deviceChanged') {
      const { view } = event.data;
      const others = (devices.get(event.netns) ?? []).filter((d) => d.name !== view.name);
      devices.set(event.netns, [...others, view]);
    }
    if (flow !== 0 && event.flow === flow) netns.add(event.netns);
  }
  return {
    netns,
    devices,
    key: `${recording.epoch}|${[...devices].map(([id, own]) => `${id} ${own.length}`).join()}|${[...netns].sort().join()}`,
  };
}

function useScene(): Scene {
  const topology = useLab((s) => s.topology) ?? NO_TOPOLOGY;
  const recording = useLab((s) => s.recording);
  const length = useLab((s) => s.length);
  const flow = useLab((s) => s.flow);
  const inspected = useLab((s) => s.netns);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `length` says when the recording grew
  const reached = useMemo(() => reachedBy(recording, recording.events, flow), [recording, length, flow]);
  const key = `${reached.key}|${inspected ?? ''}`;
  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` stands for everything that was reached
  return useMemo(() => {
    const nodeOf = new Map<string, string>();
    const podsByNode = new Map<string, PodView[]>();
    for (const node of topology.nodes) nodeOf.set(node.netns, node.name);
    for (const pod of topology.pods) {
      if (!pod.hostNetwork) nodeOf.set(pod.netns, pod.node);
      const list = podsByNode.get(pod.node);
      if (list) list.push(pod);
      else podsByNode.set(pod.node, [pod]);
    }
    const pods = new Set([...reached.netns, ...(inspected === undefined ? [] : [inspected])]);
    const nodes = new Set([...pods].flatMap((netns) => nodeOf.get(netns) ?? []));
    return layoutScene({
      topology,
      podsByNode,
      nodeOfNetns: (netns) => nodeOf.get(netns),
      focus: { nodes, pods },
      devices: (netns) => reached.devices.get(netns) ?? [],
    });
  }, [topology, key]);
}

function useWatching(scene: Scene): void {
  const { recording, axis, position, flow, length } = useLab();
  // biome-ignore lint/correctness/useExhaustiveDependencies: `length` says when the recording grew
  useEffect(() => {
    useWatched.setState(watch(scene, { motions: motionsOf(recording, axis), events: recording.events, flow, position }));
  }, [scene, recording, axis, flow, position, length]);
}

/** The whole map in view when there is a new one, and on a new window size. */
function useFit(scene: Scene, overlay: Overlay | undefined, host: RefObject<HTMLElement | null>): void {
  const { setViewport } = useReactFlow();
  const above = overlay ? OVERLAY_HEIGHT : 0;
  const width = Math.max(scene.width, overlay?.width ?? 0);
  const height = scene.height + above;
  useEffect(() => {
    const element = host.current;
    if (!element || width === 0) return;
    const fit = (): void => {
      const { clientWidth, clientHeight } = element;
      const zoom = Math.min((clientWidth - 28) / width, (clientHeight - 32) / height, 1.3);
      if (zoom <= 0) return;
      void setViewport({ zoom, x: (clientWidth - width * zoom) / 2, y: (clientHeight - height * zoom) / 2 + above * zoom });
    };
    const size = new ResizeObserver(fit);
    size.observe(element);
    return () => size.disconnect();
  }, [width, height, above, setViewport, host]);
}

const DRAG_PIXELS = 6;

/** Drag from one box to another: a line while it lasts, a send when it ends on a box. */
function useSendGesture(
  host: RefObject<HTMLElement | null>,
  line: RefObject<SVGLineElement | null>,
  onSend: CanvasProps['onSend'],
): (event: PointerEvent) => void {
  return (down) => {
    const element = host.current;
    const from = down.target instanceof Element ? down.target.closest<HTMLElement>('[data-ref]') : null;
    if (!element || !from || down.button !== 0) return;
    const start = { x: down.clientX, y: down.clientY };
    let dragging = false;
    let over: HTMLElement | undefined;
    const under = (x: number, y: number): HTMLElement | undefined => {
      const found = document.elementFromPoint(x, y)?.closest<HTMLElement>('[data-netns]');
      return found && found.dataset.netns !== from.dataset.netns ? found : undefined;
    };
    const mark = (next: HTMLElement | undefined): void => {
      over?.classList.remove('box-target');
      next?.classList.add('box-target');
      over = next;
    };
    const move = (event: globalThis.PointerEvent): void => {
      if (!dragging && Math.hypot(event.clientX - start.x, event.clientY - start.y) < DRAG_PIXELS) return;
      dragging = true;
      element.classList.add('canvas-sending');
      const box = element.getBoundingClientRect();
      const ends = { x1: start.x - box.left, y1: start.y - box.top, x2: event.clientX - box.left, y2: event.clientY - box.top };
      for (const [name, value] of Object.entries(ends)) line.current?.setAttribute(name, String(value));
      mark(under(event.clientX, event.clientY));
    };
    const end = (event: globalThis.PointerEvent | globalThis.KeyboardEvent): void => {
      if (event instanceof globalThis.KeyboardEvent && event.key !== 'Escape') return;
      window.removeEventListener('pointermove', move);
      window.removeEventListener('pointerup', end);
      window.removeEventListener('pointercancel', end);
      window.removeEventListener('keydown', end);
      element.classList.remove('canvas-sending');
      const target = over;
      mark(undefined);
      if (dragging && event.type === 'pointerup' && target) onSend(from.dataset.ref as string, target.dataset.netns as string);
    };
    window.addEventListener('pointermove', move);
    window.addEventListener('pointerup', end);
    window.addEventListener('pointercancel', end);
    window.addEventListener('keydown', end);
  };
}
