import { formatCidr, formatIpv4, type Ipv4 } from '../../protocol/address.ts';
import { namespaceOf } from '../k8s/metadata.ts';
import type { Service } from '../k8s/service.ts';
import { type Cidr4, firstOf, lastOf, readAddress, sizeOf } from './address-range.ts';
import { BandedPool, lowerBandSize } from './banded-pool.ts';
import { clip, type ProblemList } from './problem-list.ts';
import { isHeadless, typeOf } from './service-defaults.ts';

/** Of a service network the first address is the API server's, the tenth by convention DNS's (kubeadm, GetDNSIP). */
const API_SERVER_HOST = 1;
const DNS_HOST = 10;

/** A Service with its defaults, and the object as it was written, where problems point to. */
export interface ServiceDraft {
  readonly source: Service;
  readonly service: Service;
}

/** Spec fields that hold what was allocated. */
interface Families {
  readonly clusterIP?: string;
  readonly clusterIPs?: readonly string[];
  readonly ipFamilies?: readonly string[];
  readonly ipFamilyPolicy?: string;
}

/**
 * ClusterIPs and address families (pkg/registry/core/service/storage/alloc.go): first all that are asked for, then
 * the others in the order of the Services. Of two families only IPv4 is kept.
 */
export function allocateClusterIps(drafts: readonly ServiceDraft[], serviceCidr: Cidr4, problems: ProblemList): readonly ServiceDraft[] {
  const pool = new BandedPool<Service>(
    firstOf(serviceCidr) + 1,
    lastOf(serviceCidr) - 1,
    lowerBandSize(sizeOf(serviceCidr.length), 16, 256),
  );
  const given = drafts.map((draft) => {
    const asked = askedFor(draft, problems);
    if (asked.kind === 'address') reserve(pool, asked.ip, asked.field, draft, serviceCidr, problems);
    return asked;
  });
  const byConvention = conventional(drafts, given, pool, serviceCidr);
  let full = false;
  return drafts.map((draft, i) => {
    const asked = given[i] as Asked;
    if (asked.kind === 'none') return draft;
    if (asked.kind === 'wrong') return draft;
    if (asked.kind === 'headless') return withSpec(draft, headlessFamilies(draft.service));
    const ip = asked.kind === 'address' ? asked.ip : (byConvention.get(draft) ?? pool.allocate(draft.source));
    if (ip === undefined) {
      if (!full)
        problems.error(
          draft.source,
          ['spec', 'clusterIP'],
          `no address is left for it in the Service network ${formatCidr(serviceCidr)}: give a ClusterConfiguration with a bigger networking.serviceSubnet`,
        );
      full = true;
      return draft;
    }
    const text = formatIpv4(ip as Ipv4);
    return withSpec(draft, {
      clusterIP: text,
      clusterIPs: [text],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: draft.service.spec?.ipFamilyPolicy ?? 'SingleStack',
    });
  });
}

const withSpec = (draft: ServiceDraft, families: Families): ServiceDraft => ({
  ...draft,
  service: { ...draft.service, spec: { ...draft.service.spec, ...families } },
});

type Asked =
  /** ExternalName: it has no address. */
  | { readonly kind: 'none' }
  | { readonly kind: 'wrong' }
  | { readonly kind: 'headless' }
  | { readonly kind: 'any' }
  | { readonly kind: 'address'; readonly ip: Ipv4; readonly field: readonly (string | number)[] };

function askedFor({ source, service }: ServiceDraft, problems: ProblemList): Asked {
  const { clusterIP = '', clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = service.spec ?? {};
  if (typeOf(service) === 'ExternalName') return { kind: 'none' };
  const twice = ipFamilies.findIndex((family, i) => ipFamilies.indexOf(family) < i);
  if (twice >= 0) return wrong(['spec', 'ipFamilies', twice], `${ipFamilies[twice]} is there twice: remove one`);
  if (clusterIPs.length > 2) return wrong(['spec', 'clusterIPs'], 'holds at most two addresses, one of each family: remove the others');
  if (ipFamilyPolicy === 'SingleStack' && (clusterIPs.length > 1 || ipFamilies.length > 1))
    return wrong(
      ['spec', 'ipFamilyPolicy'],
      `allows one family, and spec.${clusterIPs.length > 1 ? 'clusterIPs' : 'ipFamilies'} has two: use RequireDualStack or PreferDualStack, or remove one`,
    );
  if (clusterIP === '' && clusterIPs.length > 0)
    return wrong(
      ['spec', 'clusterIPs'],
      `needs spec.clusterIP as well, with the same first address: add clusterIP: ${clip(clusterIPs[0] as string, 60)}`,
    );
  if (clusterIPs.length > 0 && clusterIPs[0] !== clusterIP)
    return wrong(
      ['spec', 'clusterIPs', 0],
      `must be the same as spec.clusterIP, ${JSON.stringify(clip(clusterIP, 60))}, got ${JSON.stringify(clip(clusterIPs[0] as string, 60))}`,
    );
  if (isHeadless(service)) {
    return clusterIPs.length > 1
      ? wrong(['spec', 'clusterIPs', 1], 'after "None" there can be no address: remove it')
      : { kind: 'headless' };
  }
  let v6 = ipFamilies.includes('IPv6');
  let v6Address = false;
  let v4: Extract<Asked, { kind: 'address' }> | undefined;
  for (const [i, text] of (clusterIPs.length > 0 ? clusterIPs : clusterIP === '' ? [] : [clusterIP]).entries()) {
    const field = i === 0 ? ['spec', 'clusterIP'] : ['spec', 'clusterIPs', i];
    const read = readAddress(text);
    if (read.kind === 'invalid')
      return wrong(field, `expected an address or None, got ${JSON.stringify(clip(text, 60))}: remove it to have one assigned`);
    const family = read.kind === 'ipv6' ? 'IPv6' : 'IPv4';
    if (ipFamilies[i] !== undefined && ipFamilies[i] !== family)
      return wrong(field, `expected an ${ipFamilies[i]} address, as spec.ipFamilies[${i}] says, got ${clip(text, 60)}`);
    if (read.kind === 'ipv6' && v6Address) return wrong(field, 'is a second IPv6 address: a Service has one of each family');
    if (read.kind === 'ipv6') v6 = v6Address = true;
    else if (v4) return wrong(field, 'is a second IPv4 address: a Service has one of each family');
    else v4 = { kind: 'address', ip: read.value, field };
  }
  const onlyV6 = v4 === undefined && (clusterIP !== '' || (v6 && !ipFamilies.includes('IPv4')));
  if (onlyV6)
    return wrong(
      clusterIP === '' ? ['spec', 'ipFamilies'] : ['spec', 'clusterIP'],
      'IPv6 is not modelled yet: remove it to have an IPv4 address assigned',
    );
  if (v6 || service.spec?.ipFamilyPolicy === 'RequireDualStack')
    problems.info(
      source,
      ['spec', v6 ? 'ipFamilies' : 'ipFamilyPolicy'],
      'IPv6 is not modelled yet: of this Service only its IPv4 side is there',
    );
  return v4 ?? { kind: 'any' };

  function wrong(path: readonly (string | number)[], message: string): Asked {
    problems.error(source, path, message);
    return { kind: 'wrong' };
  }
}

function reserve(
  pool: BandedPool<Service>,
  ip: Ipv4,
  field: readonly (string | number)[],
  { source }: ServiceDraft,
  serviceCidr: Cidr4,
  problems: ProblemList,
): void {
  if (!pool.contains(ip)) {
    problems.error(
      source,
      field,
      `${formatIpv4(ip)} is not in the Service network ${formatCidr(serviceCidr)}: remove it to have an address assigned, or give a ClusterConfiguration with another networking.serviceSubnet`,
    );
    return;
  }
  const holder = pool.reserve(ip, source);
  if (!holder) return;
  problems.error(
    source,
    field,
    `${formatIpv4(ip)} is already the address of Service ${keyOf(holder)}${problems.placeText(holder, ['spec', 'clusterIP'])}: remove it to have another assigned`,
  );
}

/** The API server's own Service and kube-dns have their places unless somebody else asked for them; DNS's stays free for it. */
function conventional(
  drafts: readonly ServiceDraft[],
  given: readonly Asked[],
  pool: BandedPool<Service>,
  serviceCidr: Cidr4,
): ReadonlyMap<ServiceDraft, number> {
  const result = new Map<ServiceDraft, number>();
  const network = firstOf(serviceCidr);
  let dnsIsOpen = pool.contains(network + DNS_HOST);
  for (const [i, draft] of drafts.entries()) {
    if (given[i]?.kind !== 'any') continue;
    const key = keyOf(draft.service);
    const host = key === 'default/kubernetes' ? API_SERVER_HOST : key === 'kube-system/kube-dns' && dnsIsOpen ? DNS_HOST : undefined;
    if (host === undefined || pool.reserve(network + host, draft.source)) continue;
    if (host === DNS_HOST) dnsIsOpen = false;
    result.set(draft, network + host);
  }
  if (dnsIsOpen) pool.reserve(network + DNS_HOST, DNS_TO_COME);
  return result;
}

const DNS_TO_COME: Service = { apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'kube-system', name: 'kube-dns' } };

/** A headless Service without selector may have endpoints of both families, also where the cluster has one. */
function headlessFamilies({ spec = {} }: Service): Families {
  const dual = Object.keys(spec.selector ?? {}).length === 0 && spec.ipFamilyPolicy !== 'SingleStack';
  return {
    clusterIPs: ['None'],
    ipFamilies: spec.ipFamilies ?? (dual ? ['IPv4', 'IPv6'] : ['IPv4']),
    ipFamilyPolicy: spec.ipFamilyPolicy ?? (dual ? 'RequireDualStack' : 'SingleStack'),
  };
}

const keyOf = (service: Service): string => `${namespaceOf(service)}/${service.metadata?.name ?? ''}`;
