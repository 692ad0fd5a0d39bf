import { describe, expect, it } from 'vitest';
import type { ObjectMeta } from '../k8s/metadata.ts';
import type { Service, ServiceSpec } from '../k8s/service.ts';
import { cidr4 } from './address-range.ts';
import { ProblemList } from './problem-list.ts';
import { storeServices } from './services.ts';

const SERVICE_CIDR = cidr4(0x0a600000, 12); // 10.96.0.0/12
const LOAD_BALANCERS = cidr4(0xc6336400, 24); // 198.51.100.0/24
const HTTP = { ports: [{ port: 80 }] };
const RANGES = 'service.beta.kubernetes.io/load-balancer-source-ranges';

/** `severity field: message` of everything that is said of one Service. */
function said(spec: ServiceSpec, metadata: ObjectMeta = {}, status?: Service['status']): readonly string[] {
  const problems = new ProblemList(() => undefined);
  const service: Service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', ...metadata },
    spec,
    ...(status ? { status } : {}),
  };
  storeServices([service], SERVICE_CIDR, LOAD_BALANCERS, problems);
  return problems.all().map(({ severity, field, message }) => `${severity} ${field}: ${message}`);
}

describe('the API server refuses, and so does the lab,', () => {
  it('a selector that no labels could match', () => {
    expect(said({ ...HTTP, selector: { 'a b': 'c' } })).toEqual([expect.stringMatching(/^error spec\.selector: "a b" is no name/)]);
    expect(said({ ...HTTP, selector: { app: 'c d' } })).toEqual([expect.stringMatching(/^error spec\.selector: "c d" is no value/)]);
  });

  it('families of an ExternalName', () => {
    const name = { type: 'ExternalName', externalName: 'example.com' };
    expect(said({ ...name, ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' })).toEqual([
      expect.stringMatching(/^error spec\.ipFamilies: /),
      expect.stringMatching(/^error spec\.ipFamilyPolicy: /),
    ]);
    expect(said({ ...name, ipFamilies: [], internalTrafficPolicy: 'Local' })).toEqual([]);
  });

  it('families that contradict each other or the addresses', () => {
    expect(said({ ...HTTP, ipFamilies: ['IPv4', 'IPv4'] })).toEqual([
      expect.stringMatching(/^error spec\.ipFamilies\[1\]: IPv4 is there twice/),
    ]);
    expect(said({ ...HTTP, clusterIP: '10.96.3.3', ipFamilies: ['IPv6'] })).toEqual([
      expect.stringMatching(/^error spec\.clusterIP: expected an IPv6 address, as spec\.ipFamilies\[0\] says, got 10\.96\.3\.3/),
    ]);
    expect(said({ ...HTTP, ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv4', 'IPv6'] })).toEqual([
      expect.stringMatching(/^error spec\.ipFamilyPolicy: allows one family/),
    ]);
    const three = ['10.96.3.3', 'fd00::1', 'fd00::2'];
    expect(said({ ...HTTP, clusterIP: '10.96.3.3', clusterIPs: three })).toEqual([
      expect.stringMatching(/^error spec\.clusterIPs: holds at most two/),
    ]);
    expect(said({ ...HTTP, clusterIP: 'fd00::1', clusterIPs: three.slice(1) })).toEqual([
      expect.stringMatching(/^error spec\.clusterIPs\[1\]: is a second IPv6 address/),
    ]);
    expect(said({ ...HTTP, clusterIP: '10.96.3.3', clusterIPs: three.slice(0, 2), ipFamilies: ['IPv4', 'IPv6'] })).toEqual([
      expect.stringMatching(/^info spec\.ipFamilies: IPv6 is not modelled/),
    ]);
  });

  it('the kubelet\u2019s port at a load balancer, and there only', () => {
    expect(said({ type: 'LoadBalancer', ports: [{ port: 10_250 }] })).toEqual([
      expect.stringMatching(/^error spec\.ports\[0\]\.port: 10250/),
    ]);
    expect(said({ type: 'NodePort', ports: [{ port: 10_250 }] })).toEqual([]);
  });

  it('a class of load balancers that is no name', () => {
    for (const loadBalancerClass of ['', 'a b', '/x'])
      expect(said({ ...HTTP, type: 'LoadBalancer', loadBalancerClass })).toContainEqual(
        expect.stringMatching(/^error spec\.loadBalancerClass: expected a name/),
      );
  });

  it('external addresses of IPv6 at which nobody else could be', () => {
    const externalIPs = ['::', '::1', 'fe80::1', 'febf::1', 'ff02::1', 'fec0::1', 'ff05::1', 'fd00::1'];
    expect(said({ ...HTTP, externalIPs }).map((text) => text.slice(0, 27))).toEqual(
      [0, 1, 2, 3, 4].map((i) => `error spec.externalIPs[${i}]: `),
    );
  });

  it('source ranges in the old annotation, with the old annotation\u2019s spaces and commas', () => {
    const of = (text: string, spec: ServiceSpec = { ...HTTP, type: 'LoadBalancer' }) => said(spec, { annotations: { [RANGES]: text } });
    expect(of('192.0.2.0/24, 198.51.100.0/24')).toEqual([
      expect.stringMatching(/^info metadata\.annotations.*kube-proxy does not read it/),
    ]);
    expect(of(' ')).toEqual([]);
    expect(of('192.0.2.0/24,')).toEqual([expect.stringMatching(/^error metadata\.annotations.*expected a network/)]);
    expect(of('192.0.2.0/24', HTTP)).toEqual([
      expect.stringMatching(/^error metadata\.annotations.*only for Services of type LoadBalancer/),
    ]);
    expect(of('x', { ...HTTP, type: 'LoadBalancer', loadBalancerSourceRanges: ['192.0.2.0/24'] })).toEqual([]);
  });

  it('a status of load balancers that contradicts itself', () => {
    const of = (...ingress: NonNullable<NonNullable<NonNullable<Service['status']>['loadBalancer']>['ingress']>) =>
      said({ ...HTTP, type: 'LoadBalancer' }, {}, { loadBalancer: { ingress } });
    expect(of({ ipMode: 'Proxy' })).toEqual([expect.stringMatching(/^error status\.loadBalancer\.ingress\[0\]\.ipMode: /)]);
    expect(of({ hostname: '192.0.2.1' }, { hostname: 'A b' })).toEqual([
      expect.stringMatching(/^error status\.loadBalancer\.ingress\[0\]\.hostname: .*write it as ip/),
      expect.stringMatching(/^error status\.loadBalancer\.ingress\[1\]\.hostname: expected a DNS name/),
    ]);
    expect(of({ hostname: 'lb.example.com' }, { ip: '192.0.2.1', ipMode: 'Proxy' })).toEqual([]);
  });
});

describe('the API server takes, and so does the lab,', () => {
  it('empty texts and a targetPort of 0 for what they leave out', () => {
    expect(said({ type: '', sessionAffinity: '', ports: [{ port: 80, targetPort: 0 }] })).toEqual([]);
    expect(said({ ports: [{ port: 80, targetPort: '' }] })).toEqual([]);
  });
});
