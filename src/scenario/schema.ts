import { z } from 'zod';
import type { ClusterConfiguration, KubeProxyConfiguration } from '../engine/k8s/configuration.ts';
import type { EndpointSlice } from '../engine/k8s/endpoint-slice.ts';
import type { Endpoints } from '../engine/k8s/endpoints.ts';
import type { ModelledKind, ModelledKinds, Namespace } from '../engine/k8s/kinds.ts';
import type { ApiObject } from '../engine/k8s/metadata.ts';
import type { Node } from '../engine/k8s/node.ts';
import type { Pod, PodTemplateSpec } from '../engine/k8s/pod.ts';
import type { Scenario } from '../engine/k8s/scenario.ts';
import type { Service } from '../engine/k8s/service.ts';
import type { DaemonSet, Deployment, Job, ReplicaSet, StatefulSet } from '../engine/k8s/workload.ts';

/**
 * The types of the fields that the lab reads; all other fields may be anything. Every `error` is a
 * phrase that completes "expected …". Nothing is converted, so what passed is the object itself. The
 * type of each schema ties it to the engine's: a field that one of them lacks does not compile.
 */

// Pages with a strict content security policy forbid the code generation that zod would try.
z.config({ jitless: true });

const text = z.string({ error: 'a string' });
const flag = z.boolean({ error: 'true or false' });
const textMap = z.record(z.string(), text, { error: 'a mapping of strings' });
const list = <T extends z.ZodType>(item: T) => z.array(item, { error: 'a list' });
const object = <T extends z.ZodRawShape>(shape: T) => z.looseObject(shape, { error: 'a mapping' });
const oneOf = <const T extends string>(...values: readonly T[]) =>
  z.enum(values, { error: `one of ${values.filter((value) => value !== '').join(', ')}` });
const matching = (pattern: RegExp, lengthMax: number, error: string) =>
  z.custom<string>((value) => typeof value === 'string' && value.length <= lengthMax && pattern.test(value), { error });
const integer = (min: number, max: number) =>
  z.custom<number>((value) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max, {
    error: max === Number.MAX_SAFE_INTEGER ? `an integer of at least ${min}` : `an integer from ${min} to ${max}`,
  });

const count = integer(0, Number.MAX_SAFE_INTEGER);
/** More is surely a slip, and would only fill the memory; Kubernetes is tested up to 150,000 pods in all. */
const replicas = integer(0, 200_000);
const port = integer(1, 65535);
/** RFC 1123 subdomain, as names of most objects. */
const objectName = matching(
  /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
  253,
  'a name of lower-case letters, digits, "-" and "."',
);
/** RFC 1035 label, as names of Services: Kubernetes 1.35 lets none begin with a digit. */
const serviceName = matching(
  /^[a-z]([-a-z0-9]*[a-z0-9])?$/,
  63,
  'a name of at most 63 lower-case letters, digits and "-" that begins with a letter',
);
/** RFC 1123 label, as names of namespaces and containers. */
const label = matching(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 63, 'a name of at most 63 lower-case letters, digits and "-"');
const generateName = matching(/^[a-z0-9][-a-z0-9.]*$/, 253, 'the beginning of a name, of lower-case letters, digits, "-" and "."');
/** As Go's time.ParseDuration reads it; KubeProxyConfiguration takes none that is negative. */
const duration = matching(/^(0|((\d+(\.\d*)?|\.\d+)(ms|us|µs|ns|h|m|s))+)$/, 40, 'a duration such as 15m0s');
const protocol = oneOf('TCP', 'UDP', 'SCTP');
/** 0 and the empty text stand for none (SetDefaults_Service). */
const portOrName = z.custom<number | string>(
  (value) => typeof value === 'string' || (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65535),
  { error: 'an integer from 1 to 65535 or the name of a port' },
);

const metadataShape = {
  namespace: label.optional(),
  labels: textMap.optional(),
  annotations: textMap.optional(),
  ownerReferences: list(object({ apiVersion: text, kind: text, name: text, controller: flag.optional() })).optional(),
  deletionTimestamp: text.optional(),
};
const named = object({ ...metadataShape, name: objectName, generateName: text.optional() });
const mayBeGenerated = object({ ...metadataShape, name: objectName.optional(), generateName: generateName.optional() }).refine(
  (meta) => meta.name !== undefined || meta.generateName !== undefined,
  { error: 'a name', path: ['name'] },
);
const ofTemplate = object({ ...metadataShape, name: text.optional(), generateName: text.optional() });

const requirement = <const T extends string>(...operators: readonly T[]) =>
  object({ key: text, operator: oneOf(...operators), values: list(text).optional() });
const labelSelector = object({
  matchLabels: textMap.optional(),
  matchExpressions: list(requirement('In', 'NotIn', 'Exists', 'DoesNotExist')).optional(),
});
const nodeRequirements = list(requirement('In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt'));
const effect = oneOf('NoSchedule', 'PreferNoSchedule', 'NoExecute');

const container = object({
  name: label,
  image: text.optional(),
  command: list(text).optional(),
  args: list(text).optional(),
  restartPolicy: text.optional(),
  ports: list(
    object({
      name: text.optional(),
      containerPort: port,
      hostPort: integer(0, 65535).optional(),
      hostIP: text.optional(),
      protocol: protocol.optional(),
    }),
  ).optional(),
});

const podSpec = object({
  containers: list(container).min(1, { error: 'at least one container' }),
  initContainers: list(container).optional(),
  nodeName: text.optional(),
  nodeSelector: textMap.optional(),
  affinity: object({
    nodeAffinity: object({
      requiredDuringSchedulingIgnoredDuringExecution: object({
        nodeSelectorTerms: list(object({ matchExpressions: nodeRequirements.optional(), matchFields: nodeRequirements.optional() })),
      }).optional(),
    }).optional(),
  }).optional(),
  tolerations: list(
    object({
      key: text.optional(),
      operator: oneOf('Exists', 'Equal').optional(),
      value: text.optional(),
      effect: oneOf('', 'NoSchedule', 'PreferNoSchedule', 'NoExecute').optional(),
    }),
  ).optional(),
  hostNetwork: flag.optional(),
});

const template: z.ZodType<PodTemplateSpec> = object({ metadata: ofTemplate.optional(), spec: podSpec });

const pod: z.ZodType<Pod> = object({
  apiVersion: z.literal('v1'),
  kind: z.literal('Pod'),
  metadata: mayBeGenerated,
  spec: podSpec,
  status: object({
    phase: text.optional(),
    podIP: text.optional(),
    podIPs: list(object({ ip: text })).optional(),
    conditions: list(object({ type: text, status: text })).optional(),
  }).optional(),
});

const node: z.ZodType<Node> = object({
  apiVersion: z.literal('v1'),
  kind: z.literal('Node'),
  metadata: named,
  spec: object({
    podCIDR: text.optional(),
    podCIDRs: list(text).optional(),
    taints: list(object({ key: text, value: text.optional(), effect })).optional(),
    unschedulable: flag.optional(),
  }).optional(),
  status: object({
    addresses: list(object({ type: text, address: text })).optional(),
    allocatable: object({ pods: z.union([text, count], { error: 'a number of pods' }).optional() }).optional(),
    capacity: object({ pods: z.union([text, count], { error: 'a number of pods' }).optional() }).optional(),
  }).optional(),
});

const replicatedShape = { replicas: replicas.optional(), selector: labelSelector.optional(), template };

const deployment: z.ZodType<Deployment> = object({
  apiVersion: z.literal('apps/v1'),
  kind: z.literal('Deployment'),
  metadata: named,
  spec: object(replicatedShape),
});

const replicaSet: z.ZodType<ReplicaSet> = object({
  apiVersion: z.literal('apps/v1'),
  kind: z.literal('ReplicaSet'),
  metadata: named,
  spec: object(replicatedShape),
});

const statefulSet: z.ZodType<StatefulSet> = object({
  apiVersion: z.literal('apps/v1'),
  kind: z.literal('StatefulSet'),
  metadata: named,
  spec: object({ ...replicatedShape, serviceName: text.optional(), ordinals: object({ start: count.optional() }).optional() }),
});

const daemonSet: z.ZodType<DaemonSet> = object({
  apiVersion: z.literal('apps/v1'),
  kind: z.literal('DaemonSet'),
  metadata: named,
  spec: object({ selector: labelSelector.optional(), template }),
});

const job: z.ZodType<Job> = object({
  apiVersion: z.literal('batch/v1'),
  kind: z.literal('Job'),
  metadata: mayBeGenerated,
  spec: object({
    parallelism: replicas.optional(),
    completions: replicas.optional(),
    completionMode: text.optional(),
    suspend: flag.optional(),
    template,
  }),
  status: object({ succeeded: count.optional(), conditions: list(object({ type: text, status: text })).optional() }).optional(),
});

const trafficPolicy = oneOf('Cluster', 'Local');
/** 0 asks for one to be allocated. */
const nodePort = integer(0, 65535);

const service: z.ZodType<Service> = object({
  apiVersion: z.literal('v1'),
  kind: z.literal('Service'),
  metadata: object({ ...metadataShape, name: serviceName, generateName: text.optional() }),
  spec: object({
    type: oneOf('', 'ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName').optional(),
    clusterIP: text.optional(),
    clusterIPs: list(text).optional(),
    externalIPs: list(text).optional(),
    externalName: text.optional(),
    selector: textMap.optional(),
    ports: list(
      object({
        name: text.optional(),
        port,
        targetPort: portOrName.optional(),
        nodePort: nodePort.optional(),
        protocol: protocol.optional(),
      }),
    ).optional(),
    sessionAffinity: oneOf('', 'None', 'ClientIP').optional(),
    sessionAffinityConfig: object({ clientIP: object({ timeoutSeconds: integer(1, 86_400).optional() }).optional() }).optional(),
    internalTrafficPolicy: trafficPolicy.optional(),
    externalTrafficPolicy: trafficPolicy.optional(),
    healthCheckNodePort: nodePort.optional(),
    loadBalancerIP: text.optional(),
    loadBalancerClass: text.optional(),
    loadBalancerSourceRanges: list(text).optional(),
    allocateLoadBalancerNodePorts: flag.optional(),
    publishNotReadyAddresses: flag.optional(),
    trafficDistribution: oneOf('PreferClose', 'PreferSameZone', 'PreferSameNode').optional(),
    ipFamilies: list(oneOf('IPv4', 'IPv6')).optional(),
    ipFamilyPolicy: oneOf('SingleStack', 'PreferDualStack', 'RequireDualStack').optional(),
  }).optional(),
  status: object({
    loadBalancer: object({
      ingress: list(object({ ip: text.optional(), hostname: text.optional(), ipMode: oneOf('VIP', 'Proxy').optional() })).optional(),
    }).optional(),
  }).optional(),
});

const targetRef = object({ kind: text.optional(), namespace: text.optional(), name: text.optional() });
const endpointPorts = list(object({ name: text.optional(), protocol: protocol.optional(), port: port.optional() }));
const hints = list(object({ name: text }));

const endpointSlice: z.ZodType<EndpointSlice> = object({
  apiVersion: z.literal('discovery.k8s.io/v1'),
  kind: z.literal('EndpointSlice'),
  metadata: mayBeGenerated,
  addressType: oneOf('IPv4', 'IPv6', 'FQDN'),
  endpoints: list(
    object({
      addresses: list(text).min(1, { error: 'at least one address' }),
      conditions: object({ ready: flag.optional(), serving: flag.optional(), terminating: flag.optional() }).optional(),
      nodeName: text.optional(),
      zone: text.optional(),
      hints: object({ forZones: hints.optional(), forNodes: hints.optional() }).optional(),
      targetRef: targetRef.optional(),
    }),
  ).optional(),
  ports: endpointPorts.optional(),
});

const endpointAddresses = list(object({ ip: text, nodeName: text.optional(), targetRef: targetRef.optional() }));

const endpoints: z.ZodType<Endpoints> = object({
  apiVersion: z.literal('v1'),
  kind: z.literal('Endpoints'),
  metadata: named,
  subsets: list(
    object({
      addresses: endpointAddresses.optional(),
      notReadyAddresses: endpointAddresses.optional(),
      ports: endpointPorts.optional(),
    }),
  ).optional(),
});

const namespace: z.ZodType<Namespace> = object({ apiVersion: z.literal('v1'), kind: z.literal('Namespace'), metadata: named });

const clusterConfiguration: z.ZodType<ClusterConfiguration> = object({
  apiVersion: text,
  kind: z.literal('ClusterConfiguration'),
  networking: object({ podSubnet: text.optional(), serviceSubnet: text.optional(), dnsDomain: text.optional() }).optional(),
});

const masquerade = { masqueradeAll: flag.optional(), masqueradeBit: integer(0, 31).optional() };

const kubeProxyConfiguration: z.ZodType<KubeProxyConfiguration> = object({
  apiVersion: text,
  kind: z.literal('KubeProxyConfiguration'),
  mode: oneOf('iptables', 'nftables', 'ipvs', '').optional(),
  clusterCIDR: text.optional(),
  detectLocalMode: oneOf('ClusterCIDR', 'NodeCIDR', 'BridgeInterface', 'InterfaceNamePrefix', '').optional(),
  nodePortAddresses: list(text).optional(),
  iptables: object({ ...masquerade, localhostNodePorts: flag.optional() }).optional(),
  nftables: object(masquerade).optional(),
  ipvs: object({
    scheduler: oneOf('rr', 'wrr', 'lc', 'wlc', 'lblc', 'lblcr', 'dh', 'sh', 'sed', 'nq', 'mh', '').optional(),
    strictARP: flag.optional(),
    excludeCIDRs: list(text).optional(),
    tcpTimeout: duration.optional(),
    tcpFinTimeout: duration.optional(),
    udpTimeout: duration.optional(),
  }).optional(),
  conntrack: object({ tcpBeLiberal: flag.optional() }).optional(),
});

const scenario: z.ZodType<Scenario> = object({
  apiVersion: z.literal('hoplab.dev/v1'),
  kind: z.literal('Scenario'),
  metadata: ofTemplate.optional(),
  spec: object({
    title: text.optional(),
    seed: integer(0, 2 ** 32 - 1).optional(),
    cni: oneOf('bridge').optional(),
    proxyMode: oneOf('iptables', 'nftables', 'ipvs').optional(),
    underlay: object({ cidr: text.optional(), router: text.optional(), podRoutes: flag.optional() }).optional(),
    traffic: list(
      object({
        from: matching(/\S/, 1000, 'where it starts, such as pod/default/web'),
        to: matching(/\S/, 1000, 'where it goes, such as 10.244.1.2:80'),
        protocol: oneOf('tcp', 'udp', 'icmp', 'http').optional(),
      }),
    ).optional(),
  }).optional(),
});

export const SCHEMAS: { readonly [K in ModelledKind]: z.ZodType<ModelledKinds[K]> } = {
  Node: node,
  Namespace: namespace,
  Pod: pod,
  Deployment: deployment,
  ReplicaSet: replicaSet,
  StatefulSet: statefulSet,
  DaemonSet: daemonSet,
  Job: job,
  Service: service,
  EndpointSlice: endpointSlice,
  Endpoints: endpoints,
  ClusterConfiguration: clusterConfiguration,
  KubeProxyConfiguration: kubeProxyConfiguration,
  Scenario: scenario,
};

/** Of any other kind only what names it is read. */
export const ANY_OBJECT: z.ZodType<ApiObject> = object({
  apiVersion: text,
  kind: text,
  metadata: object({ name: text.optional(), namespace: text.optional(), generateName: text.optional() }).optional(),
});

/** The lab's own document has no other readers, so a field that it does not know is a slip or of a newer version. */
export const SCENARIO_FIELDS: ReadonlySet<string> = new Set(['title', 'seed', 'cni', 'proxyMode', 'underlay', 'traffic']);
