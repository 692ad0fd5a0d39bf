/** Denominators that a person still reads as a simple fraction. */
const DENOMINATOR_MAX = 24;
/** The kernel draws in steps of 2^-31, and kube-proxy writes ten digits. */
const ROUNDING = 1e-8;

/** `1/3`; undefined where no simple fraction is this number up to rounding. */
export function fractionText(probability: number): string | undefined {
  if (probability <= ROUNDING || probability >= 1 - ROUNDING) return undefined;
  for (let denominator = 2; denominator <= DENOMINATOR_MAX; denominator++) {
    const numerator = Math.round(probability * denominator);
    if (numerator > 0 && Math.abs(probability - numerator / denominator) < ROUNDING) return `${numerator}/${denominator}`;
  }
  return undefined;
}

/** `33.3 %`; never 0 % for what can happen and never 100 % for what may not. */
export function percentText(probability: number): string {
  const percent = probability * 100;
  if (probability >= 1 - ROUNDING) return '100 %';
  if (percent >= 99.95) return 'over 99.9 %';
  if (percent > 0 && percent < 0.05) return 'under 0.1 %';
  return `${Number(percent.toFixed(1))} %`;
}

/** `1/3 (33.3 %)`, or the percentage alone. */
export function probabilityText(probability: number): string {
  const fraction = fractionText(probability);
  return fraction === undefined ? percentText(probability) : `${fraction} (${percentText(probability)})`;
}
