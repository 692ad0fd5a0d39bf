import { expect, it } from 'vitest';
import { TCP_ACK, TCP_FIN, TCP_SYN } from '../../protocol/packet.ts';
import { seqAdd, seqLength, seqLess } from './tcp-sequence.ts';

it('sequence numbers wrap and compare across the wrap', () => {
  expect(seqAdd(0xfffffffe, 3)).toBe(1);
  expect(seqLess(0xfffffffe, 1)).toBe(true);
  expect(seqLess(1, 0xfffffffe)).toBe(false);
  expect(seqLess(7, 7)).toBe(false);
});

it('SYN and FIN take a sequence number each', () => {
  expect(seqLength({ flags: TCP_SYN, data: '' })).toBe(1);
  expect(seqLength({ flags: TCP_FIN | TCP_ACK, data: 'abc' })).toBe(4);
  expect(seqLength({ flags: TCP_ACK, data: '' })).toBe(0);
});
