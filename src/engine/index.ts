export type { ClusterPlan } from './control-plane/plan.ts';
export { evaluateCases } from './evaluate-cases.ts';
export { compileCases } from './kube-proxy/cases.ts';
export { encodePcapng } from './packet/pcapng.ts';
export { World } from './world.ts';
