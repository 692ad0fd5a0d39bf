import { formatCidr, formatIp } from '../../protocol/address.ts';
import type { HookName } from '../../protocol/event.ts';
import type { DeviceView, NodeView, PodView } from '../../protocol/view.ts';
import { type SceneDraft, uplinkOf } from './layout.ts';
import { CHIP, DEVICE, NODE, nodeWidth, POD, ROOT } from './measure.ts';
import { type Place, place } from './place.ts';
import type { Rect } from './scene.ts';
import type { Point } from './tracks.ts';

interface NodeInput {
  readonly node: NodeView;
  readonly pods: readonly PodView[];
  readonly focusPods: ReadonlySet<string>;
  readonly devices: readonly DeviceView[];
  /** Pods beside each other. */
  readonly columns: number;
  readonly x: number;
  readonly y: number;
}

const cellsOf = (columns: number): number => columns * NODE.rowsMax;

/** As many columns as the fullest node of a scene needs; a second row comes first, for a screen has less width to spare. */
export const columnsFor = (podsMax: number): number =>
  podsMax <= NODE.columns.narrow * NODE.rowsMax ? NODE.columns.narrow : NODE.columns.wide;

/** Pods that get a box of their own, in their order; the last cell stands for the others when there are too many. */
export function podsDrawn(
  pods: readonly PodView[],
  focusPods: ReadonlySet<string>,
  columns: number,
): { readonly drawn: readonly PodView[]; readonly more: number } {
  const own = pods.filter((p) => !p.hostNetwork);
  const cells = cellsOf(columns);
  if (own.length <= cells) return { drawn: own, more: 0 };
  const wanted = new Set(own.filter((p) => focusPods.has(p.netns)).slice(0, cells - 1));
  for (const pod of own) {
    if (wanted.size >= cells - 1) break;
    wanted.add(pod);
  }
  return { drawn: own.filter((p) => wanted.has(p)), more: own.length - wanted.size };
}

const rowsOf = (count: number, columns: number): number => Math.min(NODE.rowsMax, Math.max(1, Math.ceil(count / columns)));

export function nodeHeight(pods: number, columns: number): number {
  const rows = rowsOf(pods, columns);
  return NODE.header + rows * POD.height + rows * POD.gapY + (rows - 1) * ROOT.vethPitch + ROOT.height + NODE.padding;
}

/** Adds one node to the draft and returns where its uplink leaves it. */
export function layoutNode(draft: SceneDraft, input: NodeInput): Point {
  const { node, pods, x, y } = input;
  const rows = rowsOf(pods.length, input.columns);
  const width = nodeWidth(input.columns);
  const rootTop = y + NODE.header + rows * (POD.height + POD.gapY);
  const extra = (rows - 1) * ROOT.vethPitch;
  const root: Rect = { x: x + NODE.padding, y: rootTop, width: width - 2 * NODE.padding, height: ROOT.height + extra };
  const frame: Rect = { x, y, width, height: root.y + root.height + NODE.padding - y };
  draft.boxes.push({
    ...frame,
    id: node.netns,
    kind: 'node',
    node,
    root,
    podsTotal: pods.length,
    netns: node.netns,
    label: `Node ${node.name}, ${formatIp(node.ip)}${node.podCidr ? `, pod network ${formatCidr(node.podCidr)}` : ''}${node.controlPlane ? ', control plane' : ''}`,
  });
  const ports = layoutPods(draft, input, root, rows);
  return layoutRoot(draft, input, root, extra, ports);
}

interface PortAt {
  readonly x: number;
  readonly device: string;
}

function layoutPods(draft: SceneDraft, input: NodeInput, root: Rect, rows: number): readonly PortAt[] {
  const { node, x, y, columns } = input;
  const { drawn, more } = podsDrawn(input.pods, input.focusPods, columns);
  const ports: PortAt[] = [];
  const cell = (index: number): Rect => ({
    x: x + NODE.padding + (index % columns) * (POD.width + POD.gapX),
    y: y + NODE.header + Math.floor(index / columns) * (POD.height + POD.gapY),
    width: POD.width,
    height: POD.height,
  });
  drawn.forEach((pod, index) => {
    const rect = cell(index);
    const row = Math.floor(index / columns);
    draft.boxes.push({
      ...rect,
      id: pod.netns,
      kind: 'pod',
      pod,
      containers: pod.containers,
      netns: pod.netns,
      label: `Pod ${pod.name} in ${pod.namespace}, ${formatIp(pod.ip)}, on ${node.name}`,
    });
    layoutPodInside(draft, pod, rect);
    if (pod.hostVeth === undefined) return;
    // The pods of the lowest row sit above their veth ends; those of the row above go round them, through the gutter.
    const lowest = row === rows - 1;
    // Of two rows the lower pods' ends stand to the left, so that their lines to the bridge pass those below.
    const vethX = rows === 1 ? rect.x + (rect.width - DEVICE.width) / 2 : lowest ? rect.x + 4 : rect.x + POD.width - DEVICE.width - 4;
    const veth: Rect = { x: vethX, y: root.y + ROOT.veth + (lowest ? 0 : ROOT.vethPitch), width: DEVICE.width, height: DEVICE.height };
    const centre = veth.x + veth.width / 2;
    const start = { x: rect.x + rect.width / 2, y: rect.y + rect.height };
    const gutter = rect.x + POD.width + POD.gapX / 2;
    const end = { x: centre, y: veth.y };
    const bends = lowest
      ? start.x === centre
        ? []
        : [
            { x: start.x, y: root.y - POD.gapY / 2 },
            { x: centre, y: root.y - POD.gapY / 2 },
          ]
      : [
          { x: start.x, y: start.y + POD.gapY / 2 },
          { x: gutter, y: start.y + POD.gapY / 2 },
          { x: gutter, y: veth.y - 6 },
          { x: centre, y: veth.y - 6 },
        ];
    addVeth(draft, input, pod, veth, bends, start, end);
    ports.push({ x: rows > 1 && lowest ? veth.x + 14 : centre, device: pod.hostVeth });
  });
  if (more > 0) {
    const rect = cell(cellsOf(columns) - 1);
    draft.boxes.push({
      ...rect,
      id: `${node.netns}/more`,
      kind: 'morePods',
      node: node.name,
      count: more,
      netns: node.netns,
      label: `${more} more pods on ${node.name}; search for one to draw it`,
    });
    draft.tracks.add(place(node.netns, 'morePods'), { x: rect.x + rect.width / 2, y: rect.y + rect.height });
  }
  return ports;
}

function addVeth(draft: SceneDraft, input: NodeInput, pod: PodView, veth: Rect, bends: readonly Point[], start: Point, end: Point): void {
  const { node } = input;
  const name = pod.hostVeth as string;
  const device = place(node.netns, `dev:${name}`);
  const podDevice = place(pod.netns, 'dev:eth0');
  draft.boxes.push({
    ...veth,
    id: device,
    kind: 'device',
    device: name,
    address: undefined,
    role: 'veth',
    netns: node.netns,
    label: `${name} on ${node.name}: the node's end of ${pod.name}'s veth pair`,
  });
  addDevice(draft, node.netns, name, { x: end.x, y: veth.y + veth.height / 2 }, veth);
  draft.tracks.connectBoth(podDevice, device, [start, ...bends, end]);
  draft.cables.push({
    id: `${pod.netns}|${name}`,
    kind: 'cable',
    netns: [pod.netns, node.netns],
    places: [podDevice, device],
    points: [start, ...bends, end],
  });
}

/** A pod's own namespace: eth0 at its lower border, the IP layer at its address, its processes above. */
function layoutPodInside(draft: SceneDraft, pod: PodView, rect: Rect): void {
  const { tracks, lit } = draft;
  const middle = rect.x + rect.width / 2;
  const ip = place(pod.netns, 'routing');
  const process = place(pod.netns, 'process');
  tracks.add(ip, { x: middle, y: rect.y + 72 });
  tracks.add(process, { x: middle, y: rect.y + 42 });
  for (const spot of ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING']) tracks.alias(place(pod.netns, spot), ip);
  addDevice(
    draft,
    pod.netns,
    'eth0',
    { x: middle, y: rect.y + rect.height - 11 },
    { x: middle - 26, y: rect.y + rect.height - 22, width: 52, height: 22 },
  );
  tracks.connectBoth(ip, place(pod.netns, 'dev:eth0'));
  tracks.connectBoth(ip, process);
  const loopback = place(pod.netns, 'dev:lo');
  tracks.add(loopback, { x: rect.x + rect.width - 20, y: rect.y + 16 });
  tracks.alias(`${loopback}:in`, loopback);
  tracks.alias(`${loopback}:out`, loopback);
  tracks.connectBoth(loopback, ip, [{ x: rect.x + rect.width - 20, y: rect.y + 72 }]);
  lit.set(ip, { x: rect.x + 8, y: rect.y + 60, width: rect.width - 16, height: 20 });
  lit.set(process, { x: rect.x + 8, y: rect.y + 31, width: rect.width - 16, height: 22 });
}

function addDevice(draft: SceneDraft, netns: string, name: string, point: Point, rect: Rect): void {
  const device = place(netns, `dev:${name}`);
  draft.tracks.add(device, point);
  for (const side of ['in', 'out']) {
    draft.tracks.alias(place(netns, `dev:${name}:${side}`), device);
    draft.lit.set(place(netns, `dev:${name}:${side}`), rect);
  }
}

/** Bridge, IP layer and uplink of a node; returns where the cable leaves the uplink. */
function layoutRoot(draft: SceneDraft, input: NodeInput, root: Rect, extra: number, ports: readonly PortAt[]): Point {
  const { tracks, boxes, cables, lit } = draft;
  const { node } = input;
  const at = (spot: string): Place => place(node.netns, spot);
  const top = root.y + extra;
  const left = root.x + ROOT.padding;
  const inner = root.width - 2 * ROOT.padding;
  const track = (id: string, from: Place, to: Place, points: readonly Point[]): void => {
    tracks.connect(from, to, points.slice(1, -1));
    cables.push({ id: `${node.netns}|${id}`, kind: 'track', netns: [node.netns], places: [from, to], points });
  };

  // The IP layer: the hooks on the way in and out at the sides, what decides between them in the middle.
  const chip = (hook: HookName | 'routing', chipX: number, y: number, height: number): Point => {
    const rect: Rect = { x: chipX, y: top + y, width: CHIP[hook], height };
    boxes.push({ ...rect, id: at(hook), kind: 'hook', hook, netns: node.netns, label: `${hook} on ${node.name}` });
    lit.set(at(hook), rect);
    const centre = { x: chipX + rect.width / 2, y: rect.y + height / 2 };
    tracks.add(at(hook), centre);
    return centre;
  };
  const right = left + inner;
  const middleX = left + inner / 2;
  const pre = chip('PREROUTING', left, ROOT.hooks, ROOT.hookHeight);
  const post = chip('POSTROUTING', right - CHIP.POSTROUTING, ROOT.hooks, ROOT.hookHeight);
  const deciders = CHIP.routing + CHIP.gap + CHIP.FORWARD;
  const routing = chip('routing', middleX - deciders / 2, ROOT.routing, ROOT.hookHeight);
  const forward = chip('FORWARD', middleX + deciders / 2 - CHIP.FORWARD, ROOT.routing, ROOT.hookHeight);
  track('PREROUTING-routing', at('PREROUTING'), at('routing'), [pre, { x: pre.x, y: routing.y }, routing]);
  track('routing-FORWARD', at('routing'), at('FORWARD'), [routing, forward]);
  track('FORWARD-POSTROUTING', at('FORWARD'), at('POSTROUTING'), [forward, { x: post.x, y: forward.y }, post]);

  // Local delivery: in by INPUT, out by OUTPUT, the node's own processes between them.
  const hostPods = input.pods.filter((p) => p.hostNetwork);
  const inX = left + 2 * CHIP.lane;
  const outX = right - 2 * CHIP.lane - CHIP.OUTPUT;
  const toLocal = chip('INPUT', inX, ROOT.local, ROOT.localHeight);
  const fromLocal = chip('OUTPUT', outX, ROOT.local, ROOT.localHeight);
  const processX = inX + CHIP.INPUT + CHIP.gap;
  const processRect: Rect = { x: processX, y: top + ROOT.local, width: outX - CHIP.gap - processX, height: ROOT.localHeight };
  const process = { x: processRect.x + processRect.width / 2, y: toLocal.y };
  boxes.push({
    ...processRect,
    id: at('process'),
    kind: 'process',
    pods: hostPods,
    netns: node.netns,
    label: `Processes in the root network namespace of ${node.name}${hostPods.length > 0 ? `: ${hostPods.map((p) => p.name).join(', ')}` : ''}`,
  });
  lit.set(at('process'), processRect);
  tracks.add(at('process'), process);
  const landing = routing.y + (toLocal.y - routing.y) / 2;
  track('routing-INPUT', at('routing'), at('INPUT'), [routing, { x: routing.x, y: landing }, { x: toLocal.x, y: landing }, toLocal]);
  track('INPUT-process', at('INPUT'), at('process'), [toLocal, process]);
  track('process-OUTPUT', at('process'), at('OUTPUT'), [process, fromLocal]);
  track('OUTPUT-POSTROUTING', at('OUTPUT'), at('POSTROUTING'), [fromLocal, { x: post.x, y: fromLocal.y }, post]);
  // An outgoing packet is routed before OUTPUT; it has no line of its own on the map.
  tracks.connect(at('process'), at('routing'));
  tracks.connect(at('routing'), at('OUTPUT'));
  // A bridge or neighbour answer to a local process leaves without a route decision in view.

  layoutBridge(draft, input, { x: left, y: top + ROOT.bridge, width: inner, height: ROOT.bridgeHeight }, ports, {
    x: pre.x,
    out: post.x,
    y: pre.y,
  });

  // The uplink.
  const uplink = uplinkOf(input.devices);
  const address = input.devices.find((d) => d.name === uplink)?.addresses[0];
  const uplinkRect: Rect = { x: middleX - CHIP.uplink / 2, y: top + ROOT.uplink, width: CHIP.uplink, height: ROOT.uplinkHeight };
  const middle = uplinkRect.x + uplinkRect.width / 2;
  boxes.push({
    ...uplinkRect,
    id: at(`dev:${uplink}`),
    kind: 'device',
    device: uplink,
    address: address ? formatCidr(address) : formatIp(node.ip),
    role: 'uplink',
    netns: node.netns,
    label: `${uplink} of ${node.name}, ${formatIp(node.ip)}`,
  });
  addDevice(draft, node.netns, uplink, { x: middle, y: uplinkRect.y + uplinkRect.height / 2 }, uplinkRect);
  const corridor = top + ROOT.corridor;
  const uplinkMiddle = uplinkRect.y + uplinkRect.height / 2;
  const device = at(`dev:${uplink}`);
  // In and out by lanes of their own, along the outer ends of the hooks.
  const port = { x: middle, y: uplinkMiddle };
  track('uplink-PREROUTING', device, at('PREROUTING'), [
    port,
    { x: middle - 24, y: uplinkMiddle },
    { x: middle - 24, y: corridor },
    { x: left + CHIP.lane, y: corridor },
    { x: left + CHIP.lane, y: pre.y },
    pre,
  ]);
  track('POSTROUTING-uplink', at('POSTROUTING'), device, [
    post,
    { x: right - CHIP.lane, y: post.y },
    { x: right - CHIP.lane, y: corridor },
    { x: middle + 24, y: corridor },
    { x: middle + 24, y: uplinkMiddle },
    port,
  ]);

  // Between the hooks that it works in, in the room that they leave.
  const room = { from: left + CHIP.PREROUTING, to: right - CHIP.POSTROUTING };
  const between = (y: number): Rect => ({ x: (room.from + room.to - CHIP.conntrack) / 2, y: top + y, width: CHIP.conntrack, height: 20 });
  const rules = between(ROOT.hooks - 13);
  boxes.push({ ...rules, id: at('rules'), kind: 'rules', netns: node.netns, label: `Netfilter rules on ${node.name}` });
  lit.set(at('rules'), rules);
  const conntrack = between(ROOT.hooks + 11);
  boxes.push({ ...conntrack, id: at('conntrack'), kind: 'conntrack', netns: node.netns, label: `Connection tracking on ${node.name}` });
  lit.set(at('conntrack'), conntrack);
  return { x: middle, y: uplinkRect.y + uplinkRect.height };
}

/** The bridge as a bar that every port hangs on; the IP layer takes from its left end and gives to its right. */
function layoutBridge(
  draft: SceneDraft,
  input: NodeInput,
  bar: Rect,
  ports: readonly PortAt[],
  ip: { readonly x: number; readonly out: number; readonly y: number },
): void {
  const { tracks, boxes, cables, lit } = draft;
  const { node } = input;
  const bridge = input.devices.find((d) => d.kind === 'bridge');
  const name = bridge?.name ?? 'cni0';
  // A node whose devices are known and that has no bridge shows none: the plugin makes it with the first pod.
  if (!bridge && (input.devices.length > 0 || ports.length === 0)) return;
  const middle = bar.y + bar.height / 2;
  boxes.push({
    ...bar,
    id: place(node.netns, `dev:${name}`),
    kind: 'bridge',
    device: name,
    address: bridge?.addresses[0] && formatCidr(bridge.addresses[0]),
    netns: node.netns,
    label: `Bridge ${name} on ${node.name}`,
  });
  lit.set(place(node.netns, `dev:${name}:in`), bar);
  lit.set(place(node.netns, `dev:${name}:out`), bar);
  lit.set(place(node.netns, 'neighbours'), { x: bar.x + bar.width - 108, y: bar.y + 4, width: 102, height: bar.height - 8 });

  const into = place(node.netns, `dev:${name}:in`);
  const out = place(node.netns, `dev:${name}:out`);
  tracks.add(into, { x: ip.x, y: middle });
  tracks.add(out, { x: ip.out, y: middle });
  const stops: { x: number; spot: Place }[] = [
    { x: ip.x, spot: into },
    { x: ip.out, spot: out },
  ];
  for (const port of ports) {
    const spot = place(node.netns, `port:${name}:${port.device}`);
    const device = place(node.netns, `dev:${port.device}`);
    tracks.add(spot, { x: port.x, y: middle });
    const from = tracks.pointOf(device) as Point;
    tracks.connectBoth(device, spot, from.x === port.x ? [] : [{ x: port.x, y: from.y }]);
    stops.push({ x: port.x, spot });
    cables.push({
      id: `${device}|${name}`,
      kind: 'track',
      netns: [node.netns],
      places: [device, spot],
      points: [
        { x: port.x, y: from.y + DEVICE.height / 2 },
        { x: port.x, y: bar.y },
      ],
    });
  }
  stops.sort((a, b) => a.x - b.x);
  for (let i = 1; i < stops.length; i++) tracks.connectBoth((stops[i - 1] as { spot: Place }).spot, (stops[i] as { spot: Place }).spot);
  tracks.connect(into, place(node.netns, 'PREROUTING'));
  tracks.connect(place(node.netns, 'POSTROUTING'), out);
  cables.push({
    id: `${node.netns}|bridge-PREROUTING`,
    kind: 'track',
    netns: [node.netns],
    places: [into, place(node.netns, 'PREROUTING')],
    points: [
      { x: ip.x, y: bar.y + bar.height },
      { x: ip.x, y: ip.y },
    ],
  });
  cables.push({
    id: `${node.netns}|POSTROUTING-bridge`,
    kind: 'track',
    netns: [node.netns],
    places: [place(node.netns, 'POSTROUTING'), out],
    points: [
      { x: ip.out, y: ip.y },
      { x: ip.out, y: bar.y + bar.height },
    ],
  });
}
