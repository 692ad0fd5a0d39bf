import { describe, expect, it } from 'vitest';
import { compileCases, readCaseInputs } from './cases.ts';
import ipvs from './oracle/ipvs.json' with { type: 'json' };

function answers(cases: unknown): ReadonlyMap<string, Readonly<Record<string, unknown>>> {
  const result = compileCases(cases);
  if (!result.ok) throw new Error(result.error);
  return new Map(result.value.flatMap((entry) => ('expect' in entry ? [[entry.id, entry.expect] as const] : [])));
}

/** The order of servers, sets and addresses is the kernel's own; that of rules counts. */
const UNORDERED = ['virtualServers', 'realServers', 'ipsets', 'dummyAddresses', 'nodeIPs', 'remaining', 'removed'];

function sorted(value: unknown, unordered = false): unknown {
  if (Array.isArray(value)) {
    const items = value.map((item) => sorted(item));
    return unordered ? items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, sorted(item, unordered || UNORDERED.includes(key))]));
}

describe('recorded states of IPVS', () => {
  const answered = answers(ipvs);
  it.each(ipvs)('$id', ({ id, expect: expected }) => {
    const answer = answered.get(id) ?? {};
    expect(Object.keys(answer)).toEqual(Object.keys(expected));
    // A test that says less of a server than its address, port, scheduler and real servers says it of some fields only.
    expect(sorted(answer)).toMatchObject(sorted(expected) as object);
    if ('ipsets' in expected) expect(sorted(answer.ipsets, true)).toEqual(sorted(expected.ipsets, true));
    if ('iptables' in expected) expect(answer.iptables).toEqual(expected.iptables);
  });
});

describe('cases of IPVS', () => {
  const base = ipvs[0] as (typeof ipvs)[number];
  const answerTo = (changes: object): Readonly<Record<string, unknown>> =>
    [...answers([{ ...base, ...changes }]).values()][0] ?? expect.fail('an answer');
  const asking = (expected: object, settings: object = {}, more: object = {}) =>
    answerTo({ expect: expected, settings: { ...base.settings, ...settings }, ...more });

  it('without a question are told everything', () => {
    const answer = answerTo({ expect: undefined });
    expect(Object.keys(answer)).toContain('nodeIPs');
    expect(Object.keys(answer.ipsets as object)).toHaveLength(17);
    expect(answer).toMatchObject({
      dummyAddresses: ['10.20.30.41'],
      metrics: { noLocalEndpointsInternal: 0, noLocalEndpointsExternal: 0 },
    });
  });

  it('may ask for chains by table, for metrics by any name, and for what nobody knows', () => {
    expect(asking({ natChains: [], metrics: { internal: 0, totalExternal: 0 }, colour: 'red' })).toEqual({
      natChains: ['KUBE-SERVICES', 'KUBE-POSTROUTING', 'KUBE-NODE-PORT', 'KUBE-LOAD-BALANCER', 'KUBE-MARK-MASQ'],
      metrics: { internal: 0, totalExternal: 0 },
    });
    expect(asking({ iptables: { 'KUBE-POSTROUTING': [], NONE: [] } }, { iptablesHasRandomFully: true })).toEqual({
      iptables: { 'KUBE-POSTROUTING': [{ jump: 'RETURN' }, { jump: 'MARK' }, { jump: 'MASQUERADE', extra: '--random-fully' }], NONE: [] },
    });
  });

  it('may begin with servers of an earlier time', () => {
    const server = { address: '10.20.30.41', port: 80, protocol: 'TCP', scheduler: 'rr', flags: ['hashed'] };
    const other = {
      ...server,
      address: '4.4.4.4',
      flags: ['persistent'],
      timeout: 60,
      realServers: [{ address: '10.10.10.10', port: 56, weight: 0 }],
    };
    const existingVirtualServers = [{ ...server, realServers: [{ address: '10.180.0.1', port: 80, weight: 0 }] }, other];
    const left = asking({ virtualServers: [], removed: [] }, { existingVirtualServers });
    expect(left.removed).toEqual(['4.4.4.4']);
    expect(left.virtualServers).toMatchObject([{ realServers: [{ weight: 1 }] }, {}]);
    const kept = asking({ virtualServers: [] }, { existingVirtualServers, activeVirtualServers: [], excludeCIDRs: ['4.4.4.4/32'] });
    expect(kept.virtualServers).toEqual([{ ...other, realServers: [{ address: '10.10.10.10', port: 56, weight: 0 }] }]);
  });

  it('that follow another go on from its state', () => {
    const chain = [base, { ...base, id: 'later', previous: base.id, objects: [], expect: { virtualServerCount: 0, dummyAddresses: [] } }];
    expect(answers(chain).get('later')).toEqual({ virtualServerCount: 0, dummyAddresses: [] });
  });

  it('are refused where they are malformed, and where the question is what becomes of packets', () => {
    const errorOf = (settings: object): string => {
      const result = compileCases([{ ...base, settings: { ...base.settings, ...settings } }]);
      return result.ok ? '' : result.error;
    };
    expect(errorOf({ scheduler: 'fastest' })).toContain('settings.scheduler: expected rr, wrr');
    expect(errorOf({ existingVirtualServers: [{ protocol: 'TCP', address: 'x', port: 80 }] })).toContain('expected an IP address');
    expect(readCaseInputs(ipvs)).toMatchObject({ ok: false, error: expect.stringContaining('expected iptables, nftables, got "ipvs"') });
  });
});
