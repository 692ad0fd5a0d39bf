import type { SourceFile } from '../protocol/engine.ts';

/**
 * The cluster that is there before anyone loads anything: two pods on each of three nodes, and one
 * request that crosses from one worker to the other. The address is the first that worker-2 hands out,
 * so it stays right when the template, and with it the pods' names, is edited.
 */
const FIRST_CLUSTER_YAML = `# Your first cluster. Edit it, or paste manifests of your own.
apiVersion: hoplab.dev/v1
kind: Scenario
metadata:
  name: first-cluster
spec:
  title: From pod to pod across two nodes
  seed: 1
  cni: bridge
  traffic:
    # From the client on worker-1 to a web pod on worker-2.
    - from: pod/default/client
      to: http://10.244.2.2/
---
apiVersion: v1
kind: Pod
metadata:
  name: client
  labels:
    app: client
spec:
  nodeName: worker-1
  containers:
    - name: curl
      image: curlimages/curl:8.17.0
      command: [sleep, infinity]
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 3
  selector:
    matchLabels:
      app: web
  template:
    metadata:
      labels:
        app: web
    spec:
      containers:
        - name: nginx
          image: nginx:1.29
          ports:
            - name: http
              containerPort: 80
        # Shares the pod's network namespace, and listens nowhere.
        - name: logs
          image: fluent/fluent-bit:4.2
---
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector:
    app: web
  ports:
    - name: http
      port: 80
      targetPort: http
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: coredns
  namespace: kube-system
  labels:
    k8s-app: kube-dns
spec:
  replicas: 2
  selector:
    matchLabels:
      k8s-app: kube-dns
  template:
    metadata:
      labels:
        k8s-app: kube-dns
    spec:
      tolerations:
        - key: node-role.kubernetes.io/control-plane
          effect: NoSchedule
      nodeSelector:
        kubernetes.io/os: linux
      containers:
        - name: coredns
          image: registry.k8s.io/coredns/coredns:v1.13.1
          ports:
            - name: dns
              containerPort: 53
              protocol: UDP
            - name: dns-tcp
              containerPort: 53
              protocol: TCP
            - name: metrics
              containerPort: 9153
              protocol: TCP
---
apiVersion: v1
kind: Service
metadata:
  name: kube-dns
  namespace: kube-system
spec:
  clusterIP: 10.96.0.10
  selector:
    k8s-app: kube-dns
  ports:
    - name: dns
      port: 53
      protocol: UDP
    - name: dns-tcp
      port: 53
      protocol: TCP
`;

export const FIRST_CLUSTER: readonly SourceFile[] = [{ name: 'first-cluster.yaml', text: FIRST_CLUSTER_YAML }];
