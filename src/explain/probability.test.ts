import { describe, expect, it } from 'vitest';
import { fractionText, percentText, probabilityText } from './probability.ts';

describe('fractionText', () => {
  it('knows the numbers that kube-proxy writes', () => {
    expect(fractionText(0.33333333349)).toBe('1/3');
    expect(fractionText(0.5)).toBe('1/2');
    expect(fractionText(0.14285714272)).toBe('1/7');
    expect(fractionText(3 / 8)).toBe('3/8');
  });

  it('is silent about certainty and about what is no simple fraction', () => {
    expect(fractionText(1)).toBeUndefined();
    expect(fractionText(0)).toBeUndefined();
    expect(fractionText(1 / 97)).toBeUndefined();
    expect(fractionText(Math.PI / 4)).toBeUndefined();
  });
});

describe('percentText', () => {
  it('does not round a chance to certainty or to nothing', () => {
    expect(percentText(1 / 3)).toBe('33.3 %');
    expect(percentText(1)).toBe('100 %');
    expect(percentText(0.99999)).toBe('over 99.9 %');
    expect(percentText(0.00001)).toBe('under 0.1 %');
  });
});

describe('probabilityText', () => {
  it('gives both where both are simple', () => {
    expect(probabilityText(0.25)).toBe('1/4 (25 %)');
    expect(probabilityText(0.123456)).toBe('12.3 %');
  });
});
