/** A scenario that comes with the project: `public/scenarios/NAME.yaml`. */
export interface ReadyMade {
  readonly name: string;
  /** Its `spec.title`. */
  readonly title: string;
  /** What it shows: the comment that its file begins with. */
  readonly shows: string;
}

/** From the simplest on. A test holds this list against the files. */
export const READY_MADE: readonly ReadyMade[] = [
  {
    name: 'clusterip',
    title: 'Through a ClusterIP to the other node',
    shows: 'Through a ClusterIP to the other node: DNAT on the way, undone on the way back.',
  },
  {
    name: 'ipvs',
    title: "IPVS has the Service's address on the node itself",
    shows:
      "kube-proxy in IPVS mode: the Service's address is on kube-ipvs0, so the packet comes up to INPUT, where the kernel's load balancer takes it. Servers take turns.",
  },
  {
    name: 'same-node-endpoint',
    title: 'A Service whose endpoint is on the same node',
    shows:
      "The endpoint is on the client's own bridge. What happens to the answer hangs on br_netfilter (net.bridge.bridge-nf-call-iptables): without it the bridge hands it straight back, past the NAT.",
  },
  {
    name: 'hairpin',
    title: 'A pod that talks to itself through its Service',
    shows: 'A pod that reaches itself through its own Service is masqueraded: else its answer would never leave the pod.',
  },
  {
    name: 'egress',
    title: 'From a pod to the Internet',
    shows: "Pod traffic that leaves the cluster takes the node's address; inside, pods keep theirs.",
  },
  {
    name: 'nodeport',
    title: 'From outside through a NodePort',
    shows: 'A NodePort answers on every node, whether or not it has an endpoint, and masquerades.',
  },
  {
    name: 'external-traffic-policy-local',
    title: 'Outside traffic stays on the node it came to',
    shows: "externalTrafficPolicy Local: nodes send only to their own endpoints, and the pod sees the client's address.",
  },
  {
    name: 'internal-traffic-policy-local',
    title: 'Inside traffic stays on its node',
    shows: 'internalTrafficPolicy Local: pods reach only endpoints on their own node, or none.',
  },
  {
    name: 'loadbalancer-source-ranges',
    title: 'A load balancer that lets in only some',
    shows: "loadBalancerSourceRanges: who may come to the load balancer's address. The outside client is 203.0.113.10.",
  },
  {
    name: 'named-and-multi-port',
    title: 'Named ports, and more than one',
    shows: 'A named targetPort may mean another number in every pod, and a Service may have several ports and protocols.',
  },
  {
    name: 'session-affinity',
    title: 'A client stays with its endpoint',
    shows: 'sessionAffinity ClientIP: whoever came once comes to the same endpoint for ten minutes.',
  },
  {
    name: 'no-endpoints',
    title: 'Services without endpoints',
    shows: 'Three Services without a ready endpoint: connections are refused by a rule, not left to time out.',
  },
  {
    name: 'terminating-endpoints',
    title: 'Endpoints on their way out',
    shows: 'Pods that are shutting down get no new connections, unless there are no others.',
  },
];
