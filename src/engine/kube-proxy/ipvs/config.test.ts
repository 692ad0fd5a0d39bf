import { expect, it } from 'vitest';
import { ipvsConfig } from './config.ts';

const SETTINGS = {
  scheduler: 'wlc',
  strictArp: true,
  excludeCidrs: ['10.0.0.0/8'],
  timeouts: { tcp: '15m0s', tcpFin: '1.9s', udp: undefined },
};

it('timeouts are whole seconds, absent ones 0', () => {
  expect(ipvsConfig(SETTINGS)).toEqual({
    ok: true,
    value: { scheduler: 'wlc', strictArp: true, excludeCidrs: ['10.0.0.0/8'], timeouts: { tcp: 900, tcpFin: 1, udp: 0 } },
  });
});

it('without a scheduler it is round robin; one that does not exist is refused', () => {
  expect(ipvsConfig({ ...SETTINGS, scheduler: '' })).toMatchObject({ ok: true, value: { scheduler: 'rr' } });
  expect(ipvsConfig({ ...SETTINGS, scheduler: 'fastest' })).toMatchObject({ ok: false, error: expect.stringContaining('"fastest"') });
  expect(ipvsConfig({ ...SETTINGS, timeouts: { ...SETTINGS.timeouts, udp: 'soon' } }).ok).toBe(false);
});
