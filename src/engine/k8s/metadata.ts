/**
 * What every API object has. Field names are the API's own; fields that the lab never reads are left
 * out of these types but stay in the objects. An absent field and an explicit `null` mean the same to
 * the API server; readers of manifests drop the nulls, so that here a field is there or `undefined`.
 */
export interface ApiObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata?: ObjectMeta | undefined;
}

export interface ObjectMeta {
  readonly name?: string | undefined;
  readonly generateName?: string | undefined;
  readonly namespace?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly ownerReferences?: readonly OwnerReference[] | undefined;
  readonly deletionTimestamp?: string | undefined;
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly controller?: boolean | undefined;
}

export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>> | undefined;
  readonly matchExpressions?: readonly LabelSelectorRequirement[] | undefined;
}

export interface LabelSelectorRequirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values?: readonly string[] | undefined;
}

/** The namespace of a namespaced object that names none (kubectl's default context). */
export const DEFAULT_NAMESPACE = 'default';

export const namespaceOf = (object: ApiObject): string => object.metadata?.namespace ?? DEFAULT_NAMESPACE;

/** The value of a label or annotation; safe for keys such as `constructor`, which plain indexing finds on every object. */
export function valueAt(map: Readonly<Record<string, string>> | undefined, key: string): string | undefined {
  return map !== undefined && Object.hasOwn(map, key) ? map[key] : undefined;
}

/** The owner that manages the object: the reference with `controller: true` (metav1.GetControllerOf), else the first. */
export function controllerOf(object: ApiObject): OwnerReference | undefined {
  const owners = object.metadata?.ownerReferences;
  return owners?.find((owner) => owner.controller === true) ?? owners?.[0];
}
