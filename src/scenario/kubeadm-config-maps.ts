import { modelledKind } from '../engine/k8s/kinds.ts';
import { type ApiObject, namespaceOf } from '../engine/k8s/metadata.ts';

/** ConfigMaps of kube-system in which kubeadm keeps configurations as text: by name, the key and the kind there. */
const CONFIG_MAPS: Readonly<Record<string, { readonly key: string; readonly kind: string }>> = {
  'kube-proxy': { key: 'config.conf', kind: 'KubeProxyConfiguration' },
  'kubeadm-config': { key: 'ClusterConfiguration', kind: 'ClusterConfiguration' },
};

/** The configuration in one of kubeadm's ConfigMaps and the key that holds it; undefined for every other object. */
export function configurationIn(
  object: ApiObject,
  readText: (text: string) => readonly unknown[] | undefined,
): { readonly key: string; readonly configuration: ApiObject } | undefined {
  if (object.kind !== 'ConfigMap' || object.apiVersion !== 'v1' || namespaceOf(object) !== 'kube-system') return undefined;
  const name = object.metadata?.name ?? '';
  const known = Object.hasOwn(CONFIG_MAPS, name) ? CONFIG_MAPS[name] : undefined;
  const data: unknown = (object as { readonly data?: unknown }).data;
  if (!known || !isMapping(data)) return undefined;
  const text = Object.hasOwn(data, known.key) ? data[known.key] : undefined;
  if (typeof text !== 'string') return undefined;
  const configuration = readText(text)?.find(
    (document): document is ApiObject =>
      isMapping(document) &&
      document.kind === known.kind &&
      typeof document.apiVersion === 'string' &&
      modelledKind(document.apiVersion, known.kind) !== undefined,
  );
  return configuration && { key: known.key, configuration };
}

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
