import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { iptablesHash, nftablesEndpointBase, nftablesServiceBase } from './chain-names.ts';
import names from './oracle/chain-names.json' with { type: 'json' };
import { sha256 } from './sha256.ts';

describe('chain names', () => {
  it.each(names.iptables)('iptables: $chain', (entry) => {
    expect(`KUBE-${entry.kind}-${iptablesHash(entry.servicePortName, entry.protocol, entry.endpoint)}`).toBe(entry.chain);
  });

  it.each(names.nftables)('nftables: $base', (entry) => {
    const { namespace, service, protocol, portName, endpoint } = entry;
    if (endpoint === undefined) {
      expect(nftablesServiceBase(namespace, service, protocol, portName)).toBe(entry.base);
      return;
    }
    const colon = endpoint.lastIndexOf(':');
    const address = endpoint.slice(0, colon).replace(/^\[|\]$/g, '');
    expect(nftablesEndpointBase(namespace, service, protocol, portName, address, Number(endpoint.slice(colon + 1)))).toBe(entry.base);
  });

  it('agrees with another SHA-256', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 400 }), (text) => {
        const hex = [...sha256(text)].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
        expect(hex).toBe(createHash('sha256').update(text, 'utf8').digest('hex'));
      }),
    );
  });
});
