import { formatIp } from '../../protocol/address.ts';
import type { DeviceView, NodeView, PodView, Topology } from '../../protocol/view.ts';
import { columnsFor, layoutNode, nodeHeight } from './layout-node.ts';
import { FLEET, NODE, nodeWidth, OUTSIDE, UNDERLAY } from './measure.ts';
import { netnsOfPlace, type Place, place, spotOfPlace } from './place.ts';
import type { Cable, Rect, Scene, SceneBox } from './scene.ts';
import { type Point, TrackMap } from './tracks.ts';

/** What is to be drawn in full; the rest of a large cluster is one box with counts. */
export interface Focus {
  readonly nodes: ReadonlySet<string>;
  /** Namespaces of pods that must not hide behind "n more pods". */
  readonly pods: ReadonlySet<string>;
}

export interface LayoutInput {
  readonly topology: Topology;
  readonly podsByNode: ReadonlyMap<string, readonly PodView[]>;
  readonly nodeOfNetns: (netns: string) => string | undefined;
  readonly focus: Focus;
  /** Devices of a namespace as far as they are known; may be empty. */
  readonly devices: (netns: string) => readonly DeviceView[];
}

/** Up to this many nodes everything is drawn; beyond it only the nodes in focus are. */
export const NODES_DRAWN_MAX = 6;

/** Everything that is being put together while the layout runs. */
export interface SceneDraft {
  readonly boxes: SceneBox[];
  readonly cables: Cable[];
  readonly lit: Map<Place, Rect>;
  readonly tracks: TrackMap;
}

export const FLEET_PLACE = place('fleet', 'all');

/** Deterministic: the same topology, focus and devices give the same scene, and a box's place depends on nothing that moves. */
export function layoutScene(input: LayoutInput): Scene {
  const { topology } = input;
  const drawn = nodesDrawn(topology, input.focus);
  const drawnNames = new Set(drawn.map((n) => n.name));
  const hidden = topology.nodes.length - drawn.length;

  const tracks = new TrackMap((missing) => {
    const netns = netnsOfPlace(missing);
    const node = input.nodeOfNetns(netns);
    if (node === undefined) return netns.startsWith('external/') ? place(netns, 'all') : undefined;
    if (!drawnNames.has(node)) return FLEET_PLACE;
    if (netns.startsWith('pod/')) return place(`node/${node}`, 'morePods');
    const port = /^port:(.+?):/.exec(spotOfPlace(missing));
    return place(netns, port ? `dev:${port[1]}:in` : 'morePods');
  });
  const draft: SceneDraft = { boxes: [], cables: [], lit: new Map(), tracks };

  const columns = columnsFor(Math.max(...drawn.map((node) => podsOf(input, node).filter((p) => !p.hostNetwork).length), 0));
  const own = (node: NodeView): number => nodeHeight(podsOf(input, node).length, columns);
  const height = Math.max(...drawn.map(own), 0);
  let x = 0;
  const uplinks: { node: NodeView; point: Point }[] = [];
  for (const node of drawn) {
    const point = layoutNode(draft, {
      node,
      pods: podsOf(input, node),
      focusPods: input.focus.pods,
      devices: input.devices(node.netns),
      columns,
      x,
      y: height - own(node),
    });
    uplinks.push({ node, point });
    x += nodeWidth(columns) + NODE.gap;
  }
  if (hidden > 0) {
    const pods = topology.pods.length - drawn.reduce((n, node) => n + podsOf(input, node).length, 0);
    const rect = { x, y: Math.max(0, height - 360), width: FLEET.width, height: Math.min(360, height) };
    draft.boxes.push({
      ...rect,
      id: 'fleet',
      kind: 'fleet',
      netns: '',
      nodes: hidden,
      pods,
      label: `${hidden} more nodes with ${pods} pods, drawn when a packet reaches them or you search for them`,
    });
    draft.lit.set(FLEET_PLACE, rect);
    tracks.add(FLEET_PLACE, { x: x + FLEET.width / 2, y: rect.y + rect.height });
    x += FLEET.width + NODE.gap;
  }
  const width = Math.max(x - NODE.gap, nodeWidth(columns));
  const bottom = layoutOutside(draft, input, { top: height + UNDERLAY.gap, width, uplinks, hidden: hidden > 0 });
  return { boxes: draft.boxes, cables: draft.cables, lit: draft.lit, tracks, width, height: bottom };
}

/** Workers from left to right, control planes last: the traffic that people watch runs between workers. */
export function nodesDrawn(topology: Topology, focus: Focus): readonly NodeView[] {
  const ordered = [...topology.nodes.filter((n) => !n.controlPlane), ...topology.nodes.filter((n) => n.controlPlane)];
  if (ordered.length <= NODES_DRAWN_MAX) return ordered;
  const wanted = ordered.filter((n) => focus.nodes.has(n.name));
  return wanted.length > 0 ? wanted.slice(0, NODES_DRAWN_MAX * 2) : ordered.slice(0, 2);
}

const podsOf = (input: LayoutInput, node: NodeView): readonly PodView[] => input.podsByNode.get(node.name) ?? [];

interface OutsideInput {
  readonly top: number;
  readonly width: number;
  readonly uplinks: readonly { node: NodeView; point: Point }[];
  readonly hidden: boolean;
}

/** The underlay switch below the nodes, and below it the router and the client outside. Returns the bottom edge. */
function layoutOutside(draft: SceneDraft, input: LayoutInput, at: OutsideInput): number {
  const { tracks, boxes, cables, lit } = draft;
  const { externals } = input.topology;
  const underlay = externals.find((e) => e.role === 'underlay');
  const router = externals.find((e) => e.role === 'router');
  const client = externals.find((e) => e.role === 'client');
  if (!underlay) return at.top;

  const bar: Rect = { x: 0, y: at.top, width: at.width, height: UNDERLAY.height };
  const middle = bar.y + bar.height / 2;
  boxes.push({
    ...bar,
    id: underlay.netns,
    kind: 'external',
    external: underlay,
    netns: underlay.netns,
    label: `Switch ${underlay.name}: the network that the nodes' eth0 are in`,
  });
  tracks.add(place(underlay.netns, 'all'), { x: bar.x + bar.width / 2, y: middle });
  const bridge = input.devices(underlay.netns).find((d) => d.kind === 'bridge')?.name;
  if (bridge !== undefined) lit.set(place(underlay.netns, `dev:${bridge}:in`), bar);

  const portTo = (netns: string): string => input.devices(underlay.netns).find((d) => d.peer?.netns === netns)?.name ?? `port-${netns}`;
  const ports: { x: number; spot: Place }[] = [];
  const addPort = (netns: string, from: Place, point: Point): void => {
    const name = portTo(netns);
    const device = place(underlay.netns, `dev:${name}`);
    const inside = place(underlay.netns, `port:${bridge ?? 'br0'}:${name}`);
    const edge = { x: point.x, y: point.y < middle ? bar.y : bar.y + bar.height };
    tracks.add(device, edge);
    tracks.alias(place(underlay.netns, `dev:${name}:in`), device);
    tracks.alias(place(underlay.netns, `dev:${name}:out`), device);
    tracks.add(inside, { x: point.x, y: middle });
    tracks.connectBoth(from, device);
    tracks.connectBoth(device, inside);
    ports.push({ x: point.x, spot: inside });
    cables.push({ id: `${netns}|underlay`, kind: 'cable', netns: [netns, underlay.netns], places: [from, device], points: [point, edge] });
  };
  for (const { node, point } of at.uplinks) addPort(node.netns, place(node.netns, `dev:${uplinkOf(input.devices(node.netns))}`), point);
  if (at.hidden) {
    const point = tracks.pointOf(FLEET_PLACE) as Point;
    const edge = place(underlay.netns, 'port:fleet');
    tracks.add(edge, { x: point.x, y: middle });
    tracks.connectBoth(FLEET_PLACE, edge);
    ports.push({ x: point.x, spot: edge });
    cables.push({
      id: 'fleet|underlay',
      kind: 'cable',
      netns: ['fleet', underlay.netns],
      places: [FLEET_PLACE, edge],
      points: [point, { x: point.x, y: bar.y }],
    });
  }

  let bottom = bar.y + bar.height;
  if (router) {
    const rect: Rect = { x: NODE.padding, y: bottom + OUTSIDE.gap, width: OUTSIDE.width, height: OUTSIDE.height };
    const top = { x: rect.x + rect.width / 2, y: rect.y };
    const centre = { x: top.x, y: rect.y + rect.height / 2 };
    bottom = rect.y + rect.height;
    const devices = input.devices(router.netns);
    const inner = devices.find((d) => d.peer?.netns === underlay.netns)?.name ?? 'eth0';
    const innerPlace = layoutHost(draft, router.netns, centre, [{ name: inner, point: top }], rect);
    boxes.push({
      ...rect,
      id: router.netns,
      kind: 'external',
      external: router,
      netns: router.netns,
      label: `Router ${router.name}${router.ip === undefined ? '' : `, ${formatIp(router.ip)}`}`,
    });
    addPort(router.netns, innerPlace, top);
    if (client) {
      const own: Rect = { ...rect, x: rect.x + rect.width + OUTSIDE.apart };
      const right = { x: rect.x + rect.width, y: centre.y };
      const left = { x: own.x, y: centre.y };
      const outer = devices.find((d) => d.peer?.netns === client.netns)?.name ?? 'eth1';
      const clientDevice = input.devices(client.netns).find((d) => d.kind !== 'loopback')?.name ?? 'eth0';
      layoutHost(draft, router.netns, centre, [{ name: outer, point: right }], rect);
      layoutHost(draft, client.netns, { x: own.x + own.width / 2, y: centre.y }, [{ name: clientDevice, point: left }], own);
      const a = place(router.netns, `dev:${outer}`);
      const b = place(client.netns, `dev:${clientDevice}`);
      tracks.connectBoth(a, b);
      boxes.push({
        ...own,
        id: client.netns,
        kind: 'external',
        external: client,
        netns: client.netns,
        label: `Outside client ${client.name}${client.ip === undefined ? '' : `, ${formatIp(client.ip)}`}`,
      });
      cables.push({
        id: `${router.netns}|${client.netns}`,
        kind: 'cable',
        netns: [router.netns, client.netns],
        places: [a, b],
        points: [right, left],
      });
    }
  }
  ports.sort((a, b) => a.x - b.x);
  for (let i = 1; i < ports.length; i++) tracks.connectBoth((ports[i - 1] as { spot: Place }).spot, (ports[i] as { spot: Place }).spot);
  return bottom;
}

/** A namespace drawn as one box: its devices at the border, everything else at its centre. Returns the first device's place. */
function layoutHost(
  draft: SceneDraft,
  netns: string,
  centre: Point,
  devices: readonly { name: string; point: Point }[],
  rect: Rect,
): Place {
  const { tracks, lit } = draft;
  const all = place(netns, 'all');
  tracks.add(all, centre);
  for (const spot of ['PREROUTING', 'routing', 'FORWARD', 'POSTROUTING', 'INPUT', 'OUTPUT', 'process']) {
    tracks.alias(place(netns, spot), all);
    lit.set(place(netns, spot), rect);
  }
  let first = all;
  for (const { name, point } of devices) {
    const device = place(netns, `dev:${name}`);
    tracks.add(device, point);
    tracks.alias(`${device}:in`, device);
    tracks.alias(`${device}:out`, device);
    tracks.connectBoth(device, all);
    if (first === all) first = device;
  }
  return first;
}

export const uplinkOf = (devices: readonly DeviceView[]): string => devices.find((d) => d.kind === 'physical')?.name ?? 'eth0';
