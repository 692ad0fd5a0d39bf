import { createStore } from 'zustand/vanilla';
import type { Problem } from '../../protocol/view.ts';
import type { Scene } from '../canvas/scene.ts';
import type { Point } from '../canvas/tracks.ts';
import type { Traffic } from '../send/default-traffic.ts';

export type PanelTab = 'journey' | 'packet' | 'tables';
export type JourneyFilter = 'packet' | 'everything';
export type Overlay = 'send' | 'manifests' | 'palette' | 'shortcuts' | undefined;

/** What is open, chosen and remembered; nothing here is about a moment of the recording. */
export interface ScreenState {
  readonly theme: 'light' | 'dark';
  readonly tab: PanelTab;
  readonly panelOpen: boolean;
  readonly filter: JourneyFilter;
  readonly overlay: Overlay;
  /** Namespace whose tables are shown; undefined follows the packet. */
  readonly selected: string | undefined;
  /** Nodes and pods that a search asked for, besides those that the traffic touches. */
  readonly pinned: readonly string[];
  /** Whether the camera goes along with the packet. */
  readonly follow: boolean;
  /** What the space bar sends. */
  readonly traffic: Traffic | undefined;
  /** Prefilled parts of the send form. */
  readonly draft: Partial<Traffic>;
  readonly notice: Notice | undefined;
  readonly problems: readonly Problem[];
}

export interface Notice {
  readonly tone: 'info' | 'error';
  readonly title: string;
  readonly detail: string | undefined;
}

export type ScreenStore = ReturnType<typeof createScreenStore>;

export const createScreenStore = (theme: 'light' | 'dark') =>
  createStore<ScreenState>(() => ({
    theme,
    tab: 'journey',
    panelOpen: true,
    filter: 'packet',
    overlay: undefined,
    selected: undefined,
    pinned: [],
    follow: true,
    traffic: undefined,
    draft: {},
    notice: undefined,
    problems: [],
  }));

/** The scene as laid out, and the line that a person is dragging from one box to another. */
export interface SceneState {
  readonly scene: Scene | undefined;
  readonly drag: Drag | undefined;
  /** A place that the camera is asked to show; a new object each time. */
  readonly lookAt: { readonly netns: string } | { readonly all: true } | undefined;
}

export interface Drag {
  readonly from: string;
  readonly start: Point;
  readonly end: Point;
  readonly over: string | undefined;
}

export type SceneStore = ReturnType<typeof createSceneStore>;

export const createSceneStore = () => createStore<SceneState>(() => ({ scene: undefined, drag: undefined, lookAt: undefined }));
