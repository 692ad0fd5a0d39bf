import { describe, expect, it } from 'vitest';
import iptables from '../kube-proxy/oracle/flows-iptables.json' with { type: 'json' };
import nftables from '../kube-proxy/oracle/flows-nftables.json' with { type: 'json' };
import { evaluateCases } from './evaluate-cases.ts';

interface RecordedFlow {
  readonly name: string;
  readonly expect: { readonly verdict: string; readonly endpoints: readonly string[]; readonly masquerade: boolean };
}

for (const [mode, cases] of Object.entries({ iptables, nftables })) {
  describe(`flows of kube-proxy's own tests, ${mode}`, () => {
    const evaluated = evaluateCases(cases);
    // Two flows of a case may have the same name.
    const flows = (cases as readonly { id: string; flows: readonly RecordedFlow[] }[]).flatMap(({ id, flows: own }) =>
      own.map((flow) => ({ id, ...flow })),
    );
    it.each(flows.map((flow, i) => ({ ...flow, i })))('$id: $name', ({ id, name, expect: expected, i }) => {
      expect(evaluated.ok && evaluated.value[i]).toEqual({ id, flow: name, ...expected });
    });
  });
}

describe('cases that cannot be read', () => {
  it('are refused with the place', () => {
    expect(evaluateCases({})).toEqual({ ok: false, error: expect.stringContaining('expected a list') });
    expect(evaluateCases([{ ...iptables[0], flows: [{ name: 'x', sourceIP: 'nonsense' }] }])).toEqual({
      ok: false,
      error: expect.stringMatching(/sourceIP: expected an IP address, got "nonsense"/),
    });
  });
});
