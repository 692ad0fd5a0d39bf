import type { Match } from './model.ts';
import type { Words } from './words.ts';
import { Refusal } from './words.ts';

/** A match while its options are being read. */
export interface MatchReader {
  /** Takes an option and its values; false when it is none of this match. */
  take(option: string, negated: boolean, words: Words): boolean;
  finish(): Match;
}

export type Draft<T> = { -readonly [K in keyof T]: T[K] };
export type MatchOf<T extends Match['type']> = Draft<Extract<Match, { type: T }>>;

export function once(earlier: unknown, option: string): void {
  if (earlier !== undefined) throw new Refusal(`"${option}" can be used only once`);
}

export function positive(negated: boolean, option: string): void {
  if (negated) throw new Refusal(`"${option}" cannot be negated`);
}

export function required<T>(value: T | undefined, match: string, option: string): T {
  if (value === undefined) throw new Refusal(`-m ${match} needs "${option}"`);
  return value;
}

/** A list of words that is kept as bits, so that their order and repetition are lost. */
export function wordList<T extends string>(text: string, order: readonly T[], what: string): readonly T[] {
  const given = text.split(',').map((word) => word.toUpperCase());
  for (const word of given) if (!(order as readonly string[]).includes(word)) throw new Refusal(`"${word}" is no ${what}`);
  return order.filter((word) => given.includes(word));
}
