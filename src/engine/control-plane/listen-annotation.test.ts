import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseIpv4 } from '../../protocol/address.ts';
import { parseListenAnnotation } from './listen-annotation.ts';

const listen = (protocol: 'tcp' | 'udp', port: number, address?: string) => ({
  protocol,
  port,
  address: address === undefined ? undefined : parseIpv4(address),
  name: undefined,
});

describe('the listen annotation', () => {
  const valid: readonly (readonly [text: string, containers: readonly string[], result: Readonly<Record<string, unknown>>])[] = [
    ['8080', ['web'], { web: [listen('tcp', 8080)] }],
    [
      'web=8080/tcp,127.0.0.1:9090; dns=5353/udp; logs=none',
      ['web', 'dns', 'logs', 'other'],
      { web: [listen('tcp', 8080), listen('tcp', 9090, '127.0.0.1')], dns: [listen('udp', 5353)], logs: [] },
    ],
    ['  web = 80 , 443 ;', ['web'], { web: [listen('tcp', 80), listen('tcp', 443)] }],
    ['0.0.0.0:80', ['web'], { web: [listen('tcp', 80)] }],
    ['53/UDP', ['web'], { web: [listen('udp', 53)] }],
    ['none', ['web'], { web: [] }],
  ];
  it.each(valid)('%s', (text, containers, result) => {
    const parsed = parseListenAnnotation(text, containers);
    expect(parsed.ok && Object.fromEntries(parsed.value)).toEqual(result);
  });

  const invalid: readonly (readonly [text: string, containers: readonly string[], error: RegExp])[] = [
    ['', ['web'], /expected entries .* got nothing/],
    [' ; ', ['web'], /got nothing/],
    ['0', ['web'], /at character 1: expected a port from 1 to 65535/],
    ['web=80, 65536', ['web'], /at character 9: expected a port .* got "65536"/],
    ['web=80,', ['web'], /at character 8: .* got nothing/],
    ['80x', ['web'], /expected a port/],
    ['80/sctp', ['web'], /"\/tcp" or "\/udp"/],
    ['localhost:80', ['web'], /an IPv4 address before the colon/],
    ['::1:80', ['web'], /IPv6 is not modelled yet/],
    ['[::1]:80', ['web'], /IPv6 is not modelled yet/],
    ['80', ['web', 'logs'], /"CONTAINER=" first, since this pod has 2 containers \(web, logs\)/],
    ['wbe=80', ['web'], /at character 1: expected the name of a container \(web\)/],
    ['web=80; web=81', ['web'], /at character 9: expected each container once/],
  ];
  it.each(invalid)('%j is refused', (text, containers, error) => {
    expect(parseListenAnnotation(text, containers)).toEqual({ ok: false, error: expect.stringMatching(error) });
  });

  it('never throws, and errors are short', () => {
    const text = fc
      .array(
        fc.oneof(
          fc.constantFrom('web', '=', ';', ',', ':', '/', 'tcp', '80', 'none', '127.0.0.1', ' ', '[', '::1'),
          fc.string({ maxLength: 3 }),
        ),
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (t) => {
        const parsed = parseListenAnnotation(t, ['web']);
        if (!parsed.ok) expect(parsed.error.length).toBeLessThan(300);
      }),
    );
  });
});
