import { stringify } from 'yaml';
import type { SourceFile } from '../protocol/engine.ts';
import { readDocuments } from './read-manifests.ts';

/**
 * Takes out of manifests what does not belong into a link: fields that the API server and its
 * controllers fill in, which a load works out anew, and the contents of Secrets. A file with none of
 * these keeps its text, comments and all; the others are written again from their data. A file that
 * cannot be read stays as it is.
 */
export function compactFiles(files: readonly SourceFile[]): readonly SourceFile[] {
  return files.map((file) => {
    const documents = readDocuments(file);
    if (!documents) return file;
    const stripped = documents.map((document) => stripDocument(document));
    if (stripped.every((document, i) => document === documents[i])) return file;
    return { name: file.name, text: stripped.map((document) => stringify(document, { lineWidth: 0 })).join('---\n') };
  });
}

type Mapping = Readonly<Record<string, unknown>>;

const isMapping = (value: unknown): value is Mapping => typeof value === 'object' && value !== null && !Array.isArray(value);

const DERIVED_METADATA = ['managedFields', 'uid', 'resourceVersion', 'creationTimestamp', 'generation', 'selfLink'];
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** What a load reads from a status, of a pod's conditions only one that says it is not ready; everything else there follows from the rest of the cluster. */
const KEPT_STATUS: Readonly<Record<string, readonly string[]>> = {
  Pod: ['phase', 'podIP', 'podIPs', 'conditions'],
  Node: ['addresses', 'allocatable', 'capacity'],
  Job: ['succeeded', 'conditions'],
  Service: ['loadBalancer'],
};

/** Returns the document itself when there is nothing to take out. */
function stripDocument(document: unknown, listKind = ''): unknown {
  if (!isMapping(document)) return document;
  if (typeof document.kind === 'string' && document.kind.endsWith('List') && Array.isArray(document.items)) {
    const itemKind = document.kind.slice(0, -'List'.length);
    const items = mapSame(document.items, (item) => stripDocument(item, itemKind));
    return withField(withField(document, 'items', items), 'metadata', stripListMetadata(document.metadata));
  }
  return stripObject(document, listKind);
}

function stripObject(object: Mapping, listKind: string): Mapping {
  const kind = typeof object.kind === 'string' ? object.kind : listKind;
  let result = withField(object, 'metadata', stripMetadata(object.metadata));
  result = withField(result, 'status', stripStatus(object.status, kind));
  if (kind === 'Secret') result = without(result, ['data', 'stringData']);
  if (kind === 'Pod') result = withField(result, 'spec', stripServiceAccountVolume(object.spec));
  return result;
}

/** A list's own metadata only says from which version of the store it was read. */
const stripListMetadata = (metadata: unknown): unknown => (isMapping(metadata) && Object.keys(metadata).length > 0 ? undefined : metadata);

function stripMetadata(metadata: unknown): unknown {
  if (!isMapping(metadata)) return metadata;
  let result = without(metadata, DERIVED_METADATA);
  if (isMapping(metadata.annotations)) {
    const annotations = without(metadata.annotations, [LAST_APPLIED]);
    const emptied = annotations !== metadata.annotations && Object.keys(annotations).length === 0;
    result = withField(result, 'annotations', emptied ? undefined : annotations);
  }
  if (Array.isArray(metadata.ownerReferences)) {
    const owners = mapSame(metadata.ownerReferences, (owner) => (isMapping(owner) ? without(owner, ['uid', 'blockOwnerDeletion']) : owner));
    result = withField(result, 'ownerReferences', owners);
  }
  return result;
}

function stripStatus(status: unknown, kind: string): unknown {
  if (!isMapping(status)) return status;
  const kept = Object.hasOwn(KEPT_STATUS, kind) ? (KEPT_STATUS[kind] as readonly string[]) : [];
  let result = without(
    status,
    Object.keys(status).filter((field) => !kept.includes(field)),
  );
  for (const field of ['allocatable', 'capacity']) {
    const resources = result[field];
    if (isMapping(resources))
      result = withField(
        result,
        field,
        without(
          resources,
          Object.keys(resources).filter((name) => name !== 'pods'),
        ),
      );
  }
  if (kind === 'Pod') result = withField(result, 'conditions', stripConditions(result.conditions));
  return Object.keys(result).length === 0 ? undefined : result;
}

function stripConditions(conditions: unknown): unknown {
  if (!Array.isArray(conditions)) return conditions;
  const notReady = conditions.filter((condition) => isMapping(condition) && condition.type === 'Ready' && condition.status !== 'True');
  const kept = notReady.map((condition: Mapping) =>
    without(
      condition,
      Object.keys(condition).filter((field) => field !== 'type' && field !== 'status'),
    ),
  );
  if (kept.length === conditions.length && kept.every((condition, i) => condition === conditions[i])) return conditions;
  return kept.length === 0 ? undefined : kept;
}

/** The volume with the service account's token that admission adds to every pod, under a random name. */
function stripServiceAccountVolume(spec: unknown): unknown {
  if (!isMapping(spec)) return spec;
  const isToken = (entry: unknown): boolean =>
    isMapping(entry) && typeof entry.name === 'string' && entry.name.startsWith('kube-api-access-');
  const drop = (owner: Mapping, field: string): Mapping => {
    const entries = owner[field];
    if (!Array.isArray(entries) || !entries.some(isToken)) return owner;
    const kept = entries.filter((entry) => !isToken(entry));
    return withField(owner, field, kept.length === 0 ? undefined : kept);
  };
  let result = drop(spec, 'volumes');
  for (const field of ['containers', 'initContainers']) {
    const containers = spec[field];
    if (!Array.isArray(containers)) continue;
    result = withField(
      result,
      field,
      mapSame(containers, (container) => (isMapping(container) ? drop(container, 'volumeMounts') : container)),
    );
  }
  return result;
}

/** Each returns its argument when nothing changes, so that "nothing to take out" shows. */
function without(mapping: Mapping, fields: readonly string[]): Mapping {
  if (!fields.some((field) => Object.hasOwn(mapping, field))) return mapping;
  return Object.fromEntries(Object.entries(mapping).filter(([field]) => !fields.includes(field)));
}

function withField(mapping: Mapping, field: string, value: unknown): Mapping {
  if (!Object.hasOwn(mapping, field) || mapping[field] === value) return mapping;
  return value === undefined ? without(mapping, [field]) : { ...mapping, [field]: value };
}

function mapSame(items: readonly unknown[], change: (item: unknown) => unknown): readonly unknown[] {
  const changed = items.map(change);
  return changed.some((item, i) => item !== items[i]) ? changed : items;
}
