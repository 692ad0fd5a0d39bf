import { describe, expect, it } from 'vitest';
import { formatCidr, formatIp } from '../../protocol/address.ts';
import type { ServiceSpec } from '../k8s/service.ts';
import { HTTP, service } from './object-fixtures.ts';
import { servicePorts } from './service-port.ts';

const portOf = (spec: ServiceSpec, ...ingress: { ip: string; ipMode?: string }[]) => {
  const [port] = servicePorts(service('web', '172.30.0.41', spec, ingress), 'IPv4');
  if (port === undefined) throw new Error('the Service has a port');
  return port;
};

describe('service ports', () => {
  it('1: headless and ExternalName Services are ignored, also an ExternalName one with a cluster IP', () => {
    expect(servicePorts(service('web', 'None'), 'IPv4')).toEqual([]);
    expect(servicePorts(service('web', ''), 'IPv4')).toEqual([]);
    expect(servicePorts(service('web', '172.30.0.41', { type: 'ExternalName' }), 'IPv4')).toEqual([]);
  });

  it('2: a proxier sees the addresses of its own family', () => {
    const spec: ServiceSpec = {
      type: 'LoadBalancer',
      clusterIPs: ['172.30.0.41', 'fd00:30::41'],
      ipFamilies: ['IPv4', 'IPv6'],
      externalIPs: ['192.168.99.22', '2001:db8::22'],
      loadBalancerSourceRanges: ['203.0.113.0/25', '2001:db8::/32'],
    };
    const dual = service('web', '172.30.0.41', spec, [{ ip: '1.2.3.4' }, { ip: 'fd00::1:2:3:4' }]);
    const texts = (family: 'IPv4' | 'IPv6') =>
      servicePorts(dual, family).map((port) => [
        formatIp(port.clusterIp),
        port.externalIps.map(formatIp),
        port.loadBalancerVips.map(formatIp),
        port.sourceRanges.map(formatCidr),
      ]);
    expect(texts('IPv4')).toEqual([['172.30.0.41', ['192.168.99.22'], ['1.2.3.4'], ['203.0.113.0/25']]]);
    expect(texts('IPv6')).toEqual([['fd00:30::41', ['2001:db8::22'], ['fd00::1:2:3:4'], ['2001:db8::/32']]]);
    expect(servicePorts(service('web', '172.30.0.41'), 'IPv6')).toEqual([]);
  });

  it('9: which endpoints a port uses', () => {
    const uses = (spec: ServiceSpec) => {
      const { usesClusterEndpoints, usesLocalEndpoints } = portOf(spec);
      return [usesClusterEndpoints, usesLocalEndpoints];
    };
    const nodePort: ServiceSpec = { type: 'NodePort', ports: [{ ...HTTP, nodePort: 30080 }] };
    expect(uses({})).toEqual([true, false]);
    expect(uses({ internalTrafficPolicy: 'Local' })).toEqual([false, true]);
    expect(uses({ ...nodePort, externalTrafficPolicy: 'Local' })).toEqual([true, true]);
    expect(uses({ ...nodePort, externalTrafficPolicy: 'Local', internalTrafficPolicy: 'Local' })).toEqual([true, true]);
    expect(uses({ type: 'LoadBalancer', externalTrafficPolicy: 'Local' })).toEqual([true, false]);
  });

  it('externalTrafficPolicy counts only for a Service that can be reached from outside', () => {
    expect(portOf({ externalTrafficPolicy: 'Local' }).externalPolicyLocal).toBe(false);
    expect(portOf({ externalTrafficPolicy: 'Local', externalIPs: ['192.168.99.22'] }).externalPolicyLocal).toBe(true);
  });

  it('11: a load balancer IP with ipMode Proxy gets no rules', () => {
    const port = portOf({ type: 'LoadBalancer' }, { ip: '1.2.3.4' }, { ip: '1.2.3.5', ipMode: 'Proxy' }, { ip: '1.2.3.6', ipMode: 'VIP' });
    expect(port.loadBalancerVips.map(formatIp)).toEqual(['1.2.3.4', '1.2.3.6']);
  });

  it('12: healthCheckNodePort counts with externalTrafficPolicy Local and type LoadBalancer only', () => {
    const spec: ServiceSpec = { healthCheckNodePort: 30000, externalIPs: ['192.168.99.22'], externalTrafficPolicy: 'Local' };
    expect(portOf({ ...spec, type: 'LoadBalancer' }).healthCheckNodePort).toBe(30000);
    expect(portOf({ ...spec, type: 'LoadBalancer', externalTrafficPolicy: 'Cluster' }).healthCheckNodePort).toBe(0);
    expect(portOf({ ...spec, type: 'NodePort' }).healthCheckNodePort).toBe(0);
  });

  it('14: spaces around source ranges are ignored, and a range of all addresses means no restriction', () => {
    expect(portOf({ loadBalancerSourceRanges: [' 203.0.113.0/25 '] }).sourceRanges.map(formatCidr)).toEqual(['203.0.113.0/25']);
    expect(portOf({ loadBalancerSourceRanges: ['203.0.113.0/25', '0.0.0.0/0'] }).sourceRanges).toEqual([]);
  });

  it('15: leading zeros are decimal', () => {
    const bad = service(
      'web',
      '172.30.0.041',
      { type: 'LoadBalancer', externalIPs: ['192.168.099.022', 'nonsense'], loadBalancerSourceRanges: ['203.0.113.000/025'] },
      [{ ip: '1.2.3.004' }],
    );
    const [port] = servicePorts(bad, 'IPv4');
    expect(port && [port.clusterIp, ...port.externalIps, ...port.loadBalancerVips].map(formatIp)).toEqual([
      '172.30.0.41',
      '192.168.99.22',
      '1.2.3.4',
    ]);
    expect(port?.sourceRanges.map(formatCidr)).toEqual(['203.0.113.0/25']);
  });

  it('37: session affinity lasts three hours unless told otherwise', () => {
    expect(portOf({}).affinitySeconds).toBeUndefined();
    expect(portOf({ sessionAffinity: 'ClientIP' }).affinitySeconds).toBe(10_800);
    const config = { clientIP: { timeoutSeconds: 60 } };
    expect(portOf({ sessionAffinity: 'ClientIP', sessionAffinityConfig: config }).affinitySeconds).toBe(60);
  });

  it('43: a port without a name is called like its Service', () => {
    expect(portOf({ ports: [{ port: 80 }] }).name).toBe('ns/web');
    expect(portOf({}).name).toBe('ns/web:http');
  });
});
