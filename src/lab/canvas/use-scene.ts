import { useEffect, useMemo } from 'react';
import { formatIp } from '../../protocol/address.ts';
import { useCluster, useLab, useRun, useScreen } from '../lab-context.tsx';
import { layoutScene } from './layout.ts';
import { NO_PATH, pathOfRun, type TrafficPath } from './path-of-run.ts';
import type { Scene } from './scene.ts';

/** The scene of the cluster, laid out again only when its structure or what is in focus changes. */
export function useScene(): { readonly scene: Scene | undefined; readonly path: TrafficPath } {
  const lab = useLab();
  const cluster = useCluster();
  const run = useRun();
  const { pinned, traffic } = useScreen((s) => ({ pinned: s.pinned, traffic: s.traffic }));
  const topology = cluster?.topology;
  const devices = cluster?.devices;

  const path = useMemo(() => (cluster ? pathOfRun(cluster.recording.events, run) : NO_PATH), [cluster, run]);
  const scene = useMemo(() => {
    if (!cluster || !topology || !devices) return undefined;
    const pods = new Set([...path.reached, ...pinned]);
    const from = traffic && cluster.index.nodeOfNetns(traffic.from) ? traffic.from : undefined;
    if (!run && from) pods.add(from);
    if (!run && traffic) for (const pod of topology.pods) if (traffic.to.includes(formatIp(pod.ip))) pods.add(pod.netns);
    const nodes = new Set([...pods].flatMap((netns) => cluster.index.nodeOfNetns(netns) ?? []));
    return layoutScene({
      topology,
      podsByNode: cluster.index.podsByNode,
      nodeOfNetns: cluster.index.nodeOfNetns,
      focus: { nodes, pods },
      devices: (netns) => devices.get(netns) ?? [],
    });
  }, [cluster, topology, devices, path, pinned, run, traffic]);

  useEffect(() => lab.scenes.setState({ scene }), [lab, scene]);
  return { scene, path };
}
