import { describe, expect, it } from 'vitest';
import { compileCases } from './cases.ts';
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
