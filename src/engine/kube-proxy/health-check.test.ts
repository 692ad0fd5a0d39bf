import { describe, expect, it } from 'vitest';
import { healthChecks } from './health-check.ts';
import { elsewhere, HTTP, here, service, slice, TERMINATING, TEST_NODE } from './object-fixtures.ts';
import { ProxyState } from './state.ts';

describe('health check node ports', () => {
  it('13: local ready endpoints count, once per address; terminating ones never', () => {
    const state = new ProxyState('IPv4');
    const ports = [HTTP, { name: 'https', port: 443, protocol: 'TCP' }] as const;
    const lb = service('web', '172.30.0.41', {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 30000,
      ports,
    });
    const slicePorts = [
      { name: 'http', port: 8080, protocol: 'TCP' },
      { name: 'https', port: 8443, protocol: 'TCP' },
    ] as const;
    state.update({
      services: [lb, service('plain', '172.30.0.42')],
      endpointSlices: [slice('web', [here('10.0.0.1'), here('10.0.0.2', TERMINATING), elsewhere('10.0.0.3')], slicePorts)],
    });
    state.apply();
    expect(healthChecks(state, TEST_NODE)).toEqual([{ port: 30000, service: 'ns/web', localEndpoints: 1 }]);
    state.update({ endpointSlices: [slice('web', [here('10.0.0.2', TERMINATING)], slicePorts)] });
    state.apply();
    expect(healthChecks(state, TEST_NODE)).toEqual([{ port: 30000, service: 'ns/web', localEndpoints: 0 }]);
    state.update({ removedServices: ['ns/web'] });
    state.apply();
    expect(healthChecks(state, TEST_NODE)).toEqual([]);
  });
});
