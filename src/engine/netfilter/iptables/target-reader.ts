import type { Target } from './model.ts';
import type { Words } from './words.ts';
import { Refusal } from './words.ts';

/** A target while its options are being read. */
export interface TargetReader {
  /** Takes an option and its values; false when it is none of this target. */
  take(option: string, negated: boolean, words: Words): boolean;
  finish(): Target;
}

export function refuseNegated(negated: boolean, option: string): void {
  if (negated) throw new Refusal(`"${option}" cannot be negated`);
}
