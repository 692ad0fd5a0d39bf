export type { ClusterPlan } from './control-plane/plan.ts';
export { encodeFrame } from './packet/codec.ts';
export { type Capture, encodePcapng } from './packet/pcapng.ts';
export { World } from './world.ts';
