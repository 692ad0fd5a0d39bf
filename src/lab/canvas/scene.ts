import type { HookName } from '../../protocol/event.ts';
import type { ContainerView, ExternalView, NodeView, PodView } from '../../protocol/view.ts';
import type { Place } from './place.ts';
import type { Point, TrackMap } from './tracks.ts';

/** What the canvas draws, with every coordinate decided. */
export interface Scene {
  readonly boxes: readonly SceneBox[];
  readonly cables: readonly Cable[];
  readonly tracks: TrackMap;
  /** Rectangles to light up, by place; also of boxes that share a frame with others. */
  readonly lit: ReadonlyMap<Place, Rect>;
  readonly width: number;
  readonly height: number;
}

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Cable {
  readonly id: string;
  /** `cable`: a veth pair or a wire. `track`: the way between two places of one namespace. */
  readonly kind: 'cable' | 'track';
  /** Namespaces that it joins. */
  readonly netns: readonly string[];
  readonly places: readonly [Place, Place];
  readonly points: readonly Point[];
}

export type SceneBox = Rect & { readonly id: string; readonly label: string; readonly netns: string } & BoxKind;

export type BoxKind =
  | { readonly kind: 'node'; readonly node: NodeView; readonly root: Rect; readonly podsTotal: number }
  | { readonly kind: 'pod'; readonly pod: PodView; readonly containers: readonly ContainerView[] }
  | { readonly kind: 'morePods'; readonly node: string; readonly count: number }
  | { readonly kind: 'device'; readonly device: string; readonly address: string | undefined; readonly role: 'veth' | 'uplink' }
  | { readonly kind: 'bridge'; readonly device: string; readonly address: string | undefined }
  | { readonly kind: 'hook'; readonly hook: HookName | 'routing' }
  | { readonly kind: 'process'; readonly pods: readonly PodView[] }
  | { readonly kind: 'conntrack' }
  /** The namespace's rules, with the tool that writes them. */
  | { readonly kind: 'rules' }
  | { readonly kind: 'external'; readonly external: ExternalView }
  | { readonly kind: 'fleet'; readonly nodes: number; readonly pods: number };
