import { describe, expect, it } from 'vitest';
import { proxyCost } from './proxy-cost.ts';

describe('the cost of a connection among many Services', () => {
  const cost = (mode: 'iptables' | 'nftables' | 'ipvs') => [10, 100, 1_000].map((services) => proxyCost(mode, services));

  it('grows with the Services in iptables mode: half of them are passed over on average', () => {
    const [ten, hundred, thousand] = cost('iptables').map(({ firstPacket }) => firstPacket.rules) as [number, number, number];
    expect(hundred - ten).toBe(45);
    expect(thousand - hundred).toBe(450);
  });

  it('does not in the other two', () => {
    for (const mode of ['nftables', 'ipvs'] as const) {
      const costs = cost(mode).map(({ firstPacket, laterPacket, changeWrites }) => ({ firstPacket, laterPacket, changeWrites }));
      expect(costs[1]).toEqual(costs[0]);
      expect(costs[2]).toEqual(costs[0]);
    }
  });

  it('is the same whether or not fewer Services were asked about before', () => {
    for (const mode of ['iptables', 'nftables', 'ipvs'] as const) {
      const grown = [10, 300, 700].map((services) => proxyCost(mode, services));
      expect([700, 300, 10].map((services) => proxyCost(mode, services)).reverse()).toEqual(grown);
    }
  });

  it('is smaller for later packets in every mode', () => {
    for (const mode of ['iptables', 'nftables', 'ipvs'] as const) {
      const { firstPacket, laterPacket } = proxyCost(mode, 100);
      expect(laterPacket.rules).toBeLessThan(firstPacket.rules);
      expect(laterPacket.rules).toBeGreaterThan(0);
    }
  });

  it('of a change: in IPVS mode one real server and the rules around, however many Services; in iptables mode KUBE-SERVICES, which has a rule for each', () => {
    const { changeWrites } = proxyCost('ipvs', 1_000);
    expect(changeWrites).toBe(proxyCost('ipvs', 10).changeWrites);
    expect(changeWrites).toBeLessThan(30);
    expect(proxyCost('iptables', 1_001).changeWrites - proxyCost('iptables', 1_000).changeWrites).toBe(1);
  });
});
