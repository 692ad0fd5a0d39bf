export type { ClusterPlan } from './control-plane/plan.ts';
export { compileCases } from './kube-proxy/cases.ts';
export { encodePcapng } from './packet/pcapng.ts';
export { evaluateCases } from './single-node/evaluate-cases.ts';
export { proxyCost } from './single-node/proxy-cost.ts';
export { traceRules } from './single-node/trace-rules.ts';
export { World } from './world.ts';
