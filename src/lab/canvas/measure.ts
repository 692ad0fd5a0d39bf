/** The canvas's grid, in world units; at zoom 1 a unit is a pixel. Type on the canvas is 12 to 13 units. */
export const POD = { width: 140, height: 108, gapX: 12, gapY: 18 } as const;
export const NODE = { padding: 12, header: 36, gap: 28, columns: 3, rowsMax: 2 } as const;
export const DEVICE = { width: 104, height: 22 } as const;

/** Offsets inside a node's root network namespace, from its top. One more row of veth ends moves the rest down. */
export const ROOT = {
  padding: 12,
  veth: 12,
  vethPitch: 30,
  bridge: 46,
  bridgeHeight: 30,
  chips: 112,
  chipHeight: 28,
  local: 156,
  localHeight: 26,
  corridor: 195,
  uplink: 206,
  uplinkHeight: 30,
  height: 246,
} as const;

/** Chips of the IP layer: name and width, in the order in which a forwarded packet meets them. */
export const CHIPS = [
  { hook: 'PREROUTING', width: 94 },
  { hook: 'routing', width: 64 },
  { hook: 'FORWARD', width: 78 },
  { hook: 'POSTROUTING', width: 104 },
] as const;

export const UNDERLAY = { gap: 36, height: 40 } as const;
export const OUTSIDE = { gap: 28, width: 168, height: 50, apart: 56 } as const;
export const FLEET = { width: 260 } as const;

export const nodeWidth = NODE.columns * POD.width + (NODE.columns - 1) * POD.gapX + 2 * NODE.padding;
