import { describe, expect, it } from 'vitest';
import { compileCases, readCaseInputs } from './cases.ts';
import iptables from './oracle/dumps-iptables.json' with { type: 'json' };
import nftables from './oracle/dumps-nftables.json' with { type: 'json' };
import flowsIptables from './oracle/flows-iptables.json' with { type: 'json' };
import flowsNftables from './oracle/flows-nftables.json' with { type: 'json' };

function compiled(cases: unknown) {
  const result = compileCases(cases);
  if (!result.ok) throw new Error(result.error);
  return new Map(result.value.flatMap((entry) => ('ruleset' in entry ? [[entry.id, entry] as const] : [])));
}

describe('recorded rulesets', () => {
  const iptablesAnswers = compiled(iptables);
  it.each(iptables)('$id', ({ id, ruleset }) => {
    expect(iptablesAnswers.get(id)?.ruleset).toEqual(ruleset);
  });

  const nftablesAnswers = compiled(nftables);
  it.each(nftables)('$id', ({ id, ruleset, ...rest }) => {
    const answer = nftablesAnswers.get(id);
    // The order of rules within a chain matters, all else does not.
    expect(byChain(answer?.ruleset ?? [])).toEqual(byChain(ruleset));
    expect([...(answer?.ruleset ?? [])].sort()).toEqual([...ruleset].sort());
    if ('lastTransactionOperations' in rest) expect(answer?.lastTransactionOperations).toBe(rest.lastTransactionOperations);
  });

  it('reads the states of the recorded flows', () => {
    for (const cases of [flowsIptables, flowsNftables]) {
      const inputs = readCaseInputs(cases);
      expect(inputs.ok && inputs.value.map((input) => input.id)).toEqual(cases.map((entry) => entry.id));
    }
  });
});

describe('cases', () => {
  const base = iptables[0] as (typeof iptables)[number];
  const changed = (changes: object) => ({ ...base, ...changes });
  const errorOf = (cases: unknown): string => {
    const result = compileCases(cases);
    return result.ok ? 'no error' : result.error;
  };
  const previousOf = (id: string, previous: string, kind = 'partial-sync') => changed({ id, previous, kind });

  it('that are malformed are refused with the place and the reason', () => {
    expect(errorOf({})).toBe('cases: expected a list, got {}');
    expect(errorOf([7])).toBe('cases[0]: expected an object, got 7');
    expect(errorOf([changed({ id: undefined })])).toBe('cases[0].id: expected a text, got nothing');
    const place = `case ${base.id}: cases[0]`;
    expect(errorOf([changed({ proxyMode: 'userspace' })])).toBe(`${place}.proxyMode: expected iptables, nftables, ipvs, got "userspace"`);
    expect(errorOf([changed({ kind: 'chain' })])).toBe(`${place}.chain: expected the name of a chain, got nothing`);
    expect(errorOf([changed({ node: { ...base.node, ips: ['2001:db8::1'], primaryIP: undefined } })])).toBe(
      `${place}.node.ips: expected an IPv4 address of the node, got ["2001:db8::1"]`,
    );
    const settings = (change: object) => errorOf([changed({ settings: { ...base.settings, ...change } })]);
    expect(settings({ detectLocal: { mode: 'ClusterCIDR', cidr: '10.0.0.0' } })).toBe(
      `${place}.settings.detectLocal.cidr: expected a CIDR, got "10.0.0.0"`,
    );
    expect(settings({ detectLocal: { mode: 'BridgeInterface' } })).toContain('expected ClusterCIDR, NodeCIDR, None');
    expect(settings({ detectLocal: { mode: 'ClusterCIDR', cidr: 'fd00::/64' } })).toContain('expected a CIDR of IPv4');
    expect(settings({ serviceCIDRs: ['primary'] })).toContain('expected a CIDR, got "primary"');
    expect(errorOf(null)).toBe('cases: expected a list, got nothing');
    expect(settings({ masqueradeMark: '0x1ffffffff' })).toContain('expected a mark of 32 bits');
    expect(settings({ syncPeriod: 'soon' })).toContain('expected a duration such as 30s');
    const service = { kind: 'Service', metadata: { name: 'web' }, spec: { ports: [{ port: 70000 }] } };
    expect(errorOf([changed({ objects: [service] })])).toBe(
      `${place}.objects[0].spec.ports[0].port: expected a whole number from 1 to 65535, got 70000`,
    );
    const slice = { kind: 'EndpointSlice', metadata: { name: 'web' }, addressType: 'IPv6', endpoints: [{ addresses: ['10.0.0.1'] }] };
    expect(errorOf([changed({ objects: [slice] })])).toBe(
      `${place}.objects[0].endpoints[0].addresses[0]: expected an address of the addressType IPv6, got "10.0.0.1"`,
    );
    expect(errorOf([previousOf('a', 'b')])).toBe('cases[0].previous: there is no case b');
    expect(errorOf([previousOf('a', 'b'), previousOf('b', 'a')])).toBe('cases[1].previous: the cases follow each other in a circle');
    expect(errorOf([base, base])).toBe(`cases[1]: there are two cases ${base.id}`);
  });

  it('may have fields, kinds of objects and settings that nobody knows, and nulls', () => {
    const odd = changed({ extra: 1, objects: [...base.objects, { kind: 'Pod' }], previous: null });
    const [answer] = compiled([{ ...odd, settings: { ...base.settings, colour: 'red', syncPeriod: '1m30s' } }]).values();
    expect(answer?.ruleset).toEqual(base.ruleset);
  });

  it('take the local traffic of the node where no detector is named, and none for None', () => {
    const withDetector = (detectLocal: unknown) =>
      compiled([changed({ settings: { ...base.settings, detectLocal } })]).get(base.id)?.ruleset;
    expect(withDetector(null)).toEqual(base.ruleset);
    expect(withDetector({ mode: 'None' })?.filter((line) => line.includes('10.0.0.0/8'))).toEqual([]);
  });

  it('a forced full sync after another state writes everything and deletes what is stale', () => {
    const [answer] = [...compiled([base, { ...changed({ id: 'later', previous: base.id }), objects: [] }]).values()].slice(1);
    expect(answer?.ruleset.filter((line) => line.startsWith('-X'))).toHaveLength(16);
    const same = compiled([base, changed({ id: 'later', previous: base.id })]).get('later');
    expect(same?.ruleset).toEqual(base.ruleset);
  });

  it('a state without changes is a periodic sync: the stale chains of nftables are deleted', () => {
    const states = nftables.slice(1);
    const later = { ...(states[2] as object), id: 'later', previous: states[2]?.id };
    const answer = compiled([...states, later]).get('later');
    expect(answer?.lastTransactionOperations).toBe(0);
    expect(answer?.ruleset.some((line) => line.includes('svc2'))).toBe(false);
  });

  it('a chain of nftables can be asked for alone', () => {
    const chain = { ...(nftables[0] as object), kind: 'chain', chain: 'reject-chain' };
    expect([...compiled([chain]).values()][0]?.ruleset).toEqual(['add rule ip kube-proxy reject-chain reject']);
    expect([...compiled([{ ...chain, chain: 'no-such-chain' }]).values()][0]?.ruleset).toEqual([]);
  });
});

function byChain(lines: readonly string[]): Record<string, string[]> {
  const chains: Record<string, string[]> = {};
  for (const line of lines) {
    const match = /^add rule \S+ \S+ (\S+)/.exec(line);
    const chain = match?.[1];
    if (chain !== undefined) chains[chain] = [...(chains[chain] ?? []), line];
  }
  return chains;
}
