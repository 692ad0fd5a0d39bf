import type { ProbeProtocol, ProxyMode } from '../protocol/event.ts';

/** One cluster, what is changed in it, and what is sent; each probe finds the cluster as if it had just started. */
export interface ComparedScenario {
  readonly name: string;
  readonly manifests: string;
  readonly mode: ProxyMode;
  readonly sysctls: readonly { readonly netns: string; readonly key: string; readonly value: string }[];
  readonly probes: readonly ComparedProbe[];
}

export interface ComparedProbe {
  readonly from: string;
  readonly to: string;
  readonly protocol: ProbeProtocol;
  /** So many connections, one after the other: who answers them is compared, not their frames. */
  readonly count?: number;
}
