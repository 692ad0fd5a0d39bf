import { describe, expect, it } from 'vitest';
import { formatCidr } from '../../protocol/address.ts';
import type { KubeProxyConfiguration } from '../k8s/configuration.ts';
import type { Scenario } from '../k8s/scenario.ts';
import { cidr4 } from './address-range.ts';
import { ProblemList } from './problem-list.ts';
import { planProxy } from './proxy-settings.ts';

const POD_CIDR = cidr4(0x0af40000, 16); // 10.244.0.0/16

function plan(fields: Partial<KubeProxyConfiguration> | undefined, proxyMode?: 'nftables') {
  const problems = new ProblemList(() => undefined);
  const configuration: KubeProxyConfiguration | undefined = fields && {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    ...fields,
  };
  const scenario: Scenario | undefined = proxyMode && { apiVersion: 'hoplab.dev/v1', kind: 'Scenario', spec: { proxyMode } };
  return { proxy: planProxy(configuration, scenario, POD_CIDR, problems), problems: problems.all() };
}

const clusterCidrOf = (fields: Partial<KubeProxyConfiguration>): string | undefined => {
  const { clusterCidr } = plan(fields).proxy;
  return clusterCidr && formatCidr(clusterCidr);
};

describe('kube-proxy', () => {
  it('starts with kubeadm\u2019s defaults', () => {
    expect(plan(undefined)).toEqual({
      proxy: {
        mode: 'iptables',
        detectLocalMode: 'ClusterCIDR',
        clusterCidr: POD_CIDR,
        nodePortAddresses: [],
        iptables: { masqueradeAll: false, masqueradeMark: 0x4000, localhostNodePorts: true },
        nftables: { masqueradeAll: false, masqueradeMark: 0x4000 },
        ipvs: { scheduler: 'rr', strictArp: false, excludeCidrs: [], timeouts: { tcp: undefined, tcpFin: undefined, udp: undefined } },
        conntrackTcpBeLiberal: false,
      },
      problems: [],
    });
    expect(plan({ mode: '', detectLocalMode: '' })).toEqual(plan(undefined));
  });

  it('reads its configuration', () => {
    const { proxy, problems } = plan({
      mode: 'ipvs',
      detectLocalMode: 'NodeCIDR',
      nodePortAddresses: ['192.168.1.0/24'],
      iptables: { masqueradeAll: true, masqueradeBit: 31, localhostNodePorts: false },
      ipvs: { scheduler: 'lc', strictARP: true, tcpTimeout: '15m0s' },
      conntrack: { tcpBeLiberal: true },
    });
    expect(problems).toEqual([]);
    expect(proxy).toMatchObject({
      mode: 'ipvs',
      detectLocalMode: 'NodeCIDR',
      nodePortAddresses: ['192.168.1.0/24'],
      iptables: { masqueradeAll: true, masqueradeMark: 0x8000_0000, localhostNodePorts: false },
      ipvs: { scheduler: 'lc', strictArp: true, timeouts: { tcp: '15m0s' } },
      conntrackTcpBeLiberal: true,
    });
  });

  it('takes its mode from the Scenario first', () => {
    expect(plan({ mode: 'ipvs' }, 'nftables').proxy.mode).toBe('nftables');
  });

  it('takes the IPv4 network of two, and has no detector without one', () => {
    expect(clusterCidrOf({ clusterCIDR: 'fd00::/48,10.9.0.0/16' })).toBe('10.9.0.0/16');
    expect(plan({ clusterCIDR: '' }).proxy).toMatchObject({ detectLocalMode: 'None', clusterCidr: undefined });
  });

  it('says what is wrong or not modelled', () => {
    expect(plan({ clusterCIDR: '10.9.0.0' }).problems).toMatchObject([{ severity: 'error', field: 'clusterCIDR' }]);
    for (const clusterCIDR of ['10.9.0.0/16,10.8.0.0/16', 'fd00::/48,10.9.0.0/16,10.8.0.0/16', '10.9.0.0/16,', ','])
      expect(plan({ clusterCIDR }).problems).toMatchObject([{ severity: 'error', field: 'clusterCIDR' }]);
    expect(plan({ nodePortAddresses: ['primary', '10.0.0.0/8'] }).problems).toMatchObject([
      { severity: 'error', field: 'nodePortAddresses[0]' },
    ]);
    expect(plan({ nodePortAddresses: ['10.0.0.1'] }).problems).toMatchObject([{ severity: 'error', field: 'nodePortAddresses[0]' }]);
    expect(plan({ nodePortAddresses: ['10.0.0.1/8'] }).problems).toMatchObject([{ severity: 'warning' }]);
    expect(plan({ detectLocalMode: 'BridgeInterface' })).toMatchObject({
      proxy: { detectLocalMode: 'ClusterCIDR' },
      problems: [{ severity: 'warning', field: 'detectLocalMode' }],
    });
  });
});
