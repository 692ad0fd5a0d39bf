export type { ClusterPlan } from './control-plane/plan.ts';
export { encodePcapng } from './packet/pcapng.ts';
export { World } from './world.ts';
