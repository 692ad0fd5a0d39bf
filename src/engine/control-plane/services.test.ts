import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatIpv4 } from '../../protocol/address.ts';
import type { Service, ServiceSpec } from '../k8s/service.ts';
import { cidr4, containsAddress, readAddress } from './address-range.ts';
import { ProblemList } from './problem-list.ts';
import { storeServices } from './services.ts';

const SERVICE_CIDR = cidr4(0x0a600000, 12); // 10.96.0.0/12
const LOAD_BALANCERS = cidr4(0xc6336400, 24); // 198.51.100.0/24

const service = (name: string, spec: ServiceSpec, namespace = 'default', status?: Service['status']): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace },
  spec,
  ...(status ? { status } : {}),
});

const HTTP = [{ port: 80 }];

function store(services: readonly Service[], serviceCidr = SERVICE_CIDR) {
  const problems = new ProblemList(() => undefined);
  const stored = storeServices(services, serviceCidr, LOAD_BALANCERS, problems).map((draft) => draft.service);
  return { stored, problems: problems.all() };
}

/** The Services as stored; they must be right. */
function stored(...services: readonly Service[]): readonly Service[] {
  const { stored, problems } = store(services);
  expect(problems.filter((problem) => problem.severity === 'error')).toEqual([]);
  return stored.slice(1);
}

/** The first Service's spec as stored. */
const specOf = (...services: readonly Service[]): ServiceSpec => stored(...services)[0]?.spec as ServiceSpec;

describe('defaults', () => {
  it('of a Service that says nothing but its port', () => {
    expect(stored(service('web', { ports: HTTP, selector: { app: 'web' } }))).toEqual([
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'web', namespace: 'default' },
        spec: {
          type: 'ClusterIP',
          clusterIP: '10.96.1.1',
          clusterIPs: ['10.96.1.1'],
          ipFamilies: ['IPv4'],
          ipFamilyPolicy: 'SingleStack',
          internalTrafficPolicy: 'Cluster',
          sessionAffinity: 'None',
          selector: { app: 'web' },
          ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
        },
        status: { loadBalancer: {} },
      },
    ]);
  });

  it('of externalTrafficPolicy only where clients outside can come', () => {
    expect(specOf(service('a', { ports: HTTP })).externalTrafficPolicy).toBeUndefined();
    expect(specOf(service('a', { ports: HTTP, externalIPs: ['192.0.2.7'] })).externalTrafficPolicy).toBe('Cluster');
    expect(specOf(service('a', { ports: HTTP, type: 'NodePort' })).externalTrafficPolicy).toBe('Cluster');
  });

  it('of session affinity: three hours, and nothing without it', () => {
    expect(specOf(service('a', { ports: HTTP, sessionAffinity: 'ClientIP' })).sessionAffinityConfig).toEqual({
      clientIP: { timeoutSeconds: 10_800 },
    });
    const config = { clientIP: { timeoutSeconds: 60 } };
    expect(specOf(service('a', { ports: HTTP, sessionAffinity: 'ClientIP', sessionAffinityConfig: config })).sessionAffinityConfig).toEqual(
      config,
    );
    expect(specOf(service('a', { ports: HTTP, sessionAffinityConfig: config })).sessionAffinityConfig).toBeUndefined();
  });

  it('of families for a headless Service hang on its selector', () => {
    expect(specOf(service('a', { clusterIP: 'None', selector: { app: 'a' } }))).toMatchObject({
      clusterIPs: ['None'],
      ipFamilies: ['IPv4'],
    });
    expect(specOf(service('a', { clusterIP: 'None' }))).toMatchObject({ ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'RequireDualStack' });
  });

  it('give an ExternalName no address, family or policy', () => {
    const spec = specOf(service('a', { type: 'ExternalName', externalName: 'example.com.' }));
    expect(spec).toEqual({ type: 'ExternalName', externalName: 'example.com.', sessionAffinity: 'None' });
  });
});

describe('ClusterIPs', () => {
  it('begin with the API server\u2019s own Service', () => {
    expect(store([]).stored).toMatchObject([
      {
        metadata: { namespace: 'default', name: 'kubernetes' },
        spec: { clusterIP: '10.96.0.1', ports: [{ name: 'https', port: 443, targetPort: 6443 }] },
      },
    ]);
    const own = service('kubernetes', { ports: [{ port: 443, targetPort: 6443 }] });
    expect(store([service('a', { ports: HTTP }), own]).stored.map((s) => s.spec?.clusterIP)).toEqual(['10.96.1.1', '10.96.0.1']);
  });

  it('that are asked for come first, the others go around them', () => {
    const ips = stored(service('a', { ports: HTTP }), service('b', { ports: HTTP, clusterIP: '10.96.1.1' }), service('c', { ports: HTTP }));
    expect(ips.map((s) => s.spec?.clusterIP)).toEqual(['10.96.1.2', '10.96.1.1', '10.96.1.3']);
  });

  it('keep the tenth address for kube-dns', () => {
    expect(stored(service('kube-dns', { ports: [{ port: 53 }] }, 'kube-system'))[0]?.spec?.clusterIP).toBe('10.96.0.10');
    expect(
      stored(service('other', { ports: HTTP, clusterIP: '10.96.0.10' }), service('kube-dns', { ports: HTTP }, 'kube-system'))[1]?.spec
        ?.clusterIP,
    ).toBe('10.96.1.1');
  });

  it('come from the lower band when the upper one is full, and then there are none', () => {
    // 10.0.0.0/27: .1 to .16 are the lower band, .17 to .30 the upper one; .1 and .10 have their owners.
    const services = Array.from({ length: 29 }, (_, i) => service(`s${i}`, { ports: HTTP }));
    const { stored, problems } = store(services, cidr4(0x0a000000, 27));
    const last = stored.slice(1).map((s) => Number(s.spec?.clusterIP?.split('.')[3]));
    expect(last.slice(0, 14)).toEqual([17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30]);
    expect(last.slice(14, 28)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16]);
    expect(problems).toMatchObject([
      { severity: 'error', object: 'Service default/s28', message: expect.stringContaining('no address is left') },
    ]);
  });

  it('of two families keep the IPv4 one, and say so', () => {
    const dual = {
      ports: HTTP,
      clusterIP: '10.96.0.7',
      clusterIPs: ['10.96.0.7', 'fd00::7'],
      ipFamilies: ['IPv4', 'IPv6'],
      ipFamilyPolicy: 'RequireDualStack',
    };
    const { stored, problems } = store([service('a', dual)]);
    expect(stored[1]?.spec).toMatchObject({ clusterIP: '10.96.0.7', clusterIPs: ['10.96.0.7'], ipFamilies: ['IPv4'] });
    expect(problems).toMatchObject([{ severity: 'info', field: 'spec.ipFamilies' }]);
  });

  it('are never the same twice, and always in the network', () => {
    const asked = fc.option(fc.integer({ min: 2, max: 1000 }), { nil: undefined });
    fc.assert(
      fc.property(fc.array(asked, { maxLength: 40 }), (hosts) => {
        const unique = hosts.map((host, i) => (host !== undefined && hosts.indexOf(host) === i ? host : undefined));
        const services = unique.map((host, i) =>
          service(`s${i}`, host === undefined ? { ports: HTTP } : { ports: HTTP, clusterIP: formatIpv4((0x0a600000 + host) as never) }),
        );
        const ips = store(services).stored.map((s) => s.spec?.clusterIP as string);
        expect(new Set(ips).size).toBe(ips.length);
        for (const text of ips) {
          const read = readAddress(text);
          expect(read.kind === 'ipv4' && containsAddress(SERVICE_CIDR, read.value)).toBe(true);
        }
      }),
    );
  });
});

describe('node ports', () => {
  const nodePortsOf = (s: Service | undefined) => s?.spec?.ports?.map((port) => port.nodePort);

  it('are handed out from 30086 on, around those asked for', () => {
    const [a, b] = stored(
      service('a', {
        type: 'NodePort',
        ports: [
          { name: 'a', port: 1 },
          { name: 'b', port: 2 },
        ],
      }),
      service('b', { type: 'NodePort', ports: [{ port: 1, nodePort: 30086 }] }),
    );
    expect([nodePortsOf(a), nodePortsOf(b)]).toEqual([[30087, 30088], [30086]]);
  });

  it('are shared by ports of one number', () => {
    const dns = (nodePort?: number) => [
      { name: 'udp', port: 53, protocol: 'UDP' as const },
      { name: 'tcp', port: 53, protocol: 'TCP' as const, ...(nodePort ? { nodePort } : {}) },
    ];
    expect(nodePortsOf(stored(service('a', { type: 'NodePort', ports: dns() }))[0])).toEqual([30086, 30086]);
    expect(nodePortsOf(stored(service('a', { type: 'NodePort', ports: dns(30053) }))[0])).toEqual([30053, 30053]);
  });

  it('of load balancers can be left out, but not their health check', () => {
    const spec = specOf(
      service('a', { type: 'LoadBalancer', ports: HTTP, allocateLoadBalancerNodePorts: false, externalTrafficPolicy: 'Local' }),
    );
    expect(spec).toMatchObject({ healthCheckNodePort: 30086, ports: [{ port: 80 }] });
    expect(spec.ports?.[0]?.nodePort).toBeUndefined();
  });
});

describe('load balancers', () => {
  const ingressOf = (s: Service | undefined) => s?.status?.loadBalancer?.ingress;
  const balancer = (name: string, spec: ServiceSpec = {}, status?: Service['status']) =>
    service(name, { type: 'LoadBalancer', ports: HTTP, ...spec }, 'default', status);

  it('get addresses in order, around those that are given', () => {
    const given = { loadBalancer: { ingress: [{ ip: '198.51.100.1' }] } };
    const services = stored(balancer('a'), balancer('b', {}, given), balancer('c', { loadBalancerIP: '192.0.2.9' }), balancer('d'));
    expect(services.map((s) => ingressOf(s)?.[0]?.ip)).toEqual(['198.51.100.2', '198.51.100.1', '192.0.2.9', '198.51.100.3']);
    expect(ingressOf(services[1])).toEqual([{ ip: '198.51.100.1', ipMode: 'VIP' }]);
  });

  it('keep a given mode and name', () => {
    const ingress = [{ ip: '192.0.2.1', ipMode: 'Proxy' }, { hostname: 'lb.example.com' }];
    expect(ingressOf(stored(balancer('a', {}, { loadBalancer: { ingress } }))[0])).toEqual(ingress);
  });

  it('of a class of their own stay pending', () => {
    expect(ingressOf(stored(balancer('a', { loadBalancerClass: 'example.com/lb' }))[0])).toBeUndefined();
  });

  it('beyond the pool stay pending, which is said once', () => {
    const { stored, problems } = store(Array.from({ length: 256 }, (_, i) => balancer(`s${i}`)));
    expect(stored.filter((s) => ingressOf(s) === undefined).map((s) => s.metadata?.name)).toEqual(['kubernetes', 's254', 's255']);
    expect(problems).toMatchObject([{ severity: 'warning', object: 'Service default/s254' }]);
  });
});

describe('what the API server refuses is an error at its field', () => {
  const nodePort = (name: string, number: number) => service(name, { type: 'NodePort', ports: [{ port: 80, nodePort: number }] });
  const cases: readonly (readonly [what: string, services: readonly Service[], field: string, message: RegExp])[] = [
    ['no ports', [service('a', {})], 'spec.ports', /is missing/],
    [
      'an address outside of the network',
      [service('a', { ports: HTTP, clusterIP: '10.43.0.7' })],
      'spec.clusterIP',
      /not in the Service network 10\.96\.0\.0\/12.*serviceSubnet/,
    ],
    [
      'an address that is taken',
      [service('a', { ports: HTTP, clusterIP: '10.96.0.7' }), service('b', { ports: HTTP, clusterIP: '10.96.0.7' })],
      'spec.clusterIP',
      /already the address of Service default\/a/,
    ],
    [
      'the API server\u2019s address',
      [service('a', { ports: HTTP, clusterIP: '10.96.0.1' })],
      'spec.clusterIP',
      /Service default\/kubernetes/,
    ],
    [
      'an address that is none',
      [service('a', { ports: HTTP, clusterIP: '10.96' })],
      'spec.clusterIP',
      /expected an address or None, got "10\.96"/,
    ],
    ['only an address of IPv6', [service('a', { ports: HTTP, clusterIP: 'fd00::1' })], 'spec.clusterIP', /IPv6/],
    [
      'clusterIPs that contradict clusterIP',
      [service('a', { ports: HTTP, clusterIP: '10.96.0.7', clusterIPs: ['10.96.0.8'] })],
      'spec.clusterIPs[0]',
      /the same as spec\.clusterIP/,
    ],
    ['clusterIPs alone', [service('a', { ports: HTTP, clusterIPs: ['10.96.0.8'] })], 'spec.clusterIPs', /needs spec\.clusterIP/],
    ['a headless NodePort', [service('a', { ports: HTTP, type: 'NodePort', clusterIP: 'None' })], 'spec.clusterIP', /cannot be headless/],
    ['a node port outside of the range', [nodePort('a', 80)], 'spec.ports[0].nodePort', /30000 to 32767/],
    [
      'a node port that is taken',
      [nodePort('a', 30080), nodePort('b', 30080)],
      'spec.ports[0].nodePort',
      /already a node port of Service default\/a/,
    ],
    [
      'a node port of a ClusterIP',
      [service('a', { ports: [{ port: 80, nodePort: 30080 }] })],
      'spec.ports[0].nodePort',
      /has no node ports/,
    ],
    [
      'a health check without use',
      [service('a', { ports: HTTP, type: 'LoadBalancer', healthCheckNodePort: 30080 })],
      'spec.healthCheckNodePort',
      /externalTrafficPolicy: Local/,
    ],
    ['ports without names', [service('a', { ports: [{ name: 'a', port: 80 }, { port: 81 }] })], 'spec.ports[1].name', /is missing/],
    [
      'ports of one name',
      [
        service('a', {
          ports: [
            { name: 'a', port: 80 },
            { name: 'a', port: 81 },
          ],
        }),
      ],
      'spec.ports[1].name',
      /rename one/,
    ],
    [
      'ports of one number',
      [
        service('a', {
          ports: [
            { name: 'a', port: 80 },
            { name: 'b', port: 80 },
          ],
        }),
      ],
      'spec.ports[1].port',
      /80\/TCP is there twice/,
    ],
    ['a number in quotes', [service('a', { ports: [{ port: 80, targetPort: '8080' }] })], 'spec.ports[0].targetPort', /remove the quotes/],
    ['no externalName', [service('a', { type: 'ExternalName' })], 'spec.externalName', /is missing/],
    [
      'an externalName that is none',
      [service('a', { type: 'ExternalName', externalName: 'http://example.com/' })],
      'spec.externalName',
      /DNS name/,
    ],
    [
      'an ExternalName with an address',
      [service('a', { type: 'ExternalName', externalName: 'example.com', clusterIP: '10.96.0.7' })],
      'spec.clusterIP',
      /has no address/,
    ],
    [
      'an external address that is none',
      [service('a', { ports: HTTP, externalIPs: ['example.com'] })],
      'spec.externalIPs[0]',
      /expected an address/,
    ],
    ['an external address of the loopback', [service('a', { ports: HTTP, externalIPs: ['127.0.0.1'] })], 'spec.externalIPs[0]', /loopback/],
    [
      'a source range that is none',
      [service('a', { ports: HTTP, type: 'LoadBalancer', loadBalancerSourceRanges: ['192.0.2.1'] })],
      'spec.loadBalancerSourceRanges[0]',
      /add \/32/,
    ],
    [
      'source ranges of a NodePort',
      [service('a', { ports: HTTP, type: 'NodePort', loadBalancerSourceRanges: ['192.0.2.0/24'] })],
      'spec.loadBalancerSourceRanges',
      /type LoadBalancer/,
    ],
    [
      'an external policy inside',
      [service('a', { ports: HTTP, externalTrafficPolicy: 'Local' })],
      'spec.externalTrafficPolicy',
      /internalTrafficPolicy/,
    ],
    [
      'a status that is no address',
      [service('a', { ports: HTTP, type: 'LoadBalancer' }, 'default', { loadBalancer: { ingress: [{ ip: 'x' }] } })],
      'status.loadBalancer.ingress[0].ip',
      /expected an address/,
    ],
  ];

  it.each(cases)('%s', (_, services, field, message) => {
    const errors = store(services).problems.filter((problem) => problem.severity === 'error');
    expect(errors).toMatchObject([{ field, message: expect.stringMatching(message) }]);
    expect(errors[0]?.object).toBe(`Service default/${services.at(-1)?.metadata?.name}`);
  });

  it('but not what it only makes odd', () => {
    expect(
      store([service('a', { ports: HTTP, type: 'NodePort' }, 'default', { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } })]),
    ).toMatchObject({
      stored: [{}, { status: { loadBalancer: {} } }],
      problems: [{ severity: 'warning' }],
    });
    expect(store([service('a', { type: 'ExternalName', externalName: '192.0.2.1' })]).problems).toMatchObject([{ severity: 'info' }]);
  });
});
