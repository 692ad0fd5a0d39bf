import { describe, expect, it } from 'vitest';
import type { Topology } from '../../protocol/view.ts';
import { exampleEndpoint, exampleService } from './example-service.ts';
import { endpointStateText, problemsOf, serviceKey, serviceOfTarget, sortedServices, targetsOfService } from './service-facts.ts';

const topology = { problems: [] } as unknown as Topology;
const web = exampleService();
const dns = exampleService({ namespace: 'kube-system', name: 'kube-dns', clusterIp: '10.96.0.10' });

describe('endpointStateText', () => {
  it('tells terminating from not ready', () => {
    expect(endpointStateText(exampleEndpoint())).toBe('ready');
    expect(endpointStateText(exampleEndpoint({ ready: false, serving: false }))).toBe('not ready');
    expect(endpointStateText(exampleEndpoint({ ready: false, terminating: true }))).toBe('terminating, still serving');
    expect(endpointStateText(exampleEndpoint({ ready: false, serving: false, terminating: true }))).toBe('terminating');
  });
});

describe('problemsOf', () => {
  it('is silent about a Service that works', () => {
    expect(problemsOf(web, topology)).toEqual([]);
  });

  it('says why nobody serves', () => {
    expect(problemsOf(exampleService({ endpoints: [] }), topology)).toEqual([expect.stringContaining('No pod matches')]);
    expect(problemsOf(exampleService({ endpoints: [], selector: undefined }), topology)).toEqual([expect.stringContaining('no selector')]);
    const down = exampleEndpoint({ ready: false, serving: false });
    expect(problemsOf(exampleService({ endpoints: [down] }), topology)).toEqual([expect.stringContaining('rejects')]);
    const leaving = exampleEndpoint({ ready: false, terminating: true });
    expect(problemsOf(exampleService({ endpoints: [leaving] }), topology)).toEqual([expect.stringContaining('falls back')]);
  });

  it('does not judge what is not listed', () => {
    const down = exampleEndpoint({ ready: false });
    expect(problemsOf(exampleService({ endpoints: [down], endpointCount: 300 }), topology)).toEqual([]);
  });

  it('repeats what the loader found about this one', () => {
    const problem = { object: 'Service default/web', message: 'port clash' };
    expect(problemsOf(web, { problems: [problem] } as unknown as Topology)).toEqual(['Port clash']);
    expect(problemsOf(dns, { problems: [problem] } as unknown as Topology)).toEqual([]);
  });
});

describe('serviceOfTarget', () => {
  it('knows references, addresses and URLs', () => {
    for (const to of ['svc/default/web:80', 'svc/default/web', '10.96.0.20:80', 'http://10.96.0.20/index.html'])
      expect(serviceOfTarget([dns, web], to)).toBe(web);
    for (const to of ['svc/default/we', '10.96.0.2', 'pod/default/web:80', '']) expect(serviceOfTarget([dns, web], to)).toBeUndefined();
  });
});

describe('targetsOfService', () => {
  it('has no address where there is none', () => {
    expect(targetsOfService(web)).toEqual(['svc/default/web:80', '10.96.0.20:80']);
    expect(targetsOfService(exampleService({ clusterIp: 'None', headless: true }))).toEqual(['svc/default/web:80']);
    expect(targetsOfService(exampleService({ type: 'ExternalName' }))).toEqual([]);
  });
});

describe('sortedServices', () => {
  it('puts what is looked at first and the system last', () => {
    const api = exampleService({ name: 'api' });
    expect(sortedServices([dns, web, api], []).map(serviceKey)).toEqual(['default/api', 'default/web', 'kube-system/kube-dns']);
    expect(sortedServices([dns, web, api], ['kube-system/kube-dns', 'default/web']).map(serviceKey)).toEqual([
      'kube-system/kube-dns',
      'default/web',
      'default/api',
    ]);
  });
});
