import { describe, expect, it } from 'vitest';
import { ip } from './example-events.ts';
import { whyNoMatch } from './why-not.ts';

const packet = {
  src: ip('10.244.1.5'),
  dst: ip('10.96.0.20'),
  protocol: 'tcp',
  srcPort: 41932,
  dstPort: 80,
  inDevice: 'cni0',
  outDevice: undefined,
};

describe('whyNoMatch', () => {
  it.each([
    ['-A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m comment --comment "a -s b" -m tcp --dport 443 -j X', 'destination differs'],
    ['-A KUBE-SERVICES -d 10.96.0.20/32 -p udp -m udp --dport 80 -j X', 'protocol differs'],
    ['-A KUBE-SERVICES -d 10.96.0.20/32 -p tcp -m tcp --dport 443 -j X', 'destination port differs'],
    ['-A KUBE-SVC-X ! -s 10.244.0.0/16 -d 10.96.0.20/32 -p tcp -m tcp --dport 80 -j KUBE-MARK-MASQ', 'source is excepted'],
    ['-A KUBE-SEP-X -s 10.244.2.7/32 -j KUBE-MARK-MASQ', 'source differs'],
    ['-A INPUT -i eth+ -j X', 'incoming device differs'],
    ['-A FORWARD -o cni0 -j X', 'outgoing device differs'],
  ])('%s: %s', (text, why) => {
    expect(whyNoMatch(text, packet)).toBe(why);
  });

  it('tells a draw that failed, where nothing else can have been the reason', () => {
    const draw = '-m statistic --mode random --probability 0.33333333349 -j KUBE-SEP-X';
    expect(whyNoMatch(`-A KUBE-SVC-X -m comment --comment "a" ${draw}`, packet)).toBe(
      'drawn: a chance of 1/3 (33.3 %), and it did not come out',
    );
    expect(whyNoMatch(`-A KUBE-SVC-X -m recent --rcheck --name a ${draw}`, packet)).toBe('');
  });

  it('is silent about what the packet cannot answer', () => {
    expect(whyNoMatch('-A FORWARD -m conntrack --ctstate INVALID -j DROP', packet)).toBe('');
    expect(whyNoMatch('ip daddr 10.0.0.1 drop', packet)).toBe('');
  });
});
