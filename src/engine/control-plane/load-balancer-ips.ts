import { formatCidr, formatIpv4, type Ipv4 } from '../../protocol/address.ts';
import type { LoadBalancerIngress } from '../k8s/service.ts';
import { type Cidr4, firstOf, lastOf, readAddress } from './address-range.ts';
import type { ServiceDraft } from './cluster-ips.ts';
import { clip, type ProblemList } from './problem-list.ts';
import { typeOf } from './service-defaults.ts';

/**
 * What a cloud's controller does for Services of type LoadBalancer: each gets an address of `pool`, in order, or
 * the one that it asks for by the old field spec.loadBalancerIP. Addresses that a status gives are kept. A Service
 * with a loadBalancerClass is left to whoever has that class. Only here does a status mean anything.
 */
export function assignLoadBalancerIps(drafts: readonly ServiceDraft[], pool: Cidr4, problems: ProblemList): readonly ServiceDraft[] {
  const taken = new Set<number>();
  for (const draft of drafts) for (const { ip } of givenIngress(draft)) take(ip);
  for (const { service } of drafts) if (typeOf(service) === 'LoadBalancer') take(service.spec?.loadBalancerIP);
  let next = firstOf(pool) + 1;
  let pending = false;
  return drafts.map((draft) => {
    const { service, source } = draft;
    const given = givenIngress(draft);
    if (given.length > 0) return withIngress(draft, given);
    if (typeOf(service) !== 'LoadBalancer') return withIngress(draft, undefined);
    const { loadBalancerClass, loadBalancerIP } = service.spec ?? {};
    if (loadBalancerClass) {
      problems.info(
        source,
        ['spec', 'loadBalancerClass'],
        `the lab's cloud leaves this class to others, so its address stays pending: remove the class, or give an address in status.loadBalancer.ingress`,
      );
      return withIngress(draft, undefined);
    }
    if (loadBalancerIP) {
      const asked = readAddress(loadBalancerIP);
      if (asked.kind === 'ipv4') return withIngress(draft, [vip(asked.value)]);
      problems.warning(
        source,
        ['spec', 'loadBalancerIP'],
        `the lab's cloud gives IPv4 addresses only, and cannot give ${JSON.stringify(clip(loadBalancerIP, 60))}: the address stays pending. Remove it to have one assigned`,
      );
      return withIngress(draft, undefined);
    }
    while (next < lastOf(pool) && taken.has(next)) next++;
    if (next < lastOf(pool)) return withIngress(draft, [vip(next++)]);
    if (!pending)
      problems.warning(
        source,
        ['spec', 'type'],
        `the lab's cloud has no address left in ${formatCidr(pool)}: from this Service on, addresses stay pending. Give them in status.loadBalancer.ingress`,
      );
    pending = true;
    return withIngress(draft, undefined);
  });

  function take(text: string | undefined): void {
    const read = text === undefined ? undefined : readAddress(text);
    if (read?.kind === 'ipv4') taken.add(read.value);
  }
}

const vip = (ip: number): LoadBalancerIngress => ({ ip: formatIpv4(ip as Ipv4), ipMode: 'VIP' });

function givenIngress({ service }: ServiceDraft): readonly LoadBalancerIngress[] {
  if (typeOf(service) !== 'LoadBalancer') return [];
  // The API server fills in the mode of an address (SetDefaults_ServiceStatus), a name has none.
  return (service.status?.loadBalancer?.ingress ?? []).map((ingress) =>
    ingress.ip ? { ...ingress, ipMode: ingress.ipMode ?? 'VIP' } : ingress,
  );
}

function withIngress(draft: ServiceDraft, ingress: readonly LoadBalancerIngress[] | undefined): ServiceDraft {
  return { ...draft, service: { ...draft.service, status: { loadBalancer: ingress ? { ingress } : {} } } };
}
