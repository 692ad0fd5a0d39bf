/** The canvas's grid, in world units; at zoom 1 a unit is a pixel. Type on the canvas is 12 to 13 units. */
export const POD = { width: 156, height: 112, gapX: 12, gapY: 18 } as const;
export const NODE = { padding: 10, header: 38, gap: 20, columns: { narrow: 2, wide: 3 }, rowsMax: 2 } as const;
export const DEVICE = { width: 116, height: 24 } as const;

/** Offsets inside a node's root network namespace, from its top. One more row of veth ends moves the rest down. */
export const ROOT = {
  padding: 10,
  veth: 12,
  vethPitch: 32,
  bridge: 48,
  bridgeHeight: 30,
  hooks: 100,
  hookHeight: 28,
  routing: 142,
  local: 186,
  localHeight: 28,
  corridor: 225,
  uplink: 236,
  uplinkHeight: 30,
  height: 278,
} as const;

/** Widths of the chips of the IP layer. */
export const CHIP = {
  PREROUTING: 96,
  POSTROUTING: 106,
  conntrack: 82,
  routing: 58,
  FORWARD: 80,
  INPUT: 62,
  OUTPUT: 70,
  gap: 12,
  lane: 16,
  uplink: 206,
} as const;

export const UNDERLAY = { gap: 34, height: 38 } as const;
export const OUTSIDE = { gap: 26, width: 184, height: 46, apart: 56 } as const;
export const FLEET = { width: 260 } as const;

/** Every node of a scene is as wide as its fullest one needs. */
export const nodeWidth = (columns: number): number => columns * POD.width + (columns - 1) * POD.gapX + 2 * NODE.padding;
