import type { Container } from '../k8s/pod.ts';
import type { ListenPlan } from './plan.ts';

type Listen = Pick<ListenPlan, 'protocol' | 'port'>;

const tcp = (...ports: readonly number[]): readonly Listen[] => ports.map((port) => ({ protocol: 'tcp', port }));
const udp = (...ports: readonly number[]): readonly Listen[] => ports.map((port) => ({ protocol: 'udp', port }));

/**
 * Where the programs of common images listen when they are left at their defaults, by the last part of
 * the image's repository. From the images' own documentation and EXPOSE lines.
 */
const PORTS: ReadonlyMap<string, readonly Listen[]> = new Map([
  ['nginx', tcp(80)],
  ['nginx-unprivileged', tcp(8080)],
  ['httpd', tcp(80)],
  ['caddy', tcp(80, 443)],
  ['haproxy', tcp(80)],
  ['traefik', tcp(80)],
  ['whoami', tcp(80)],
  ['openresty', tcp(80)],
  ['wordpress', tcp(80)],
  ['nextcloud', tcp(80)],
  ['httpbin', tcp(80)],
  ['echo-server', tcp(80)],
  ['http-echo', tcp(5678)],
  ['hello-app', tcp(8080)],
  ['echoserver', tcp(8080)],
  ['tomcat', tcp(8080)],
  ['jenkins', tcp(8080, 50000)],
  ['keycloak', tcp(8080)],
  ['adminer', tcp(8080)],
  ['podinfo', tcp(9898)],
  ['redis', tcp(6379)],
  ['valkey', tcp(6379)],
  ['memcached', tcp(11211)],
  ['postgres', tcp(5432)],
  ['postgresql', tcp(5432)],
  ['mysql', tcp(3306)],
  ['mariadb', tcp(3306)],
  ['mongo', tcp(27017)],
  ['mongodb', tcp(27017)],
  ['cassandra', tcp(9042)],
  ['couchdb', tcp(5984)],
  ['influxdb', tcp(8086)],
  ['clickhouse-server', tcp(8123, 9000)],
  ['elasticsearch', tcp(9200, 9300)],
  ['opensearch', tcp(9200, 9300)],
  ['kibana', tcp(5601)],
  ['rabbitmq', tcp(5672)],
  ['nats', tcp(4222)],
  ['kafka', tcp(9092)],
  ['zookeeper', tcp(2181)],
  ['etcd', tcp(2379, 2380)],
  ['consul', tcp(8500)],
  ['vault', tcp(8200)],
  ['minio', tcp(9000)],
  ['registry', tcp(5000)],
  ['prometheus', tcp(9090)],
  ['alertmanager', tcp(9093)],
  ['node-exporter', tcp(9100)],
  ['grafana', tcp(3000)],
  ['loki', tcp(3100)],
  ['coredns', [...udp(53), ...tcp(53)]],
  ['eclipse-mosquitto', tcp(1883)],
  ['kube-apiserver', tcp(6443)],
]);

/** The last part of an image's repository: `nginx` of `registry.example:5000/library/nginx:1.29@sha256:…`. */
export function imageName(image: string): string {
  const withoutDigest = image.split('@', 1)[0] as string;
  const last = withoutDigest.slice(withoutDigest.lastIndexOf('/') + 1);
  return (last.split(':', 1)[0] as string).toLowerCase();
}

/** Where a container listens that declares no ports: nowhere, unless its image is known and runs its usual program. */
export function usualListens(container: Container): readonly Listen[] {
  if (idles(container)) return [];
  const name = imageName(container.image ?? '');
  if (name === 'agnhost') return agnhostListens(container);
  if (name === 'http-echo') {
    const port = flagPort(container, 'listen');
    if (port !== undefined) return tcp(port);
  }
  return PORTS.get(name) ?? [];
}

/** agnhost pauses unless it is told to serve (kubernetes/test/images/agnhost: netexec, serve-hostname). */
function agnhostListens(container: Container): readonly Listen[] {
  const words = wordsOf(container);
  if (words.includes('netexec')) return [...tcp(flagPort(container, 'http-port') ?? 8080), ...udp(flagPort(container, 'udp-port') ?? 8081)];
  if (words.includes('serve-hostname')) return tcp(flagPort(container, 'port') ?? 9376);
  return [];
}

const wordsOf = (container: Container): readonly string[] => [...(container.command ?? []), ...(container.args ?? [])];

/** `image: nginx` with `command: [sleep, infinity]` runs no nginx. */
function idles(container: Container): boolean {
  const text = wordsOf(container).join(' ');
  return /^(\S*\/)?((sh|bash|ash)\s+-c\s+)?(\S*\/)?(sleep|tail|cat|pause|while|trap)\b/.test(text);
}

/** The port of `-flag=8080`, `--flag 8080` or `--flag=:8080`. */
function flagPort(container: Container, flag: string): number | undefined {
  const match = new RegExp(`(?:^|\\s)--?${flag}[= ]\\S*?(\\d{1,5})(?:\\s|$)`).exec(wordsOf(container).join(' '));
  const port = Number(match?.[1]);
  return port >= 1 && port <= 65535 ? port : undefined;
}
